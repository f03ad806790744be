//! The items of one batch, and what becomes of each. No lock and no clock in here; nothing of the caller's is run or
//! dropped here, it is handed out instead.

use std::task::Waker;

use tokio::time::Instant;

use super::cause::FlushCause;
use crate::rejection::{Rejection, RejectionKind};

/// The items of a batch.
#[derive(Debug)]
pub(super) struct Slots<Req, Res, Err> {
    slots: Vec<Slot<Req, Res, Err>>,
    vacant: Vec<u32>,
    stage: Stage,
    /// Items of the present stage whose callers are still there.
    wanted: usize,
    /// What those take together, while they wait.
    cost: u64,
    /// When the batch goes at the latest, and why.
    due: (Instant, FlushCause),
    /// Why it goes now.
    flush: Option<FlushCause>,
    /// Whether any item has a deadline.
    deadlines: bool,
    /// Whether the task of the batch waits for something else than its time, and until when.
    watched: Option<Option<Instant>>,
    /// The task of the batch, where it waits.
    driver: Option<Waker>,
}

#[derive(Debug)]
struct Slot<Req, Res, Err> {
    state: State<Req, Res, Err>,
    waker: Option<Waker>,
    deadline: Option<Instant>,
    cost: u64,
}

/// Where an item is.
#[derive(Debug)]
pub(super) enum State<Req, Res, Err> {
    /// Nobody's.
    Vacant,
    /// Waits to be sent.
    Waiting(Req),
    /// Was sent, or is to be sent again in the call of this number.
    Sent(u32),
    /// Has its answer, which the caller has yet to take.
    Answered(Result<Res, Err>),
    /// Is refused, which the caller has yet to hear.
    Refused(Rejection),
}

/// How far the batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Others may join.
    Open,
    /// Nobody may join; it waits to be sent.
    Closed,
    /// So many calls were made.
    Call(u32),
}

/// An item that joins.
pub(super) struct Item<Req> {
    pub(super) request: Req,
    pub(super) waker: Waker,
    pub(super) cost: u64,
    pub(super) deadline: Option<Instant>,
    /// When the batch has to go for its sake.
    pub(super) due: Option<Instant>,
}

/// What the task of a batch sees before it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nobody is left.
    Empty,
    /// It goes now.
    Flush(FlushCause),
    /// It goes then.
    Due(Instant),
}

/// What a caller sees.
#[derive(Debug)]
pub(super) enum Seen<Res, Err> {
    /// Nothing yet; the waker that another takes the place of is to be dropped.
    Pending(Option<Waker>),
    /// The answer.
    Answer(Result<Res, Err>),
    /// A refusal.
    Refused(Rejection),
}

/// What is left behind by a caller who left.
pub(super) struct Left<Req, Res, Err> {
    /// To be dropped.
    pub(super) state: State<Req, Res, Err>,
    pub(super) waker: Option<Waker>,
    /// To be woken: nobody is left.
    pub(super) wake: Option<Waker>,
}

// ===== impl Slots =====

impl<Req, Res, Err> Slots<Req, Res, Err> {
    /// An open batch with room for `capacity` items at first.
    pub(super) fn new(capacity: usize, due: Instant) -> Self {
        Self {
            slots: Vec::with_capacity(capacity),
            vacant: Vec::new(),
            stage: Stage::Open,
            wanted: 0,
            cost: 0,
            due: (due, FlushCause::Timeout),
            flush: None,
            deadlines: false,
            watched: None,
            driver: None,
        }
    }

    /// How many callers wait for what is done in the present stage.
    pub(super) const fn wanted(&self) -> usize {
        self.wanted
    }

    /// What the items that wait take together.
    pub(super) const fn cost(&self) -> u64 {
        self.cost
    }

    /// Whether any item has a deadline.
    pub(super) const fn has_deadlines(&self) -> bool {
        self.deadlines
    }

    /// Whether an item of this cost may join without the batch growing above `max`.
    pub(super) fn fits(&self, cost: u64, max: Option<u64>) -> bool {
        let within = |max| self.cost.checked_add(cost).is_some_and(|sum| sum <= max);
        self.wanted == 0 || max.is_none_or(within)
    }

    /// When all have left the next item is a first one: the batch goes so late. It keeps its turn, if it has that:
    /// nobody else was told.
    pub(super) const fn restart(&mut self, due: Instant) {
        self.due = (due, FlushCause::Timeout);
        if !matches!(self.flush, Some(FlushCause::Idle)) {
            self.flush = None;
        }
    }

