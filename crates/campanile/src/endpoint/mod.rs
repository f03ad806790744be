//! One member of a pool: its key, weight and labels, its gate, and its measurements.
//!
//! An [`Endpoint`] is a handle; clones are the same endpoint. Discovery makes it, layers in the endpoint's own stack
//! close and open its [`gate`](Endpoint::gate), the pool counts its calls, strategies read it. It serves as the key of a
//! `Discover`, which is how it travels from the roster to the pool; two endpoints are equal when their keys are.
//!
//! An endpoint is a member of one pool at a time, or of pools that one [`Roster`](crate::discover::Roster) feeds: when a
//! pool is told that it left, its gate closes for all.
//!
//! ```
//! use campanile::endpoint::{Endpoint, Reason};
//! use campanile::time::Timestamp;
//! use std::time::Duration;
//!
//! let endpoint = Endpoint::builder("eu-1").weight(2.0).label("zone", "eu").build().unwrap();
//! let now = Timestamp::now();
//! endpoint.gate().close_until(Reason::Breaker, now.after(Duration::from_secs(30)));
//! assert!(!endpoint.gate().is_open(now));
//! assert_eq!(endpoint.snapshot(now).closed[0].reason, Reason::Breaker);
//!
//! // The breaker's time is over: the gate is open again, and nobody had to tell it.
//! assert!(endpoint.gate().is_open(now.after(Duration::from_secs(31))));
//! ```

// What only a pool counts and reads stays in one place; without the pool it lies idle.
#![cfg_attr(not(feature = "balance"), allow(dead_code, unused_imports))]

use std::{collections::BTreeMap, fmt, hash, sync::Arc};

use crate::{
    outcome::Outcome,
    sync::{AtomicU64, Mutex, Ordering, lock},
    time::Timestamp,
    waiters::Waiters,
};

mod builder;
mod cell;
mod gate;
mod handle;
mod history;
#[cfg(all(test, campanile_loom))]
mod loom;
mod measure;
mod report;
mod snapshot;
#[cfg(all(test, not(campanile_loom)))]
mod tests;
#[cfg(all(feature = "health", not(campanile_loom)))]
mod weak;
mod weight;

pub use builder::{Builder, InvalidEndpoint};
pub use gate::{Gate, Reason};
pub use handle::GateHandle;
pub use history::GateHistory;
pub use measure::{Latency, LatencySnapshot, Measurements, Outcomes};
pub use report::LoadReport;
pub use snapshot::{Closed, EndpointSnapshot};
pub use weight::{InvalidWeight, Weight};

pub(crate) use cell::{Arena, Cell, CellRef, Cells};
#[cfg(all(feature = "health", not(campanile_loom)))]
pub(crate) use weak::WeakEndpoint;

/// One member of a pool. See the [module](self).
#[derive(Clone)]
pub struct Endpoint {
    inner: Arc<Inner>,
}

struct Inner {
    measurements: Measurements,
    gate: Gate,
    cell: CellRef,
    weight: AtomicU64,
    key: Arc<str>,
    labels: BTreeMap<String, String>,
    /// The pools and drains that want to know when the gate opens, the weight changes or the last call leaves.
    listeners: Mutex<Vec<Listener>>,
    /// The shortest row of failures that a listener wants to know of.
    fails_at: AtomicU64,
    /// When it was last seen to be without a reason after which it starts again.
    reopened_at: AtomicU64,
}

/// Who is woken when an endpoint changes, and the count that says that a weight did.
#[derive(Clone, Default)]
pub(crate) struct Listener {
    /// Woken when the gate may open.
    pub(crate) waiters: Arc<Waiters>,
    /// Woken when the last call of an endpoint that leaves has ended.
    pub(crate) leaving: Arc<Waiters>,
    pub(crate) weights: Arc<AtomicU64>,
    /// When an endpoint was last seen to have reopened after something from which it starts again, in nanoseconds.
    pub(crate) reopened: Arc<AtomicU64>,
    /// Woken whenever so many calls, or more, have failed in a row.
    pub(crate) failing: Option<(u64, Arc<Waiters>)>,
}

// ===== impl Endpoint =====

impl Endpoint {
    /// An endpoint of weight 1 without labels.
    #[must_use]
    pub fn new(key: impl Into<Arc<str>>) -> Self {
        Self::assemble(CellRef::single(), key.into(), Weight::ONE, BTreeMap::new())
    }

    /// Describes an endpoint with weight and labels.
    pub fn builder(key: impl Into<Arc<str>>) -> Builder {
        Builder::new(key.into())
    }

    pub(crate) fn assemble(
        cell: CellRef,
        key: Arc<str>,
        weight: Weight,
        labels: BTreeMap<String, String>,
    ) -> Self {
        cell.get().set_weight(weight);
        Self {
            inner: Arc::new(Inner {
                measurements: Measurements::default(),
                gate: Gate::default(),
                cell,
                weight: AtomicU64::new(weight.get().to_bits()),
                key,
                labels,
                listeners: Mutex::new(Vec::new()),
                fails_at: AtomicU64::new(u64::MAX),
                reopened_at: AtomicU64::new(0),
            }),
        }
    }

