use campanile::{Outcome, Usage, endpoint::Outcomes, outcome::FailureKind};
use serde::{Deserialize, Serialize};

/// What calls took, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Counts {
    /// Calls sent, each attempt of a call one.
    pub calls: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Of the failures, those whose answer broke off.
    pub interrupted: u64,
    /// Of all, those that were answered by a model whose price is not known. They have tokens and no money.
    pub unpriced: u64,
    /// What providers reported.
    pub reported: Taken,
    /// What was estimated, as nobody reported: of answers that were cut or given up, and of providers that report nothing.
    pub estimated: Taken,
}

/// Tokens and money.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Taken {
    /// Calls that took them.
    pub calls: u64,
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Of the input, those that came from a cache.
    pub cached_tokens: u64,
    /// Of the input, those that were written to a cache.
    pub cache_write_tokens: u64,
    /// Of the output, those that were thought and not said.
    pub reasoning_tokens: u64,
    /// Money in nano-dollars.
    pub nano_dollars: u64,
}

/// What one attempt came to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bill<'a> {
    pub(super) outcome: Outcome,
    pub(super) usage: &'a Usage,
    /// Whether the usage is the provider's.
    pub(super) reported: bool,
    /// Whether there is any usage: it was answered.
    pub(super) answered: bool,
}

// ===== impl Counts =====

impl Counts {
    /// What was reported and what was estimated, together.
    #[must_use]
    pub fn taken(&self) -> Taken {
        let mut sum = self.reported;
        sum.merge(&self.estimated);
        sum
    }

    pub(super) fn add(&mut self, bill: &Bill<'_>) {
        self.calls += 1;
        match bill.outcome {
            Outcome::Success => self.outcomes.success += 1,
            Outcome::Throttled { .. } => self.outcomes.throttled += 1,
            Outcome::Overloaded { .. } => self.outcomes.overloaded += 1,
            Outcome::Ignored => self.outcomes.ignored += 1,
            Outcome::Cancelled => self.outcomes.cancelled += 1,
            // And whatever kinds of outcome may come: an end that is none of the others is no good one.
            _ => self.outcomes.failure += 1,
        }
        // One that was answered, and failed then, broke off in whatever way: it stalled, or made no sense. A panic is this
        // side's.
        let broken = match bill.outcome {
            Outcome::Failure(FailureKind::Interrupted) => true,
            Outcome::Failure(FailureKind::Panic) => false,
            Outcome::Failure(_) => bill.answered,
            _ => false,
        };
        self.interrupted += u64::from(broken);
        if !bill.answered {
            return;
        }
        let told = bill.usage.total_tokens().is_some();
        self.unpriced += u64::from(told && bill.usage.nano_dollars.is_none());
        if bill.reported {
            self.reported.add(bill.usage);
        } else {
            self.estimated.add(bill.usage);
        }
    }

    pub(super) fn merge(&mut self, other: &Self) {
        self.calls += other.calls;
        let (sum, outcomes) = (&mut self.outcomes, &other.outcomes);
        sum.success += outcomes.success;
        sum.failure += outcomes.failure;
        sum.throttled += outcomes.throttled;
        sum.overloaded += outcomes.overloaded;
        sum.ignored += outcomes.ignored;
        sum.cancelled += outcomes.cancelled;
        self.interrupted += other.interrupted;
        self.unpriced += other.unpriced;
        self.reported.merge(&other.reported);
        self.estimated.merge(&other.estimated);
    }
}

// ===== impl Taken =====

impl Taken {
    fn add(&mut self, usage: &Usage) {
        self.merge(&Self {
            calls: 1,
            input_tokens: usage.input_tokens.unwrap_or(0),
            output_tokens: usage.output_tokens.unwrap_or(0),
            cached_tokens: usage.cached_tokens.unwrap_or(0),
            cache_write_tokens: usage.cache_write_tokens.unwrap_or(0),
            reasoning_tokens: usage.reasoning_tokens.unwrap_or(0),
            nano_dollars: usage.nano_dollars.unwrap_or(0),
        });
    }

    fn merge(&mut self, other: &Self) {
        // Saturating: what a provider reports may be any number.
        let add = |sum: &mut u64, more: u64| *sum = sum.saturating_add(more);
        add(&mut self.calls, other.calls);
        add(&mut self.input_tokens, other.input_tokens);
        add(&mut self.output_tokens, other.output_tokens);
        add(&mut self.cached_tokens, other.cached_tokens);
        add(&mut self.cache_write_tokens, other.cache_write_tokens);
        add(&mut self.reasoning_tokens, other.reasoning_tokens);
        add(&mut self.nano_dollars, other.nano_dollars);
    }
}
