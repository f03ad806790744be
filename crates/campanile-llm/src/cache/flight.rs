//! A call that is under way, and everyone who waits for its answer.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use campanile::{Rejection, rejection::RejectionKind};

use super::store::size;
use crate::{
    chat::{ChatCompletion, ChatEvent, Meta},
    error::Error,
};

/// How many events the call reads ahead of whom it waits for.
const AHEAD: usize = 16;

/// A call that is under way. One lock, held for a few moves; nobody waits for another under it.
#[derive(Debug)]
pub(super) struct Flight {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    head: Option<Head>,
    /// The events that some reader may still want, and how many were before them.
    events: VecDeque<ChatEvent>,
    before: usize,
    bytes: u64,
    /// All of it is still here, so that others can join, and it can be kept.
    whole: bool,
    end: Option<Result<(), Error>>,
    readers: BTreeMap<u64, Place>,
    next: u64,
    /// Everyone has left, or the answer can be had from the beginning no more.
    closed: bool,
    task: Option<Waker>,
    /// The task waits for somebody to read.
    full: bool,
}

#[derive(Debug, Default)]
struct Place {
    /// How many events this reader has had.
    read: usize,
    waker: Option<Waker>,
}

/// How an answer begins.
#[derive(Debug, Clone)]
pub(super) enum Head {
    Whole(Meta, ChatCompletion),
    Stream(Meta),
    Failed(Error),
}

/// One reader of a flight.
#[derive(Debug)]
pub(super) struct Reader {
    flight: Arc<Flight>,
    number: u64,
}

// ===== impl Flight =====

impl Flight {
    /// A call that is about to begin, and its first reader.
    pub(super) fn begin() -> (Arc<Self>, Reader) {
        let flight = Arc::new(Self {
            state: Mutex::new(State {
                whole: true,
                ..State::default()
            }),
        });
        let reader = flight.add(&mut flight.lock());
        (flight, reader)
    }

    /// Another reader, unless it is too late.
    pub(super) fn join(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        (!state.closed).then(|| self.add(&mut state))
    }

    fn add(self: &Arc<Self>, state: &mut State) -> Reader {
        let number = state.next;
        state.next += 1;
        state.readers.insert(number, Place::default());
        Reader {
            flight: Arc::clone(self),
            number,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready once nobody reads any more.
    pub(super) fn poll_deserted(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.readers.is_empty() {
            state.closed = true;
            return Poll::Ready(());
        }
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Ready when another event may be read: of an answer that is kept whole, once the quickest reader comes near to what
    /// there is; otherwise the slowest.
    pub(super) fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        let reads = state.readers.values().map(|place| place.read);
        let waited_for = if state.whole {
            reads.max()
        } else {
            reads.min()
        };
        if waited_for.is_none_or(|read| state.written() < read + AHEAD) {
            state.full = false;
            return Poll::Ready(());
        }
        state.full = true;
        state.task = Some(cx.waker().clone());
        Poll::Pending
    }

    pub(super) fn head(&self, head: Head) {
        self.lock().change(|state| state.head = Some(head));
    }

    /// Adds an event. Beyond `most` bytes the answer is not kept, and nobody can join.
    pub(super) fn event(&self, event: ChatEvent, most: u64) {
        self.lock().change(|state| {
            state.bytes += size(&event);
            if state.bytes > most {
                state.whole = false;
                state.closed = true;
            }
            state.events.push_back(event);
        });
    }

    /// The events so far, to be kept, if all are still here.
    pub(super) fn recorded(&self) -> Option<Arc<[ChatEvent]>> {
        let state = self.lock();
        let taken_nothing = |event: &ChatEvent| {
            let mut event = event.clone();
            *event.usage_mut() = nothing();
            event
        };
        state
            .whole
            .then(|| state.events.iter().map(taken_nothing).collect())
    }

    /// The answer is over.
    pub(super) fn end(&self, result: Result<(), Error>) {
        self.lock().change(|state| {
            state.end = Some(result);
            state.closed = true;
        });
    }

    /// Whatever has not come by now will not come.
    pub(super) fn abort(&self) {
        let mut state = self.lock();
        let error = || Error::from(Rejection::new(RejectionKind::Aborted, "cache"));
        if state.head.is_none() {
            state.change(|state| state.head = Some(Head::Failed(error())));
        } else if state.end.is_none() {
            state.change(|state| state.end = Some(Err(error())));
        }
        state.closed = true;
    }
}

/// What an answer takes that is kept.
pub(super) const fn nothing() -> campanile::Usage {
    campanile::Usage {
        input_tokens: Some(0),
        output_tokens: Some(0),
        cached_tokens: None,
        cache_write_tokens: None,
        cache_write_long_tokens: None,
        reasoning_tokens: None,
        nano_dollars: Some(0),
    }
}

// ===== impl State =====

impl State {
    fn written(&self) -> usize {
        self.before + self.events.len()
    }

    /// Changes what readers wait for, and wakes them.
    fn change(&mut self, change: impl FnOnce(&mut Self)) {
        change(self);
        for place in self.readers.values_mut() {
            if let Some(waker) = place.waker.take() {
                waker.wake();
            }
        }
    }

    /// Forgets the events that every reader has had, once nobody can join.
    fn trim(&mut self) {
        if self.whole {
            return;
        }
        let slowest = self.readers.values().map(|place| place.read).min();
        while slowest.is_some_and(|slowest| self.before < slowest)
            && self.events.pop_front().is_some()
        {
            self.before += 1;
        }
    }

    /// Wakes the task, if it waits for a reader, or has none any more.
    fn wake_task(&mut self) {
        if (self.full || self.readers.is_empty())
            && let Some(task) = self.task.take()
        {
            self.full = false;
            task.wake();
        }
    }
}

// ===== impl Reader =====

impl Reader {
    /// How the answer begins.
    pub(super) fn poll_head(&self, cx: &mut Context<'_>) -> Poll<Head> {
        let mut state = self.flight.lock();
        if let Some(head) = &state.head {
            return Poll::Ready(head.clone());
        }
        self.wait(&mut state, cx);
        Poll::Pending
    }

    /// The next event.
    pub(super) fn poll_event(
        &self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<ChatEvent, Error>>> {
        let mut state = self.flight.lock();
        let Some(place) = state.readers.get(&self.number) else {
            return Poll::Ready(None);
        };
        let read = place.read;
        if let Some(event) = state.events.get(read - state.before).cloned() {
            if let Some(place) = state.readers.get_mut(&self.number) {
                place.read += 1;
            }
            state.trim();
            state.wake_task();
            return Poll::Ready(Some(Ok(event)));
        }
        match &state.end {
            Some(Ok(())) => Poll::Ready(None),
            Some(Err(error)) => {
                let error = error.clone();
                state.readers.remove(&self.number);
                Poll::Ready(Some(Err(error)))
            }
            None => {
                self.wait(&mut state, cx);
                Poll::Pending
            }
        }
    }

    fn wait(&self, state: &mut State, cx: &Context<'_>) {
        if let Some(place) = state.readers.get_mut(&self.number) {
            place.waker = Some(cx.waker().clone());
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.flight.lock();
        state.readers.remove(&self.number);
        if state.readers.is_empty() {
            state.closed = true;
        }
        state.trim();
        // It may be the one whom the task waited for, or the last.
        state.wake_task();
    }
}
