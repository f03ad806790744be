//! Calls that are polled when, and only when, they were woken.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use campanile::{
    BoxError, Call, Context as CallContext, Cost,
    balance::{Balance, LeastLoaded},
    protocol::{Enveloped, Streaming},
};
use futures_util::Stream;
use tokio::time::Instant;
use tower::Service;

use crate::world::Worker;

pub(crate) type Pool = Balance<Worker, LeastLoaded, Enveloped<Streaming>>;
type Answered = <Pool as Service<Call<u64>>>::Response;
type Answering = <Pool as Service<Call<u64>>>::Future;

/// A call from its beginning to its end.
pub(crate) struct Caller {
    pub(crate) id: u64,
    pub(crate) cost: u64,
    pub(crate) deadline: Option<Instant>,
    /// Which service it reached.
    pub(crate) at: Option<u64>,
    /// Its stream had an error.
    pub(crate) cut: bool,
    phase: Phase,
    flag: Arc<Flag>,
    /// How often it was polled in the present step.
    pub(crate) polls: usize,
}

enum Phase {
    Readying(Box<Pool>),
    Calling(Pin<Box<Answering>>),
    Streaming(Pin<Box<Answered>>),
    Over,
}

/// What a poll came to.
pub(crate) enum Polled {
    /// It waits for its waker.
    Waits,
    /// It was answered or refused with an error before its head.
    Failed(BoxError),
    /// Its stream has ended.
    Ended,
}

#[derive(Debug)]
struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Caller {
    pub(crate) fn new(id: u64, pool: Pool, cost: u64, deadline: Option<Instant>) -> Self {
        Self {
            id,
            cost,
            deadline,
            at: None,
            cut: false,
            phase: Phase::Readying(Box::new(pool)),
            flag: Arc::new(Flag(AtomicBool::new(true))),
            polls: 0,
        }
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.flag.0.load(Ordering::SeqCst)
    }

    pub(crate) const fn is_readying(&self) -> bool {
        matches!(self.phase, Phase::Readying(_))
    }

    pub(crate) const fn is_calling(&self) -> bool {
        matches!(self.phase, Phase::Calling(_))
    }

    pub(crate) const fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::Streaming(_))
    }

    /// Polls until it waits or is over.
    pub(crate) fn poll(&mut self) -> Polled {
        self.flag.0.store(false, Ordering::SeqCst);
        self.polls += 1;
        let waker = Waker::from(Arc::clone(&self.flag));
        let mut cx = Context::from_waker(&waker);
        loop {
            match &mut self.phase {
                Phase::Readying(pool) => match pool.poll_ready(&mut cx) {
                    Poll::Pending => return Polled::Waits,
                    Poll::Ready(ready) => {
                        ready.expect("a pool does not die");
                        let mut context = CallContext::new().with_cost(Cost::tokens(self.cost));
                        context.deadline = self.deadline;
                        let mut call = Call::new(self.id);
                        call.context = context;
                        self.phase = Phase::Calling(Box::pin(pool.call(call)));
                    }
                },
                Phase::Calling(future) => match future.as_mut().poll(&mut cx) {
                    Poll::Pending => return Polled::Waits,
                    Poll::Ready(Ok(stream)) => self.phase = Phase::Streaming(Box::pin(stream)),
                    Poll::Ready(Err(error)) => {
                        self.phase = Phase::Over;
                        return Polled::Failed(error);
                    }
                },
                Phase::Streaming(stream) => match stream.as_mut().poll_next(&mut cx) {
                    Poll::Pending => return Polled::Waits,
                    Poll::Ready(Some(item)) => self.cut |= item.is_err(),
                    Poll::Ready(None) => {
                        self.phase = Phase::Over;
                        return Polled::Ended;
                    }
                },
                Phase::Over => panic!("polled after its end"),
            }
        }
    }
}
