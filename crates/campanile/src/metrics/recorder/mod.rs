//! Records calls, each thread on its own, and tells of all of them when asked.

use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use super::{
    Reading,
    histogram::slots::{Slots, Slotted},
};
use crate::{
    lane::{LANES, lane},
    sync::{AtomicU64, Ordering::Relaxed, lock},
    time::Timestamp,
};

mod aggregate;
mod compact;
mod core;
mod lane;
mod latest;
#[cfg(all(test, campanile_loom))]
mod loom;
mod pages;
mod record;
mod recording;
mod tallies;
#[cfg(all(test, feature = "testing", not(campanile_loom)))]
mod tests;
mod weak;

use self::{core::Core, lane::Lane, latest::Latest};
pub(super) use aggregate::Told;
pub use recording::Recording;
pub(super) use tallies::Tallies;
pub(super) use weak::WeakRecorder;

/// How often a reader looks again for calls that began and ended while it looked.
const PASSES: usize = 4;

/// Records the calls of a stage or an endpoint. Clones share what is recorded. See the [module](super).
#[derive(Clone)]
pub struct Recorder(Arc<Lanes>);

struct Lanes {
    core: Arc<Core>,
    lanes: [OnceLock<Arc<Lane>>; LANES],
}

// ===== impl Recorder =====

impl Recorder {
    /// How many of the latest calls are looked at unless set otherwise.
    pub const LATEST: usize = 1_000;

    /// A recorder of nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_latest(Self::LATEST)
    }

    /// A recorder whose [`Window::Latest`](super::Window::Latest) is that many calls, at 6 bytes each.
    #[must_use]
    pub fn with_latest(calls: usize) -> Self {
        Self::of(Core::new(calls, Timestamp::now(), None))
    }

    /// A recorder of an endpoint of the stage that this one records.
    pub(super) fn of_endpoint(&self, latest: usize) -> Self {
        let stage = Arc::clone(self.0.core.within());
        Self::of(Core::new(latest, Timestamp::now(), Some(stage)))
    }

    fn of(core: Core) -> Self {
        Self(Arc::new(Lanes {
            core: Arc::new(core),
            lanes: Default::default(),
        }))
    }

    /// A call begins. Whoever follows it tells the recording, in a [`Completion`](crate::Completion).
    #[inline(always)]
    pub fn begin(&self, now: Timestamp) -> Recording {
        Recording::new(Arc::clone(self.lane()), now)
    }

    #[inline(always)]
    fn lane(&self) -> &Arc<Lane> {
        match self.0.lanes[lane()].get() {
            Some(lane) => lane,
            None => self.make_lane(),
        }
    }

    #[cold]
    fn make_lane(&self) -> &Arc<Lane> {
        self.0.lanes[lane()].get_or_init(|| Arc::new(Lane::new(Arc::clone(&self.0.core))))
    }

    fn lanes(&self) -> impl Iterator<Item = &Lane> {
        self.0
            .lanes
            .iter()
            .filter_map(|lane| lane.get().map(|lane| &**lane))
    }

    fn started(&self) -> u64 {
        self.lanes().map(Lane::started).sum()
    }

    /// Everything that was recorded, at this moment.
    #[must_use]
    pub fn read(&self) -> Reading {
        self.read_at(Timestamp::now())
    }

    /// Everything that was recorded; `now` is the present.
    #[must_use]
    pub fn read_at(&self, now: Timestamp) -> Reading {
        let mut told = Told::default();
        let mut reading = self.read_as(now, true, &mut told);
        let since = self.0.core.since;
        let span = |from: record::Tick| now.since(since.max(record::moment(from)));
        let oldest = told.latest.as_ref().and_then(Latest::oldest);
        let spans = [0, told.minute_from, oldest.unwrap_or(0)].map(span);
        [reading.start, reading.minute, reading.latest] = told.distributions();
        [reading.start.span, reading.minute.span, reading.latest.span] = spans;
        reading
    }

    /// What texts tell, which is much less work: counts, and times since the start by bounds.
    pub(super) fn read_slotted(
        &self,
        now: Timestamp,
        slots: &Slots,
        told: &mut Told,
    ) -> (Reading, Tallies<Slotted>) {
        let reading = self.read_as(now, false, told);
        (reading, told.slotted(slots))
    }

    /// All but distributions; those are in `told`.
    fn read_as(&self, now: Timestamp, latest: bool, told: &mut Told) -> Reading {
        let core = &self.0.core;
        let present = record::tick(now);
        // As many as there usually are, before calls may have to wait.
        let mut fetched = Vec::with_capacity(self.lanes().count() * lane::RECORDS);
        let mut aggregate = lock(&core.aggregate);
        let mut requests = self.started();
        for _ in 0..PASSES {
            for lane in self.lanes() {
                lane.fetch(|record| fetched.push(record));
            }
            // After the records, so that no call has ended that has not begun; and under the lock, so that who reads
            // later reads no less. Who began meanwhile may have ended meanwhile, and is looked for again.
            let before = std::mem::replace(&mut requests, self.started());
            if before == requests {
                break;
            }
        }
        // In the order of time, for those who look at the latest ones.
        fetched.sort_by_key(|record| record.tick(present));
        for record in fetched {
            aggregate.take(record, present);
        }
        let ended = aggregate.ended();
        aggregate.tell(present, latest, told);
        drop(aggregate);

        let [retries, hedges, fallbacks] = core.repeats();
        let mut reading = Reading {
            requests,
            outcomes: told.outcomes(),
            in_flight: requests - ended,
            retries,
            hedges,
            fallbacks,
            last_used: self.lanes().map(Lane::last_used).max(),
            since: core.since,
            ..Reading::default()
        };
        // What an upstream reports may be any number.
        let add = |sum: &mut u64, more: &AtomicU64| *sum = sum.saturating_add(more.load(Relaxed));
        for lane in self.lanes() {
            add(&mut reading.input_tokens, &lane.took.input_tokens);
            add(&mut reading.output_tokens, &lane.took.output_tokens);
            add(&mut reading.cached_tokens, &lane.took.cached_tokens);
            add(&mut reading.nano_dollars, &lane.took.nano_dollars);
            add(&mut reading.sent_bytes, &lane.took.sent_bytes);
            add(&mut reading.received_bytes, &lane.took.received_bytes);
        }
        reading.refusals = core
            .refusals()
            .chain(told.refusals.iter().copied())
            .collect();
        reading
    }

    /// How much memory it takes at present, in bytes, but for what an allocator adds.
    #[must_use]
    pub fn memory(&self) -> usize {
        // An `Arc` has its counts in front of what it holds.
        fn shared<T>() -> usize {
            let counts = 2 * size_of::<usize>();
            counts.next_multiple_of(align_of::<T>()) + size_of::<T>()
        }
        let lanes = self.lanes().count() * shared::<Lane>();
        shared::<Lanes>() + shared::<Core>() + lanes + self.0.core.memory()
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("since", &self.0.core.since)
            .field("requests", &self.started())
            .finish_non_exhaustive()
    }
}
