//! Bodies of answers.

use std::{
    convert::Infallible,
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::{error::Class, front};
use http_body::{Body as HttpBody, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::operate::Ends;

pin_project! {
    /// The body of an answer. Its type is known, so that it needs no box.
    #[project = BodyProj]
    pub(crate) enum Body {
        // Of a call.
        Front { #[pin] body: front::Body },
        // Of something else.
        Other { #[pin] body: axum::body::Body },
    }
}

// ===== impl Body =====

impl Body {
    pub(super) const fn front(body: front::Body) -> Self {
        Self::Front { body }
    }

    pub(super) const fn other(body: axum::body::Body) -> Self {
        Self::Other { body }
    }

    pub(super) const fn whole(body: Bytes) -> Self {
        Self::front(front::Body::whole(body))
    }
}

impl Ends for Body {
    fn failed(&self) -> Option<Class> {
        match self {
            Self::Front { body } => body.failed(),
            Self::Other { .. } => None,
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project() {
            BodyProj::Front { body } => body
                .poll_frame(cx)
                .map_err(|never: Infallible| match never {}),
            BodyProj::Other { body } => body.poll_frame(cx).map_err(BoxError::from),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Front { body } => body.is_end_stream(),
            Self::Other { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Front { body } => body.size_hint(),
            Self::Other { body } => body.size_hint(),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Front { body } => body.fmt(f),
            Self::Other { body } => body.fmt(f),
        }
    }
}
