//! What a connection sees of its calls: when a request has come whole, and when its answer is over; and how it ends them.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use campanile::BoxError;
use campanile_llm::{Error, dialect::Dialect, error::Class};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{calls::Link, clocks::Stage, stop::Phase};
use crate::operate::{Ends, LoggedBody};

/// Who is told of the end of an answer, and who may demand it.
pub(super) struct Follow {
    pub(super) link: Arc<Link>,
    pub(super) dialect: Dialect,
    /// The call's name.
    pub(super) id: Arc<str>,
}

pin_project! {
    /// The body of an answer, which is followed to its end.
    pub(super) struct Followed<B> {
        // Gone once its last words are said.
        #[pin]
        body: Option<LoggedBody<B>>,
        follow: Follow,
    }
}

pin_project! {
    /// The body of a request, which tells when all of it has come.
    pub(super) struct Watched<B> {
        #[pin]
        body: B,
        link: Arc<Link>,
    }
}

// ===== impl Follow =====

impl Follow {
    pub(super) fn is_cut(&self) -> bool {
        self.link.served.stop.phase() >= Phase::Cutting
    }

    /// The answer is cut. Each is told, since somebody may have to be asked pardon.
    #[cold]
    pub(super) fn cut(&self) {
        self.link.clocks.cut();
        tracing::warn!(id = &*self.id, "the gateway stops: an answer was cut");
    }

    /// Something panicked. What it said stands in the line before.
    #[cold]
    pub(super) fn panicked(&self) {
        tracing::error!(
            id = &*self.id,
            "what worked on a request panicked; its caller is told that something broke"
        );
    }

    /// What ends a stream that is not whole.
    #[cold]
    fn last_words<E>(&self, message: &str) -> Poll<Option<Result<Frame<Bytes>, E>>> {
        let error = Error::new(Class::Interrupted, message).with_request_id(&*self.id);
        Poll::Ready(Some(Ok(Frame::data(self.dialect.error_frame(&error)))))
    }
}

impl Drop for Follow {
    /// The answer is over, or given up.
    fn drop(&mut self) {
        self.link.clocks.enter(Stage::Idle);
    }
}

// ===== impl Followed =====

impl<B> Followed<B> {
    pub(super) const fn new(body: LoggedBody<B>, follow: Follow) -> Self {
        Self {
            body: Some(body),
            follow,
        }
    }
}

impl<B> Body for Followed<B>
where
    B: Body<Data = Bytes> + Ends,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut this = self.project();
        let Some(mut body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let is_stream = body.size_hint().exact().is_none();
        if is_stream && this.follow.is_cut() {
            body.ends("cut", Class::Interrupted);
            this.body.set(None);
            this.follow.cut();
            return this
                .follow
                .last_words("the gateway stops, and the answer was cut");
        }
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(cx))) {
            Ok(polled) => polled.map_err(Into::into),
            Err(_) => {
                this.follow.panicked();
                body.ends("broken", Class::Server);
                this.body.set(None);
                let message = "something broke within the gateway";
                match is_stream {
                    true => this.follow.last_words(message),
                    // Its length is said: that it is short says the rest.
                    false => Poll::Ready(Some(Err(message.into()))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.body {
            Some(body) => body.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

// ===== impl Watched =====

impl<B: Body> Watched<B> {
    pub(super) fn new(body: B, link: Arc<Link>) -> Self {
        link.clocks.leaves_unread(!body.is_end_stream());
        Self { body, link }
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.body.as_mut().poll_frame(cx);
        if let Poll::Ready(frame) = &polled
            && (frame.is_none() || this.body.is_end_stream())
        {
            this.link.clocks.leaves_unread(false);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
