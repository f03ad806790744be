//! The calls of one member, in steps of an interval.

/// How many calls went well, and how many failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Calls {
    pub(super) good: u64,
    pub(super) bad: u64,
}

/// The calls of the latest steps.
#[derive(Debug)]
pub(super) struct Window {
    steps: Box<[Calls]>,
    next: usize,
    sum: Calls,
}

// ===== impl Calls =====

impl Calls {
    pub(super) const fn total(self) -> u64 {
        self.good + self.bad
    }

    /// The share that went well; `None` of no calls.
    pub(super) fn rate(self) -> Option<f64> {
        (self.total() > 0).then(|| self.good as f64 / self.total() as f64)
    }

    /// What has come since `earlier`.
    pub(super) const fn since(self, earlier: Self) -> Self {
        Self {
            good: self.good.saturating_sub(earlier.good),
            bad: self.bad.saturating_sub(earlier.bad),
        }
    }
}

// ===== impl Window =====

impl Window {
    pub(super) fn new(steps: usize) -> Self {
        Self {
            steps: vec![Calls::default(); steps].into(),
            next: 0,
            sum: Calls::default(),
        }
    }

    /// A step is over, in which there were these calls: the oldest step is forgotten.
    pub(super) fn push(&mut self, calls: Calls) {
        let oldest = std::mem::replace(&mut self.steps[self.next], calls);
        self.next = (self.next + 1) % self.steps.len();
        self.sum.good = self.sum.good + calls.good - oldest.good;
        self.sum.bad = self.sum.bad + calls.bad - oldest.bad;
    }

    pub(super) fn clear(&mut self) {
        self.steps.fill(Calls::default());
        self.sum = Calls::default();
    }

    /// All calls in it.
    pub(super) const fn sum(&self) -> Calls {
        self.sum
    }
}
