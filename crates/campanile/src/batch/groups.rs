use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    task::Waker,
};

use foldhash::fast::RandomState;
use tokio::{runtime::Handle, time::Instant};

use super::{
    cause::FlushCause,
    cell::{Cell, Seat, wake_all},
    control::{Batches, Control},
    driver::Driver,
    kind::Kind,
    slots::{Item, Slots},
};
use crate::{
    rejection::{Rejection, RejectionKind},
    sync::{Mutex, lock},
};

/// The share of the time that is left to an item which it may wait for others.
const PATIENCE: u32 = 4;

/// How many items a batch has room for at first.
const ROOM: usize = 32;

pub(super) type CellOf<K> = Cell<<K as Kind>::Request, <K as Kind>::Answer, <K as Kind>::Error>;
pub(super) type SeatOf<K> = Seat<<K as Kind>::Request, <K as Kind>::Answer, <K as Kind>::Error>;

/// The open batches of one service, and what all its clones share.
pub(super) struct Groups<K: Kind> {
    pub(super) kind: K,
    pub(super) control: Arc<Control>,
    open: Mutex<Open<K>>,
}

/// The batches that may be joined, one for each key; none for a key of which no item waits.
struct Open<K: Kind> {
    by_key: HashMap<K::Key, Arc<CellOf<K>>, RandomState>,
    /// Kept where the oldest has to be found.
    by_age: Option<BTreeMap<u64, Arc<CellOf<K>>>>,
    opened: u64,
}

/// A batch that is sent.
pub(super) struct Sealed<Req> {
    pub(super) places: Vec<u32>,
    pub(super) requests: Vec<Req>,
    pub(super) full: bool,
}

// ===== impl Groups =====

impl<K: Kind> Groups<K> {
    pub(super) fn new(kind: K, control: Arc<Control>) -> Self {
        Self {
            kind,
            open: Mutex::new(Open {
                by_key: HashMap::default(),
                by_age: control.config.when_idle.then(BTreeMap::new),
                opened: 0,
            }),
            control,
        }
    }

    /// An item joins the batch of its key, or begins one.
    pub(super) fn join(
        self: &Arc<Self>,
        request: K::Request,
        waker: &Waker,
    ) -> Result<SeatOf<K>, Rejection> {
        let config = &self.control.config;
        // The caller's code runs before any lock is taken, and before anything is counted: it may panic.
        let key = self.kind.key(&request);
        let cost = match config.max_cost {
            Some(_) => self.kind.cost(&request),
            None => 0,
        };
        let context = self.kind.context(&request);
        let deadline = context.and_then(|context| context.deadline);
        let now = deadline.map(|_| Instant::now());
        let left = deadline
            .zip(now)
            .map(|(deadline, now)| deadline.saturating_duration_since(now));
        if left.is_some_and(|left| left.is_zero()) {
            self.control.refuse(1);
            return Err(refusal(RejectionKind::DeadlineExceeded));
        }
        let item = Item {
            request,
            waker: waker.clone(),
            cost,
            deadline,
            due: now.zip(left).map(|(now, left)| now + left / PATIENCE),
        };
        let Some(admitted) = self.control.admit() else {
            return Err(refusal(RejectionKind::Shed));
        };

        let size = self.control.size();
        let max_cost = config.max_cost;
        let alone = max_cost.is_some_and(|max| cost > max);
        let (mut wake, mut wake_other) = (None, None);
        let mut open = lock(&self.open);
        if !alone && let Some(cell) = open.by_key.get(&key) {
            let cell = Arc::clone(cell);
            let mut slots = lock(&cell.slots);
            if slots.fits(cost, max_cost) {
                if slots.wanted() == 0 {
                    slots.restart(self.control.due(Instant::now()));
                }
                let (place, sooner) = slots.join(item);
                admitted.joined();
                wake = sooner;
                if let Some(cause) = full(&slots, size, max_cost) {
                    wake_other = slots.close(cause);
                    drop(slots);
                    open.remove(&key, &cell);
                } else {
                    drop(slots);
                }
                drop(open);
                wake_any(wake);
                wake_any(wake_other);
                return Ok(Seat::new(cell, place));
            }
            wake = slots.close(FlushCause::Cost);
            drop(slots);
            open.remove(&key, &cell);
        }

        let Ok(runtime) = Handle::try_current() else {
            drop(open);
            wake_any(wake);
            return Err(refusal(RejectionKind::Aborted));
        };
        let room = if alone { 1 } else { size.min(ROOM) };
        let due = self.control.due(now.unwrap_or_else(Instant::now));
        let mut slots = Slots::new(room, due);
        let (place, _) = slots.join(item);
        admitted.joined();
        let cause = match alone {
            true => Some(FlushCause::Cost),
            false => full(&slots, size, max_cost),
        };
        if let Some(cause) = cause {
            let _nobody_waits = slots.close(cause);
        }
        open.opened += 1;
        let cell = Arc::new(Cell {
            slots: Mutex::new(slots),
            control: Arc::clone(&self.control),
            serial: open.opened,
        });
        if cause.is_none() {
            open.insert(key.clone(), &cell);
        }
        self.control.opened();
        drop(open);
        wake_any(wake);
        // Outside of the locks: a runtime that is shut down drops the task here and now.
        let seat = Seat::new(Arc::clone(&cell), place);
        let driver = Driver::new(Arc::clone(self), cell, key);
        drop(runtime.spawn(driver.run()));
        Ok(seat)
    }

