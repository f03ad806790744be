use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::{Cut, ScriptStream};

/// An HTTP body that does as it is told: pieces, pauses, a cut, trailers. Clones start where the original stands.
///
/// ```
/// use campanile::testing::{ScriptBody, ScriptStream};
/// use std::time::Duration;
///
/// let whole = ScriptBody::full("hello");
/// let cut = ScriptBody::new(
///     ScriptStream::new()
///         .piece("data: one\n\n".into())
///         .pause(Duration::from_millis(50))
///         .cut("connection reset"),
/// );
/// # let _ = (whole, cut);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct ScriptBody {
    stream: ScriptStream<Bytes>,
    trailers: Option<HeaderMap>,
    length: Option<u64>,
    silent: bool,
}

// ===== impl ScriptBody =====

impl ScriptBody {
    /// A body of these pieces, of unknown length.
    pub const fn new(stream: ScriptStream<Bytes>) -> Self {
        Self {
            stream,
            trailers: None,
            length: None,
            silent: false,
        }
    }

    /// A body without data: its end is known at once.
    pub const fn empty() -> Self {
        Self::new(ScriptStream::new()).length(0)
    }

    /// A body of one piece, of known length.
    pub fn full(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let length = data.len() as u64;
        Self::new(ScriptStream::new().piece(data)).length(length)
    }

    /// Declares how many bytes there are, truly or not.
    pub const fn length(mut self, bytes: u64) -> Self {
        self.length = Some(bytes);
        self
    }

    /// Adds trailers after the last piece.
    pub fn trailers(mut self, trailers: HeaderMap) -> Self {
        self.trailers = Some(trailers);
        self
    }

    /// Does not tell its end by [`is_end_stream`](Body::is_end_stream): it must be polled once more, as a chunked body
    /// must whose last chunk has yet to come.
    pub const fn silent_end(mut self) -> Self {
        self.silent = true;
        self
    }
}

impl Body for ScriptBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let this = self.get_mut();
        Poll::Ready(match ready!(Pin::new(&mut this.stream).poll_next(cx)) {
            Some(Ok(data)) => {
                if let Some(length) = &mut this.length {
                    *length = length.saturating_sub(data.len() as u64);
                }
                Some(Ok(Frame::data(data)))
            }
            Some(Err(cut)) => {
                this.trailers = None;
                Some(Err(cut))
            }
            None => this
                .trailers
                .take()
                .map(|trailers| Ok(Frame::trailers(trailers))),
        })
    }

    fn is_end_stream(&self) -> bool {
        !self.silent && self.stream.is_over() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length
            .map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
