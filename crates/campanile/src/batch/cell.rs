use std::{
    sync::Arc,
    task::{Poll, Waker},
};

use super::{
    control::Control,
    slots::{Left, Seen, Slots, State},
};
use crate::{
    rejection::{Rejection, RejectionKind},
    sync::{Mutex, lock},
};

/// One batch, between its callers and its task.
///
/// # Correctness
///
/// Everything of a batch is behind its one lock. Whoever waits leaves its waker under that lock, after it has looked;
/// whoever changes anything does so under that lock, and takes out the wakers that this concerns: so none is lost.
/// Wakers are woken, and requests, answers and errors dropped, after the lock: they may run anything. Where the lock of
/// the service's groups is needed too, it is taken first.
#[derive(Debug)]
pub(super) struct Cell<Req, Res, Err> {
    pub(super) slots: Mutex<Slots<Req, Res, Err>>,
    pub(super) control: Arc<Control>,
    /// The oldest has the least.
    pub(super) serial: u64,
}

/// A caller's place in a batch. Dropped, it leaves.
#[derive(Debug)]
pub(super) struct Seat<Req, Res, Err> {
    pub(super) cell: Arc<Cell<Req, Res, Err>>,
    pub(super) place: u32,
    /// The answer was taken.
    over: bool,
}

// ===== impl Cell =====

impl<Req, Res, Err> Cell<Req, Res, Err> {
    /// Those of `places` that were sent and have no answer are refused.
    pub(super) fn refuse(&self, places: &[u32], why: Rejection) {
        let mut wakers = Vec::with_capacity(places.len());
        let mut slots = lock(&self.slots);
        for place in places {
            slots.refuse(*place, why, &mut wakers);
        }
        drop(slots);
        wake_all(wakers);
    }

    /// Answers those of `places`, in order; what is left over is refused.
    pub(super) fn answer(&self, places: &[u32], answers: Vec<Result<Res, Err>>) {
        let mut unwanted = Vec::new();
        let mut wakers = Vec::with_capacity(places.len());
        let mut answers = answers.into_iter();
        let mut places = places.iter();
        let mut slots = lock(&self.slots);
        // As many as there are answers, and no more: who is left over is refused below.
        for (place, answer) in places.by_ref().take(answers.len()).zip(&mut answers) {
            unwanted.extend(slots.answer(*place, answer, &mut wakers));
        }
        let none = Rejection::new(RejectionKind::Aborted, super::LAYER);
        for place in places {
            slots.refuse(*place, none, &mut wakers);
        }
        drop(slots);
        drop(unwanted);
        wake_all(wakers);
    }
}

pub(super) fn wake_all(wakers: Vec<Waker>) {
    for waker in wakers {
        waker.wake();
    }
}

// ===== impl Seat =====

impl<Req, Res, Err> Seat<Req, Res, Err> {
    pub(super) const fn new(cell: Arc<Cell<Req, Res, Err>>, place: u32) -> Self {
        Self {
            cell,
            place,
            over: false,
        }
    }

    #[inline]
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Result<Res, Err>>
    where
        Err: From<Rejection>,
    {
        let seen = lock(&self.cell.slots).poll(self.place, waker);
        let answer = match seen {
            Seen::Pending(_former) => return Poll::Pending,
            Seen::Answer(answer) => answer,
            Seen::Refused(rejection) => Err(rejection.into()),
        };
        self.over = true;
        Poll::Ready(answer)
    }
}

impl<Req, Res, Err> Drop for Seat<Req, Res, Err> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let Left { state, waker, wake } = lock(&self.cell.slots).leave(self.place);
        if matches!(state, State::Waiting(_)) {
            self.cell.control.leave();
        }
        if let Some(wake) = wake {
            wake.wake();
        }
        drop((state, waker));
    }
}