    /// Ends a batch that everybody left. Says no if somebody has joined since.
    pub(super) fn retire(&self, key: &K::Key, cell: &Arc<CellOf<K>>) -> bool {
        let mut open = lock(&self.open);
        let mut slots = lock(&cell.slots);
        if slots.wanted() > 0 {
            return false;
        }
        let _own = slots.close(FlushCause::Closed);
        drop(slots);
        open.remove(key, cell);
        true
    }

    /// Nobody joins this batch any more: it is sent now.
    pub(super) fn seal(&self, key: &K::Key, cell: &Arc<CellOf<K>>) -> Sealed<K::Request> {
        let mut wakers = Vec::new();
        let mut expired = Vec::new();
        let mut open = lock(&self.open);
        let mut slots = lock(&cell.slots);
        let mut released = 0;
        if slots.has_deadlines() {
            released = slots.expire(Instant::now(), &mut wakers, &mut expired);
            self.control.refuse(released);
        }
        let (places, requests) = slots.take();
        released += places.len();
        drop(slots);
        open.remove(key, cell);
        drop(open);
        self.control.release(released);
        wake_all(wakers);
        drop(expired);
        Sealed {
            full: places.len() >= self.control.size(),
            places,
            requests,
        }
    }

    /// The task of a batch ends. Whoever has no answer is refused.
    pub(super) fn abandon(&self, key: &K::Key, cell: &Arc<CellOf<K>>) {
        let mut wakers = Vec::new();
        let mut requests = Vec::new();
        let mut open = lock(&self.open);
        let mut slots = lock(&cell.slots);
        let why = refusal(RejectionKind::Aborted);
        let waited = slots.refuse_all(why, &mut wakers, &mut requests);
        drop(slots);
        open.remove(key, cell);
        drop(open);
        self.control.release(waited);
        wake_all(wakers);
        drop(requests);
    }
}

pub(super) const fn refusal(kind: RejectionKind) -> Rejection {
    Rejection::new(kind, super::LAYER)
}

#[inline]
fn wake_any(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Whether a batch has all that it may have.
fn full<Req, Res, Err>(
    slots: &Slots<Req, Res, Err>,
    size: usize,
    max_cost: Option<u64>,
) -> Option<FlushCause> {
    if slots.wanted() >= size {
        Some(FlushCause::Size)
    } else if max_cost.is_some_and(|max| slots.cost() >= max) {
        Some(FlushCause::Cost)
    } else {
        None
    }
}

impl<K: Kind> Batches for Groups<K> {
    fn flush_all(&self, cause: FlushCause) {
        let open = lock(&self.open);
        let cells: Vec<_> = open.by_key.values().cloned().collect();
        drop(open);
        for cell in cells {
            let wake = lock(&cell.slots).flush(cause);
            wake_any(wake);
        }
    }

    fn flush_oldest(&self, cause: FlushCause) -> bool {
        let open = lock(&self.open);
        let oldest = open.by_age.as_ref().and_then(BTreeMap::first_key_value);
        let Some(cell) = oldest.map(|(_, cell)| Arc::clone(cell)) else {
            return false;
        };
        drop(open);
        let wake = lock(&cell.slots).flush(cause);
        wake_any(wake);
        true
    }
}

// ===== impl Open =====

impl<K: Kind> Open<K> {
    fn insert(&mut self, key: K::Key, cell: &Arc<CellOf<K>>) {
        self.by_key.insert(key, Arc::clone(cell));
        if let Some(by_age) = &mut self.by_age {
            by_age.insert(cell.serial, Arc::clone(cell));
        }
    }

    /// Takes a batch out, if it is there: another of its key may have taken its place.
    fn remove(&mut self, key: &K::Key, cell: &Arc<CellOf<K>>) {
        if let Some(known) = self.by_key.get(key)
            && Arc::ptr_eq(known, cell)
        {
            self.by_key.remove(key);
            if let Some(by_age) = &mut self.by_age {
                by_age.remove(&cell.serial);
            }
        }
    }
}