    /// Takes an item in. Also the task of the batch if it has to wake earlier now.
    pub(super) fn join(&mut self, item: Item<Req>) -> (u32, Option<Waker>) {
        debug_assert_eq!(self.stage, Stage::Open);
        let slot = Slot {
            state: State::Waiting(item.request),
            waker: Some(item.waker),
            deadline: item.deadline,
            cost: item.cost,
        };
        self.wanted += 1;
        self.cost = self.cost.saturating_add(item.cost);
        self.deadlines |= item.deadline.is_some();
        let mut wake = None;
        if let Some(due) = item.due
            && due < self.due.0
        {
            self.due = (due, FlushCause::Deadline);
            wake = self.driver.take();
        }
        // It is to be refused before any other.
        if let Some(deadline) = item.deadline
            && let Some(until) = self.watched
            && until.is_none_or(|until| deadline < until)
        {
            wake = wake.or_else(|| self.driver.take());
        }
        let place = match self.vacant.pop() {
            Some(place) => {
                self.slots[place as usize] = slot;
                place
            }
            None => {
                self.slots.push(slot);
                // At most a million.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        (place, wake)
    }

    /// The batch goes as soon as it can. The task to be woken.
    pub(super) fn flush(&mut self, cause: FlushCause) -> Option<Waker> {
        if self.flush.is_none() {
            self.flush = Some(cause);
        }
        self.driver.take()
    }

    /// Nobody may join from now on, and it goes as soon as it can. The task to be woken.
    pub(super) fn close(&mut self, cause: FlushCause) -> Option<Waker> {
        self.stage = Stage::Closed;
        self.flush(cause)
    }

    /// Whether the batch goes now. Its task is woken when that changes. `passed` is up to when time is known to have
    /// come.
    pub(super) fn look(&mut self, passed: Option<Instant>, waker: &Waker) -> Look {
        let (due, why) = self.due;
        if self.wanted == 0 {
            Look::Empty
        } else if let Some(cause) = self.flush {
            Look::Flush(cause)
        } else if passed.is_some_and(|passed| due <= passed) {
            Look::Flush(why)
        } else {
            self.wait(waker);
            self.watched = None;
            Look::Due(due)
        }
    }

    /// The task of the batch waits for something else. `None` when nobody wants what it waits for; otherwise when the
    /// first item has to be refused, if the call has not yet begun.
    pub(super) fn watch(&mut self, waker: &Waker, calling: bool) -> Option<Option<Instant>> {
        if self.wanted == 0 {
            return None;
        }
        self.wait(waker);
        if calling || !self.deadlines {
            self.watched = Some(None);
            return Some(None);
        }
        let stage = self.stage;
        let current = self.slots.iter().filter(|slot| slot.is_of(stage));
        let until = current.filter_map(|slot| slot.deadline).min();
        self.watched = Some(until);
        Some(until)
    }

    fn wait(&mut self, waker: &Waker) {
        match &mut self.driver {
            Some(known) => known.clone_from(waker),
            None => self.driver = Some(waker.clone()),
        }
    }

    /// Refuses the items of the present stage whose deadlines have passed at `now`. How many; their callers are pushed
    /// to `wakers`, their requests to `requests`.
    pub(super) fn expire(
        &mut self,
        now: Instant,
        wakers: &mut Vec<Waker>,
        requests: &mut Vec<Req>,
    ) -> usize {
        let stage = self.stage;
        let passed = Rejection::new(RejectionKind::DeadlineExceeded, super::LAYER);
        let mut expired = 0;
        for slot in &mut self.slots {
            if slot.is_of(stage) && slot.deadline.is_some_and(|at| at <= now) {
                let state = std::mem::replace(&mut slot.state, State::Refused(passed));
                if let State::Waiting(request) = state {
                    requests.push(request);
                }
                wakers.extend(slot.waker.take());
                self.cost -= slot.cost;
                slot.cost = 0;
                expired += 1;
            }
        }
        self.wanted -= expired;
        expired
    }

    /// The batch is sent: its requests, and the place of each.
    pub(super) fn take(&mut self) -> (Vec<u32>, Vec<Req>) {
        self.stage = Stage::Call(1);
        let mut places = Vec::with_capacity(self.wanted);
        let mut requests = Vec::with_capacity(self.wanted);
        for (place, slot) in (0..).zip(&mut self.slots) {
            if !matches!(slot.state, State::Waiting(_)) {
                continue;
            }
            if let State::Waiting(request) = std::mem::replace(&mut slot.state, State::Sent(1)) {
                places.push(place);
                requests.push(request);
                slot.cost = 0;
            }
        }
        self.cost = 0;
        (places, requests)
    }

    /// Another call begins, for those of `places` whose callers are still there; they are what is kept of `places`.
    pub(super) fn again(&mut self, places: &[u32]) {
        let call = match self.stage {
            Stage::Call(call) => call.wrapping_add(1),
            Stage::Open | Stage::Closed => 1,
        };
        self.stage = Stage::Call(call);
        self.wanted = 0;
        for place in places {
            let slot = &mut self.slots[*place as usize];
            if matches!(slot.state, State::Sent(_)) {
                slot.state = State::Sent(call);
                self.wanted += 1;
            }
        }
    }

    /// Whether somebody waits for the item of this place in the present call.
    pub(super) fn is_wanted(&self, place: u32) -> bool {
        self.slots[place as usize].is_of(self.stage)
    }

    /// Answers the item of this place, whose caller is pushed to `wakers`. Gives the answer back if nobody wants it.
    pub(super) fn answer(
        &mut self,
        place: u32,
        answer: Result<Res, Err>,
        wakers: &mut Vec<Waker>,
    ) -> Option<Result<Res, Err>> {
        let slot = &mut self.slots[place as usize];
        if !matches!(slot.state, State::Sent(_)) {
            return Some(answer);
        }
        self.wanted = self.wanted.saturating_sub(1);
        slot.state = State::Answered(answer);
        wakers.extend(slot.waker.take());
        None
    }

    /// Refuses the item of this place, if it was sent and has no answer.
    pub(super) fn refuse(&mut self, place: u32, why: Rejection, wakers: &mut Vec<Waker>) {
        let slot = &mut self.slots[place as usize];
        if matches!(slot.state, State::Sent(_)) {
            self.wanted = self.wanted.saturating_sub(1);
            slot.state = State::Refused(why);
            wakers.extend(slot.waker.take());
        }
    }

    /// Refuses every item that has no answer. How many of them waited to be sent.
    pub(super) fn refuse_all(
        &mut self,
        why: Rejection,
        wakers: &mut Vec<Waker>,
        requests: &mut Vec<Req>,
    ) -> usize {
        let mut waited = 0;
        for slot in &mut self.slots {
            if !matches!(slot.state, State::Waiting(_) | State::Sent(_)) {
                continue;
            }
            if let State::Waiting(request) = std::mem::replace(&mut slot.state, State::Refused(why))
            {
                requests.push(request);
                waited += 1;
            }
            wakers.extend(slot.waker.take());
        }
        self.stage = Stage::Closed;
        self.wanted = 0;
        self.cost = 0;
        waited
    }

    /// A caller asks for its answer, and waits if there is none.
    pub(super) fn poll(&mut self, place: u32, waker: &Waker) -> Seen<Res, Err> {
        let slot = &mut self.slots[place as usize];
        match std::mem::replace(&mut slot.state, State::Vacant) {
            State::Answered(answer) => Seen::Answer(answer),
            State::Refused(rejection) => {
                // Others may still join, where it expired.
                self.vacant.push(place);
                Seen::Refused(rejection)
            }
            state => {
                slot.state = state;
                match &slot.waker {
                    Some(known) if known.will_wake(waker) => Seen::Pending(None),
                    _ => Seen::Pending(slot.waker.replace(waker.clone())),
                }
            }
        }
    }

    /// A caller leaves.
    pub(super) fn leave(&mut self, place: u32) -> Left<Req, Res, Err> {
        let stage = self.stage;
        let slot = &mut self.slots[place as usize];
        let current = slot.is_of(stage);
        let state = std::mem::replace(&mut slot.state, State::Vacant);
        let waker = slot.waker.take();
        let cost = std::mem::take(&mut slot.cost);
        if matches!(state, State::Waiting(_) | State::Refused(_)) {
            self.cost -= cost;
            self.vacant.push(place);
        }
        let mut wake = None;
        if current {
            self.wanted -= 1;
            if self.wanted == 0 {
                wake = self.driver.take();
            }
        }
        Left { state, waker, wake }
    }
}

// ===== impl Slot =====

impl<Req, Res, Err> Slot<Req, Res, Err> {
    /// Whether this item is what the batch now works for.
    fn is_of(&self, stage: Stage) -> bool {
        match (&self.state, stage) {
            (State::Waiting(_), Stage::Open | Stage::Closed) => true,
            (State::Sent(call), Stage::Call(present)) => *call == present,
            _ => false,
        }
    }
}
