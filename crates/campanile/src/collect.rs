//! What a layer knows of itself, for whoever collects measurements.
//!
//! Handles of layers (a breaker's, a limit's) implement [`Collect`]: asked, they tell a [`Sink`] their counts and states.
//! Nothing is measured for it on the way of a call, and nothing is told unless somebody asks.
//!
//! ```
//! use campanile::collect::{Collect, Metric, Sink, Value};
//!
//! static TRIPS: Metric = Metric::new("breaker_trips", "How often the breaker has opened.");
//!
//! struct Breaker { trips: u64 }
//! impl Collect for Breaker {
//!     fn collect(&self, sink: &mut dyn Sink) {
//!         sink.counter(&TRIPS, self.trips as f64);
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Print(String);
//! impl Sink for Print {
//!     fn sample(&mut self, metric: &'static Metric, _label: Option<(&'static str, &'static str)>, value: Value) {
//!         self.0 += &format!("{} {value:?}\n", metric.name);
//!     }
//! }
//! let mut print = Print::default();
//! Breaker { trips: 3 }.collect(&mut print);
//! assert_eq!(print.0, "breaker_trips Counter(3.0)\n");
//! ```

use std::sync::{Arc, Weak};

#[cfg(all(test, not(campanile_loom)))]
pub(crate) mod tests;

/// Knows something that is worth collecting.
pub trait Collect: Send + Sync {
    /// Tells everything, as it is now. Every state is told, also those that do not hold, so that none stays behind in
    /// whatever keeps the samples.
    fn collect(&self, sink: &mut dyn Sink);

    /// Whether there is still anything to tell. What does not keep its owner alive, as a [`Weak`], says no once the owner
    /// is gone, and who asks it may stop.
    fn is_alive(&self) -> bool {
        true
    }
}

/// Takes samples.
pub trait Sink {
    /// Takes one sample. `label` tells several of one metric from each other, by a name and a value that are known to the
    /// program: never by what a request brought.
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    );

    /// Something that only grows.
    fn counter(&mut self, metric: &'static Metric, value: f64) {
        self.sample(metric, None, Value::Counter(value));
    }

    /// Something that goes up and down.
    fn gauge(&mut self, metric: &'static Metric, value: f64) {
        self.sample(metric, None, Value::Gauge(value));
    }

    /// Which of `states` holds, by its place.
    fn state(&mut self, metric: &'static Metric, states: &'static [&'static str], present: usize) {
        self.sample(metric, None, Value::State { states, present });
    }
}

/// What a sample is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Metric {
    /// Lower case, words joined by underscores, the name of the layer first: `breaker_trips`. Without prefix, unit and
    /// `_total`, which whoever writes it down adds.
    pub name: &'static str,
    /// What it is, in one sentence.
    pub help: &'static str,
    /// The base unit that it is counted in: `seconds`, `bytes`, `ratio`. `None` for things that are merely counted.
    pub unit: Option<&'static str>,
}

/// The value of a sample.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Only grows.
    Counter(f64),
    /// Goes up and down.
    Gauge(f64),
    /// One of several states holds.
    State {
        /// All of them.
        states: &'static [&'static str],
        /// Which one holds, by its place.
        present: usize,
    },
}

// ===== impl Metric =====

impl Metric {
    /// A metric that is merely counted.
    #[must_use]
    pub const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            unit: None,
        }
    }

    /// The same metric, counted in `unit`.
    #[must_use]
    pub const fn with_unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }
}

// ===== impl Collect =====

impl<C: Collect + ?Sized> Collect for Arc<C> {
    fn collect(&self, sink: &mut dyn Sink) {
        (**self).collect(sink);
    }

    fn is_alive(&self) -> bool {
        (**self).is_alive()
    }
}

impl<C: Collect + ?Sized> Collect for Weak<C> {
    fn collect(&self, sink: &mut dyn Sink) {
        if let Some(owner) = self.upgrade() {
            owner.collect(sink);
        }
    }

    fn is_alive(&self) -> bool {
        self.upgrade().is_some_and(|owner| owner.is_alive())
    }
}
