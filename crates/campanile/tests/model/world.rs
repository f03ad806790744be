//! The services behind the pool, and what they saw.

use std::{
    collections::{HashMap, VecDeque},
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use campanile::{BoxError, Call};
use futures_util::Stream;
use tower::Service;

/// What `poll_ready` of a service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Ready,
    Pending,
    Broken,
}

#[derive(Default)]
pub(crate) struct World {
    pub(crate) sims: HashMap<u64, Sim>,
    /// Calls that have reached a service since somebody looked: call and service.
    pub(crate) begun: Vec<(u64, u64)>,
    pub(crate) answers: HashMap<u64, Shared<Answer>>,
}

pub(crate) type Shared<T> = Arc<Mutex<T>>;

/// One service, of which there are many clones.
pub(crate) struct Sim {
    pub(crate) mode: Mode,
    pub(crate) wakers: Vec<Waker>,
    /// How many clones there are.
    pub(crate) live: usize,
}

/// The answer to one call, as far as it was given.
#[derive(Default)]
pub(crate) struct Answer {
    pub(crate) head: Option<Result<(), BoxError>>,
    pub(crate) items: VecDeque<Result<u64, BoxError>>,
    pub(crate) ended: bool,
    pub(crate) waker: Option<Waker>,
}

/// A clone of a service.
pub(crate) struct Worker {
    sim: u64,
    world: Shared<World>,
    ready: bool,
}

pub(crate) struct AnswerFuture(Shared<Answer>);

pub(crate) struct AnswerStream(Shared<Answer>);

impl World {
    /// Changes what a service says of its readiness, and wakes those who asked.
    pub(crate) fn set_mode(world: &Shared<Self>, sim: u64, mode: Mode) {
        let wakers = {
            let mut world = world.lock().unwrap();
            let sim = world.sims.get_mut(&sim).unwrap();
            sim.mode = mode;
            if mode == Mode::Pending {
                Vec::new()
            } else {
                std::mem::take(&mut sim.wakers)
            }
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Goes on with the answer to a call.
    pub(crate) fn answer(world: &Shared<Self>, call: u64, go_on: impl FnOnce(&mut Answer)) {
        let answer = Arc::clone(&world.lock().unwrap().answers[&call]);
        let waker = {
            let mut answer = answer.lock().unwrap();
            go_on(&mut answer);
            answer.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Worker {
    pub(crate) fn new(sim: u64, world: &Shared<World>) -> Self {
        world
            .lock()
            .unwrap()
            .sims
            .entry(sim)
            .or_insert(Sim {
                mode: Mode::Ready,
                wakers: Vec::new(),
                live: 0,
            })
            .live += 1;
        Self {
            sim,
            world: Arc::clone(world),
            ready: false,
        }
    }
}

impl Clone for Worker {
    fn clone(&self) -> Self {
        Self::new(self.sim, &self.world)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(sim) = self.world.lock().unwrap().sims.get_mut(&self.sim) {
            sim.live -= 1;
        }
    }
}

impl Service<Call<u64>> for Worker {
    type Response = AnswerStream;
    type Error = BoxError;
    type Future = AnswerFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut world = self.world.lock().unwrap();
        let sim = world.sims.get_mut(&self.sim).unwrap();
        match sim.mode {
            Mode::Ready => {
                self.ready = true;
                Poll::Ready(Ok(()))
            }
            Mode::Pending => {
                sim.wakers.push(cx.waker().clone());
                Poll::Pending
            }
            Mode::Broken => Poll::Ready(Err("broken".into())),
        }
    }

    fn call(&mut self, call: Call<u64>) -> AnswerFuture {
        assert!(std::mem::take(&mut self.ready), "called without readiness");
        let mut world = self.world.lock().unwrap();
        world.begun.push((call.message, self.sim));
        let answer = Shared::<Answer>::default();
        world.answers.insert(call.message, Arc::clone(&answer));
        AnswerFuture(answer)
    }
}

impl Future for AnswerFuture {
    type Output = Result<AnswerStream, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut answer = self.0.lock().unwrap();
        match answer.head.take() {
            Some(Ok(())) => Poll::Ready(Ok(AnswerStream(Arc::clone(&self.0)))),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => {
                answer.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Stream for AnswerStream {
    type Item = Result<u64, BoxError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut answer = self.0.lock().unwrap();
        match answer.items.pop_front() {
            Some(item) => Poll::Ready(Some(item)),
            None if answer.ended => Poll::Ready(None),
            None => {
                answer.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