    /// What identifies it within its pool.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.inner.key
    }

    /// Its share of the traffic in proportion to the other members' weights.
    #[must_use]
    pub fn weight(&self) -> Weight {
        Weight::from_bits(self.inner.weight.load(Ordering::Relaxed))
    }

    /// Changes the weight; the next pick follows it.
    pub fn set_weight(&self, weight: Weight) {
        self.inner
            .weight
            .store(weight.get().to_bits(), Ordering::Relaxed);
        self.inner.cell.get().set_weight(weight);
        for listener in lock(&self.inner.listeners).iter() {
            listener.weights.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A label: zone, priority tier, price, or what the user likes.
    #[must_use]
    pub fn label(&self, name: &str) -> Option<&str> {
        self.inner.labels.get(name).map(String::as_str)
    }

    /// All labels.
    #[must_use]
    pub fn labels(&self) -> &BTreeMap<String, String> {
        &self.inner.labels
    }

    /// Why it may not be picked now, if it may not.
    #[must_use]
    pub fn gate(&self) -> GateHandle<'_> {
        GateHandle::of(self)
    }

    /// How many calls have failed, or found it overloaded, since the latest one that went well. Those that were throttled,
    /// ignored or cancelled do not count, and end no row.
    #[must_use]
    pub fn failures_in_row(&self) -> u64 {
        let successes = self.outcomes().success;
        self.inner.measurements.failures_in_row(successes)
    }

    /// Calls in flight, each until the end of its body.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.inner.cell.get().in_flight()
    }

    /// Latencies, outcomes, outstanding cost, last use.
    #[must_use]
    pub fn measurements(&self) -> &Measurements {
        &self.inner.measurements
    }

    /// Everything that is known of it, in a form that can be serialised.
    #[must_use]
    pub fn snapshot(&self, now: Timestamp) -> EndpointSnapshot {
        EndpointSnapshot::of(self, now)
    }

    /// How many calls ended in which way.
    #[must_use]
    pub fn outcomes(&self) -> Outcomes {
        let mut outcomes = self.inner.measurements.outcomes();
        outcomes.success += self.inner.cell.get().successes();
        outcomes
    }

    pub(crate) fn cell_ref(&self) -> &CellRef {
        &self.inner.cell
    }

    #[inline(always)]
    pub(crate) fn cell(&self) -> Cell<'_> {
        self.inner.cell.get()
    }

    /// Whether this is the same endpoint, not merely one with the same key.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn listen(&self, listener: Listener) {
        let mut listeners = lock(&self.inner.listeners);
        listeners.push(listener);
        self.inner.note_failing(&listeners);
    }

    pub(crate) fn unlisten(&self, waiters: &Arc<Waiters>) {
        let mut listeners = lock(&self.inner.listeners);
        listeners.retain(|listener| !Arc::ptr_eq(&listener.waiters, waiters));
        self.inner.note_failing(&listeners);
    }

    /// When it was last seen to have reopened after something from which it starts again. Not after a quota or a limit that
    /// was used up.
    pub(crate) fn reopened_at(&self) -> Timestamp {
        Timestamp::from_nanos(self.inner.reopened_at.load(Ordering::Relaxed))
    }

    #[cold]
    fn note_reopened(&self, now: Timestamp) {
        let now = now.as_nanos();
        self.inner.reopened_at.fetch_max(now, Ordering::Relaxed);
        for listener in lock(&self.inner.listeners).iter() {
            listener.reopened.fetch_max(now, Ordering::Relaxed);
        }
    }

    /// Wakes everyone whom a change of the gate may free.
    pub(crate) fn notify(&self) {
        // Cloned, so that no waker runs under the lock.
        let listeners = lock(&self.inner.listeners).clone();
        for listener in listeners {
            listener.waiters.wake_all();
        }
    }

    /// Counts a call, unless the gate is closed.
    #[inline(always)]
    pub(crate) fn enter(&self) -> bool {
        match self.inner.cell.get().enter() {
            Ok(()) => true,
            Err(reasons) => {
                self.left_empty(reasons);
                false
            }
        }
    }

    /// Counts a call out.
    #[inline(always)]
    pub(crate) fn leave(&self, outcome: Outcome) {
        if !outcome.is_success() {
            self.left_badly(outcome);
        }
        let reasons = self.inner.cell.get().leave(outcome.is_success());
        if reasons != 0 {
            self.left_empty(reasons);
        }
        if let Some(spilled) = self.inner.cell.get().spill() {
            self.inner.measurements.add_successes(spilled);
        }
    }

    #[cold]
    fn left_badly(&self, outcome: Outcome) {
        let measurements = &self.inner.measurements;
        measurements.count(outcome);
        if !matches!(outcome, Outcome::Failure(_) | Outcome::Overloaded { .. }) {
            return;
        }
        let row = measurements.fail(self.outcomes().success);
        if row < self.inner.fails_at.load(Ordering::Relaxed) {
            return;
        }
        let listeners = lock(&self.inner.listeners).clone();
        for (at, waiters) in listeners
            .into_iter()
            .filter_map(|listener| listener.failing)
        {
            if row >= at {
                waiters.wake_all();
            }
        }
    }

    /// The last call has left an endpoint that is closed for `reasons`.
    #[cold]
    fn left_empty(&self, reasons: u16) {
        if reasons & Reason::LEAVING == 0 {
            return;
        }
        let listeners = lock(&self.inner.listeners).clone();
        for listener in listeners {
            listener.leaving.wake_all();
        }
    }
}

impl Inner {
    fn note_failing(&self, listeners: &[Listener]) {
        let rows = listeners
            .iter()
            .filter_map(|listener| listener.failing.as_ref());
        let shortest = rows.map(|(row, _)| *row).min().unwrap_or(u64::MAX);
        self.fails_at.store(shortest, Ordering::Relaxed);
    }
}

impl PartialEq for Endpoint {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Endpoint {}

impl hash::Hash for Endpoint {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("key", &self.inner.key)
            .field("weight", &self.weight().get())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}
