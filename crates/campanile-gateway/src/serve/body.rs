//! Bodies of answers.

use bytes::Bytes;
use campanile_llm::{error::Class, front};
use http_body_util::Either;

use crate::operate::Ends;

/// The body of an answer: of a call, or of something else. Its type is known, so that it needs no box.
pub(crate) type Body = Either<front::Body, axum::body::Body>;

/// One that is there as a whole.
pub(super) const fn whole(body: Bytes) -> Body {
    Either::Left(front::Body::whole(body))
}

impl Ends for Body {
    fn failed(&self) -> Option<Class> {
        match self {
            Self::Left(body) => body.failed(),
            Self::Right(_) => None,
        }
    }
}
