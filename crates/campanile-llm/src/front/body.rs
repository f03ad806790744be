use std::{
    convert::Infallible,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use http_body::{Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use crate::{
    chat::{ChatEvent, Part},
    dialect::Dialect,
    error::{Class, Error},
    stream::{ChatStream, cut_off},
};

pin_project! {
    /// The body of an answer: whole, or event by event as its transport asks for it. It never fails; see the
    /// [module](super) for what becomes of streams that do.
    pub struct Body<S = ChatStream> {
        #[pin]
        content: Content<S>,
        heartbeat: Option<Heartbeat>,
        request_id: Option<Arc<str>>,
        failed: Option<Class>,
    }
}

pin_project! {
    #[project = ContentProj]
    enum Content<S> {
        Whole { body: Bytes },
        Stream {
            #[pin]
            stream: S,
            dialect: Dialect,
        },
        Over,
    }
}

/// Says something when nothing has been said for a while.
struct Heartbeat {
    every: Duration,
    /// Made when an event is first waited for.
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the timer runs for the present wait.
    runs: bool,
}

// ===== impl Body =====

impl<S> Body<S> {
    /// A body of these bytes.
    #[must_use]
    pub const fn whole(body: Bytes) -> Self {
        Self::of(Content::Whole { body })
    }

    /// A body of these events, which says in this dialect if they fail.
    pub const fn stream(stream: S, dialect: Dialect) -> Self {
        Self::of(Content::Stream { stream, dialect })
    }

    #[cfg(test)]
    pub(super) fn timer_is_armed(&self) -> bool {
        let heartbeat = self.heartbeat.as_ref();
        heartbeat.is_some_and(|heartbeat| heartbeat.timer.is_some())
    }

    const fn of(content: Content<S>) -> Self {
        Self {
            content,
            heartbeat: None,
            request_id: None,
            failed: None,
        }
    }

    /// Tells the caller's own name of the call where the stream fails and its dialect has errors tell one, in place of what a
    /// provider calls it.
    #[must_use]
    pub fn request_id(mut self, id: Arc<str>) -> Self {
        self.request_id = Some(id);
        self
    }

    /// What went wrong, once its last frame has said so: for logs, since to a transport it ended as any other.
    pub const fn failed(&self) -> Option<Class> {
        self.failed
    }

    /// Sends a comment, which readers of events skip, each time that an event has been waited for so long; for proxies that
    /// close silent connections. A time of 0 sends none, as without this.
    #[must_use]
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat = (!every.is_zero()).then_some(Heartbeat {
            every,
            timer: None,
            runs: false,
        });
        self
    }
}

impl<S> http_body::Body for Body<S>
where
    S: Stream<Item = Result<ChatEvent, Error>>,
{
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let mut this = self.project();
        loop {
            let (bytes, last) = match this.content.as_mut().project() {
                ContentProj::Over => return Poll::Ready(None),
                ContentProj::Whole { body } => (std::mem::take(body), true),
                ContentProj::Stream { stream, dialect } => match stream.poll_next(cx) {
                    Poll::Ready(Some(Ok(event))) => {
                        (event.frame().clone(), event.part() == Part::End)
                    }
                    Poll::Ready(failed) => {
                        let mut error = match failed {
                            Some(Err(error)) => error,
                            _ => cut_off(),
                        };
                        *this.failed = Some(error.class());
                        if let Some(id) = this.request_id {
                            error = error.with_request_id(&**id);
                        }
                        (dialect.error_frame(&error), true)
                    }
                    Poll::Pending => match this.heartbeat {
                        Some(heartbeat) => {
                            return heartbeat.poll(cx).map(|bytes| Some(Ok(Frame::data(bytes))));
                        }
                        None => return Poll::Pending,
                    },
                },
            };
            if let Some(heartbeat) = this.heartbeat {
                heartbeat.runs = false;
            }
            if last {
                // The stream is not kept until the transport lets go of the body.
                this.content.set(Content::Over);
            }
            if !bytes.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(bytes))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole { body } => body.is_empty(),
            Content::Stream { .. } => false,
            Content::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole { body } => SizeHint::with_exact(body.len() as u64),
            Content::Stream { .. } => SizeHint::default(),
            Content::Over => SizeHint::with_exact(0),
        }
    }
}

impl<S> fmt::Debug for Body<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let content = match &self.content {
            Content::Whole { .. } => "whole",
            Content::Stream { .. } => "stream",
            Content::Over => "over",
        };
        f.debug_struct("Body")
            .field("content", &content)
            .field("heartbeat", &self.heartbeat.as_ref().map(|beat| beat.every))
            .finish_non_exhaustive()
    }
}

// ===== impl Heartbeat =====

impl Heartbeat {
    /// An event is waited for.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let every = self.every;
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(every)));
        if !self.runs {
            // What is beyond the reach of the clock is as far as the timer's own begin had it.
            if let Some(at) = Instant::now().checked_add(every) {
                timer.as_mut().reset(at);
            }
            self.runs = true;
        }
        timer.as_mut().poll(cx).map(|()| {
            self.runs = false;
            Bytes::from_static(b": keep-alive\n\n")
        })
    }
}
