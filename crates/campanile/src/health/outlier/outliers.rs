//! Looks after the members of a fleet: the detector with a clock, and the fleet that closes the gates.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    future::Future,
    ops::Bound,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use tokio::{
    sync::mpsc,
    time::{Sleep, sleep_until},
};

use super::{
    detector::{Detector, Verdict},
    watch::Watch,
};
use crate::{
    endpoint::{Endpoint, Listener, Reason},
    health::{Fleet, MemberId, companion::Companion},
    sync::{Mutex, lock},
    time::Timestamp,
};

/// How many members are looked at before others may run.
const BATCH: usize = 1024;

/// Ejects outliers from a fleet, for as long as it is polled. It is told of members, who have joined the fleet already.
///
/// It never completes, and ends where it is dropped.
pub(crate) struct Outliers {
    fleet: Fleet,
    shared: Arc<Mutex<Shared>>,
    listener: Listener,
    tell: mpsc::UnboundedSender<MemberId>,
    /// Who fails again and again.
    told: mpsc::UnboundedReceiver<MemberId>,
    chance: fastrand::Rng,
    /// When the present step is over.
    next_step: Timestamp,
    /// Up to whom the members have been looked at, while a step ends.
    sweep: Option<MemberId>,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: Timestamp,
}

/// What the handle sees too.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) detector: Detector,
    pub(super) watches: BTreeMap<MemberId, Watch>,
}

// ===== impl Outliers =====

impl Outliers {
    pub(super) fn new(fleet: Fleet, shared: Arc<Mutex<Shared>>) -> Self {
        let (tell, told) = mpsc::unbounded_channel();
        Self {
            fleet,
            shared,
            listener: Listener::default(),
            tell,
            told,
            chance: fastrand::Rng::new(),
            next_step: Timestamp::ZERO,
            sweep: None,
            sleep: None,
            armed: Timestamp::ZERO,
        }
    }

    /// A member has joined the fleet. Poll afterwards.
    pub(super) fn join(&mut self, id: MemberId, endpoint: &Endpoint, now: Timestamp) {
        let mut shared = lock(&self.shared);
        if shared.watches.is_empty() {
            self.next_step = now.after(shared.detector.config().interval);
        }
        let row = shared.detector.config().consecutive_failures;
        let mut watch = Watch::new(id, endpoint, row, &self.listener, &self.tell);
        shared.detector.join(id, watch.sample(), now);
        watch.arm();
        shared.watches.insert(id, watch);
    }

    /// A member has left the fleet. Poll afterwards.
    pub(super) fn leave(&mut self, id: MemberId) {
        let mut shared = lock(&self.shared);
        shared.detector.leave(id);
        let left = shared.watches.remove(&id);
        drop(shared);
        drop(left);
    }

