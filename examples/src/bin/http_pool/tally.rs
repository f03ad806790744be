//! What the callers have seen.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use campanile_examples::http::Answer;

/// Counts of answers, shared by the callers.
#[derive(Debug, Default)]
pub(crate) struct Tally(Mutex<Counts>);

/// Counts of answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    /// Whole answers, by upstream.
    pub(crate) whole: BTreeMap<String, u64>,
    /// Answers that broke off, as errors.
    pub(crate) cut: u64,
    /// Answers that broke off and looked whole.
    pub(crate) lies: u64,
    /// Requests that failed before an answer began.
    pub(crate) failed: u64,
    /// Requests that the pool refused.
    pub(crate) refused: u64,
}

// ===== impl Tally =====

impl Tally {
    pub(crate) fn count(&self, answer: Answer) {
        let mut counts = self.lock();
        match answer {
            Answer::Whole { upstream } => *counts.whole.entry(upstream).or_default() += 1,
            Answer::Cut { .. } => counts.cut += 1,
            Answer::Lie { .. } => counts.lies += 1,
            Answer::Failed { .. } => counts.failed += 1,
            Answer::Refused { .. } => counts.refused += 1,
        }
    }

    pub(crate) fn read(&self) -> Counts {
        self.lock().clone()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        // A count is whole at any moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// ===== impl Counts =====

impl Counts {
    pub(crate) fn whole(&self, upstream: &str) -> u64 {
        self.whole.get(upstream).copied().unwrap_or_default()
    }

    pub(crate) fn total(&self) -> u64 {
        self.whole.values().sum::<u64>() + self.cut + self.lies + self.failed + self.refused
    }

    /// What came after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self {
            whole: self
                .whole
                .iter()
                .map(|(upstream, count)| (upstream.clone(), count - earlier.whole(upstream)))
                .collect(),
            cut: self.cut - earlier.cut,
            lies: self.lies - earlier.lies,
            failed: self.failed - earlier.failed,
            refused: self.refused - earlier.refused,
        }
    }
}
