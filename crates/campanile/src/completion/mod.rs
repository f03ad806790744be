//! The guard of one call, from `call` to the end of its answer.
//!
//! A [`Completion`] is created in `call`, carried by the response future, then by the response body
//! ([`GuardedBody`], feature `http`) or stream ([`GuardedStream`]). In-flight counts, permits,
//! leases, latency samples and the settlement of cost hang on it, so that a streamed answer counts until its last
//! byte. What hangs on it is an [`Observe`].
//!
//! **Cancellation.** A completion that is dropped without an end tells its observer [`Outcome::Cancelled`], or
//! [`FailureKind::Panic`] when the thread is unwinding. The observer's [`end`](Observe::end) runs exactly once, whatever
//! happens. A body or stream that is dropped before its end after its head or a part of it said that the call failed, was
//! throttled or the like keeps that outcome: a retry that throws an answer of status 503 away does not hide it.

use std::{fmt, sync::atomic::AtomicBool, thread};

use crate::{
    cost::Usage,
    outcome::{FailureKind, Outcome},
    rejection::Rejection,
    time::Timestamp,
};

#[cfg(feature = "http")]
mod body;
mod meter;
mod stream;
#[cfg(test)]
mod tests;

#[cfg(feature = "http")]
pub use body::GuardedBody;
pub use meter::{Chunks, Meter, Reading};
pub use stream::GuardedStream;

/// What wants to know how a call goes.
pub trait Observe {
    /// The response head arrived. Not told of a call that fails before it.
    fn head(&mut self, now: Timestamp) {
        let _ = now;
    }

    /// A piece of the body or stream arrived, of `units` units of work. The first one is the first data.
    fn data(&mut self, now: Timestamp, units: u64) {
        let _ = (now, units);
    }

    /// That piece was so many bytes, of an HTTP body. Told before [`data`](Self::data).
    #[inline]
    fn bytes(&mut self, bytes: u64) {
        let _ = bytes;
    }

    /// The upstream reported what the call took. The last report counts.
    fn usage(&mut self, usage: &Usage) {
        let _ = usage;
    }

    /// A layer further in refused the call: the error in which it ends is this rejection. The end follows.
    fn refused(&mut self, rejection: &Rejection) {
        let _ = rejection;
    }

    /// The present, as this observer wants it told. One that needs no time for the call's next event may save the reading
    /// of the clock, and be told any other.
    #[inline]
    fn clock(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Runs `work`, which is the call's own: a poll of its future, body or stream. For an observer that has something
    /// in force meanwhile, such as a span.
    #[inline(always)]
    fn around<T>(&self, work: impl FnOnce() -> T) -> T
    where
        Self: Sized,
    {
        work()
    }

    /// The call is over. Called exactly once, and last.
    fn end(&mut self, now: Timestamp, outcome: Outcome);
}

/// The guard of one call. See the [module](self).
#[must_use = "a completion that is dropped counts its call as cancelled"]
pub struct Completion<O: Observe> {
    observer: O,
    ended: bool,
}

/// The completion that a body or stream carries. Dropped with it, and after what is within it.
struct Held<O: Observe> {
    /// Gone once the call is over.
    completion: Option<Completion<O>>,
    outcome: Outcome,
    /// Whoever polls has been told that nothing more comes, and so may never poll again. Atomic, so that a body is as `Sync`
    /// as it was.
    told: AtomicBool,
}

// ===== impl Completion =====

impl<O: Observe> Completion<O> {
    /// Begins to guard a call.
    #[inline]
    pub const fn new(observer: O) -> Self {
        Self {
            observer,
            ended: false,
        }
    }

    /// The response head has arrived.
    #[inline]
    pub fn head(&mut self, now: Timestamp) {
        self.observer.head(now);
    }

    /// A piece of the answer has arrived.
    #[inline]
    pub fn data(&mut self, now: Timestamp, units: u64) {
        self.observer.data(now, units);
    }

    /// The piece that arrives is so many bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: u64) {
        self.observer.bytes(bytes);
    }

    /// The upstream has reported what the call took.
    #[inline]
    pub fn usage(&mut self, usage: &Usage) {
        self.observer.usage(usage);
    }

    /// A layer further in has refused the call.
    pub fn refused(&mut self, rejection: &Rejection) {
        self.observer.refused(rejection);
    }

    /// The present, as the observer wants it told: see [`Observe::clock`].
    #[inline]
    #[must_use]
    pub fn clock(&self) -> Timestamp {
        self.observer.clock()
    }

    /// The call is over.
    #[inline(always)]
    pub fn end(mut self, now: Timestamp, outcome: Outcome) {
        self.finish(now, outcome);
    }

    /// The call is over; the completion is to be dropped where it lies. Once it has ended, it does not end again.
    #[inline(always)]
    pub fn end_in_place(&mut self, now: Timestamp, outcome: Outcome) {
        if !self.ended {
            self.finish(now, outcome);
        }
    }

    /// Runs `poll`, which drives the service that the call went to. A panic in there ends the call as
    /// [`FailureKind::Panic`] at once, also where somebody further out catches it and drops the call only later.
    #[inline]
    pub fn watch<T>(call: &mut Option<Self>, poll: impl FnOnce() -> T) -> T {
        struct Watch<'a, O: Observe>(&'a mut Option<Completion<O>>);

        impl<O: Observe> Drop for Watch<'_, O> {
            fn drop(&mut self) {
                // Dropped while the thread unwinds.
                drop(self.0.take());
            }
        }

        let watch = Watch(call);
        let polled = match watch.0 {
            Some(completion) => completion.observer.around(poll),
            None => poll(),
        };
        std::mem::forget(watch);
        polled
    }

    /// The answer was dropped before its end. What its head or a part of it said stands, if that was not good;
    /// otherwise the call was cancelled.
    fn abandon(self, outcome: Outcome) {
        if !outcome.is_success() && !thread::panicking() {
            let now = self.clock();
            self.end(now, outcome);
        }
    }

    /// What hangs on this call.
    #[must_use]
    pub const fn observer(&self) -> &O {
        &self.observer
    }

    /// What hangs on this call, to tell it more.
    #[must_use]
    pub const fn observer_mut(&mut self) -> &mut O {
        &mut self.observer
    }

    /// It is dropped without an end. Apart, so that the end of a call that goes well stays in registers.
    #[cold]
    #[inline(never)]
    fn cancel(&mut self) {
        let outcome = if thread::panicking() {
            Outcome::Failure(FailureKind::Panic)
        } else {
            Outcome::Cancelled
        };
        self.finish(self.clock(), outcome);
    }

    #[inline(always)]
    fn finish(&mut self, now: Timestamp, outcome: Outcome) {
        // The flag first: an observer that panics is not told again.
        self.ended = true;
        self.observer.end(now, outcome);
    }
}

impl<O: Observe> Drop for Completion<O> {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}

impl<O: Observe + fmt::Debug> fmt::Debug for Completion<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion")
            .field("observer", &self.observer)
            .finish()
    }
}

// ===== impl Held =====

impl<O: Observe> Held<O> {
    const fn new(completion: Option<Completion<O>>, outcome: Outcome) -> Self {
        Self {
            completion,
            outcome,
            told: AtomicBool::new(false),
        }
    }
}

impl<O: Observe> Drop for Held<O> {
    fn drop(&mut self) {
        if let Some(completion) = self.completion.take() {
            if *self.told.get_mut() {
                let now = completion.clock();
                completion.end(now, self.outcome);
            } else {
                completion.abandon(self.outcome);
            }
        }
    }
}