    /// Does what is due, and has the task woken when something is again.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        loop {
            while let Poll::Ready(Some(id)) = self.told.poll_recv(cx) {
                self.failing(id, Timestamp::now());
            }
            let now = Timestamp::now();
            self.bring_back(now);
            if now >= self.next_step {
                if !self.step(now) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                self.next_step = now.after(lock(&self.shared).detector.config().interval);
            }
            self.fleet.tick(now);
            let Some(due) = self.due() else {
                return Poll::Pending;
            };
            if self.poll_until(due, now, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// When something is due; `None` while there are no members.
    fn due(&self) -> Option<Timestamp> {
        let shared = lock(&self.shared);
        let step = (!shared.watches.is_empty()).then_some(self.next_step);
        let end = shared.detector.first_end();
        drop(shared);
        let tick = self.fleet.next_tick();
        step.into_iter().chain(end).chain(tick).min()
    }

    fn poll_until(&mut self, due: Timestamp, now: Timestamp, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(due.to_instant(now))));
        if self.armed != due || sleep.is_elapsed() {
            sleep.as_mut().reset(due.to_instant(now));
            self.armed = due;
        }
        sleep.as_mut().poll(cx)
    }

    /// A member says that it fails again and again.
    fn failing(&mut self, id: MemberId, now: Timestamp) {
        let mut verdicts = Vec::new();
        let mut guard = lock(&self.shared);
        let shared = &mut *guard;
        let Some(watch) = shared.watches.get_mut(&id) else {
            return;
        };
        let chance = &mut || self.chance.f64();
        // Armed before the look: no failure falls between the two.
        watch.disarm();
        watch.arm();
        let sample = watch.sample();
        let matters = shared
            .detector
            .failing(id, sample, now, chance, &mut verdicts);
        if !matters {
            watch.disarm();
        }
        drop(guard);
        self.apply(&verdicts, now);
    }

    /// Looks at some more members, and compares them once all have been looked at; says whether that is done.
    fn step(&mut self, now: Timestamp) -> bool {
        let mut verdicts = Vec::new();
        let mut guard = lock(&self.shared);
        let shared = &mut *guard;
        let from = self.sweep.map_or(Bound::Unbounded, Bound::Excluded);
        let mut seen = 0;
        for (id, watch) in shared
            .watches
            .range_mut((from, Bound::Unbounded))
            .take(BATCH)
        {
            // Those that could not be ejected for want of room are heard again.
            if shared.detector.serves(*id) {
                watch.arm();
            }
            shared.detector.note(*id, watch.sample());
            self.sweep = Some(*id);
            seen += 1;
        }
        if seen == BATCH {
            return false;
        }
        self.sweep = None;
        let chance = &mut || self.chance.f64();
        shared.detector.judge(now, chance, &mut verdicts);
        drop(guard);
        self.apply(&verdicts, now);
        true
    }

    fn bring_back(&self, now: Timestamp) {
        let mut verdicts = Vec::new();
        let mut guard = lock(&self.shared);
        let shared = &mut *guard;
        while let Some(id) = shared.detector.over(now) {
            let Some(watch) = shared.watches.get_mut(&id) else {
                shared.detector.leave(id);
                continue;
            };
            watch.arm();
            shared.detector.back(id, watch.sample(), now, &mut verdicts);
        }
        drop(guard);
        self.apply(&verdicts, now);
    }

    /// Tells the fleet, outside of the lock: the wakers of waiting calls may run anything.
    fn apply(&self, verdicts: &[Verdict], now: Timestamp) {
        for Verdict { id, ejected } in verdicts {
            let until = ejected.map(|ejection| ejection.until);
            self.fleet.judge(*id, Reason::Outlier, until, now);
            let key = lock(&self.shared)
                .watches
                .get(id)
                .map(|watch| watch.endpoint.clone());
            let Some(endpoint) = key else {
                continue;
            };
            match ejected {
                Some(ejection) => tracing::warn!(
                    endpoint = endpoint.key(),
                    cause = ejection.cause.name(),
                    seconds = ejection.until.since(now).as_secs_f64(),
                    count = ejection.count,
                    "ejected: it does worse than the rest of its pool"
                ),
                None => tracing::info!(endpoint = endpoint.key(), "back after an ejection"),
            }
        }
    }
}

impl Companion for Outliers {
    fn join(&mut self, id: MemberId, endpoint: &Endpoint, now: Timestamp) {
        self.join(id, endpoint, now);
    }

    fn leave(&mut self, id: MemberId) {
        self.leave(id);
    }

    fn poll(&mut self, cx: &mut Context<'_>) {
        let _ = self.poll(cx);
    }
}

impl Drop for Outliers {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        let left = std::mem::take(&mut shared.watches);
        for id in left.keys() {
            shared.detector.leave(*id);
        }
        drop(shared);
        let now = Timestamp::now();
        for id in left.keys() {
            self.fleet.judge(*id, Reason::Outlier, None, now);
        }
    }
}

impl fmt::Debug for Outliers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outliers")
            .field("fleet", &self.fleet)
            .field("next_step", &self.next_step)
            .finish_non_exhaustive()
    }
}
