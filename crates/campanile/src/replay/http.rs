use std::fmt;

use ::http::{Request, request::Parts};
use bytes::Buf;
use http_body::Body;

use super::{Replay, ReplayBody};
use crate::BoxError;

/// Keeps HTTP requests whose bodies need not be clonable: a body is recorded while it is sent, up to a cap, and sent
/// again from the record.
///
/// An empty body costs nothing, and neither does one that is known to be larger than the cap: it is passed on, and its
/// call is not tried again. Where a retry begins before the body was sent whole, it takes over the rest; the body of
/// the earlier attempt fails if it still needs it. A call is hedged only once its body was sent whole.
#[derive(Debug, Clone, Copy)]
pub struct ReplayBodies {
    cap: usize,
}

/// What [`ReplayBodies`] keeps of a request.
pub struct KeptRequest<B> {
    parts: Parts,
    body: ReplayBody<B>,
}

// ===== impl ReplayBodies =====

impl ReplayBodies {
    /// Records up to `cap` bytes of each body.
    #[must_use]
    pub const fn new(cap: usize) -> Self {
        Self { cap }
    }
}

impl Default for ReplayBodies {
    /// 64 KiB.
    fn default() -> Self {
        Self::new(64 * 1024)
    }
}

impl<B> Replay<Request<B>> for ReplayBodies
where
    B: Body,
    B::Data: Buf,
    B::Error: Into<BoxError>,
{
    type Request = Request<ReplayBody<B>>;
    type Kept = KeptRequest<B>;

    fn keep(&self, request: Request<B>) -> (Self::Request, Self::Kept) {
        let (parts, body) = request.into_parts();
        let (first, rest) = ReplayBody::pair(body, self.cap);
        let kept = KeptRequest {
            parts: parts.clone(),
            body: rest,
        };
        (Request::from_parts(parts, first), kept)
    }

    fn is_whole(&self, kept: &KeptRequest<B>) -> bool {
        kept.body.is_whole()
    }

    fn is_sent(&self, kept: &KeptRequest<B>) -> bool {
        kept.body.is_sent()
    }

    fn again(&self, kept: &mut KeptRequest<B>) -> Option<Self::Request> {
        let body = kept.body.again()?;
        Some(Request::from_parts(kept.parts.clone(), body))
    }
}

// ===== impl KeptRequest =====

impl<B> fmt::Debug for KeptRequest<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptRequest")
            .field("parts", &self.parts)
            .field("body", &self.body)
            .finish()
    }
}
