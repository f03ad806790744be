//! Scripted streams of events, which tell what was asked of them.

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use tokio::time::Sleep;

use crate::{
    chat::{ChatCompletion, ChatEvent, ChatResponse, FinishReason, Meta, Part},
    dialect::Dialect,
    error::{Class, Error},
};

/// A stream that does as it is told.
#[derive(Debug, Default)]
pub(crate) struct Source {
    acts: VecDeque<Act>,
    pause: Option<Pin<Box<Sleep>>>,
    seen: Seen,
}

#[derive(Debug, Clone)]
enum Act {
    Event(ChatEvent),
    Fail(Class),
    Pause(Duration),
    Stall,
}

/// What streams were asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    pulled: AtomicUsize,
    dropped: AtomicUsize,
}

/// An event whose data is this JSON.
pub(crate) fn event(json: &str, part: Part) -> ChatEvent {
    let frame = Bytes::from(format!("data: {json}\n\n"));
    ChatEvent::new(frame, 6..6 + json.len(), part)
}

/// A whole answer of this body.
pub(crate) fn whole(body: &str, finish: Option<FinishReason>) -> ChatResponse<Source> {
    let completion = ChatCompletion {
        dialect: Dialect::OpenAi,
        body: Bytes::copy_from_slice(body.as_bytes()),
        finish,
        usage: campanile::Usage::default(),
        reported: false,
        empty: body.is_empty(),
    };
    ChatResponse::whole(Meta::default(), completion)
}

// ===== impl Source =====

impl Source {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Has these counts tell of it.
    pub(crate) fn seen_by(mut self, seen: &Seen) -> Self {
        self.seen = seen.clone();
        self
    }

    fn act(mut self, act: Act) -> Self {
        self.acts.push_back(act);
        self
    }

    pub(crate) fn event(self, event: ChatEvent) -> Self {
        self.act(Act::Event(event))
    }

    /// An event that says who speaks.
    pub(crate) fn role(self) -> Self {
        self.event(event("{\"role\":\"assistant\"}", Part::Idle))
    }

    pub(crate) fn comment(self) -> Self {
        self.event(ChatEvent::new(": wait\n\n".into(), 0..0, Part::Idle))
    }

    /// An event with content.
    pub(crate) fn word(self, json: &str) -> Self {
        self.event(event(json, Part::Content))
    }

    /// The last event.
    pub(crate) fn done(self) -> Self {
        self.event(event("[DONE]", Part::End))
    }

    pub(crate) fn fail(self, class: Class) -> Self {
        self.act(Act::Fail(class))
    }

    pub(crate) fn pause(self, time: Duration) -> Self {
        self.act(Act::Pause(time))
    }

    pub(crate) fn stall(self) -> Self {
        self.act(Act::Stall)
    }

    pub(crate) fn answer(self) -> ChatResponse<Self> {
        ChatResponse::stream(Meta::default(), self)
    }
}

impl Stream for Source {
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(cx));
                self.pause = None;
            }
            let item = match self.acts.pop_front() {
                None => None,
                Some(Act::Event(event)) => Some(Ok(event)),
                Some(Act::Fail(class)) => Some(Err(Error::new(class, "as the script says"))),
                Some(Act::Pause(time)) => {
                    self.pause = Some(Box::pin(tokio::time::sleep(time)));
                    continue;
                }
                Some(Act::Stall) => {
                    self.acts.push_front(Act::Stall);
                    return Poll::Pending;
                }
            };
            self.seen.0.pulled.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(item);
        }
    }
}

impl Clone for Source {
    fn clone(&self) -> Self {
        Self {
            acts: self.acts.clone(),
            pause: None,
            seen: self.seen.clone(),
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.seen.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

// ===== impl Seen =====

impl Seen {
    /// How many items have been pulled.
    pub(crate) fn pulled(&self) -> usize {
        self.0.pulled.load(Ordering::Relaxed)
    }

    /// How many streams have been dropped.
    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::Relaxed)
    }
}
