use std::fmt;

use tracing::Span;

use super::{
    TraceConfig, line,
    place::{Facts, Place},
};
use crate::{
    completion::Observe,
    context::Trail,
    cost::Usage,
    outcome::{FailureKind, Outcome},
    rejection::Rejection,
    time::Timestamp,
};

/// The span of one call, and what is to be said of it at its end. Nothing, where nobody listens.
// Boxed, since where nobody listens all calls would carry its size.
pub struct Traced(Option<Box<Record>>);

pub(super) struct Record {
    pub(super) span: Span,
    /// Whether somebody may want to read a line about it.
    pub(super) line: bool,
    pub(super) place: Place,
    pub(super) config: TraceConfig,
    pub(super) facts: Facts,
    pub(super) trail: Option<Trail>,
    pub(super) began: Timestamp,
    pub(super) head: Option<Timestamp>,
    pub(super) first_data: Option<Timestamp>,
    pub(super) units: u64,
    pub(super) usage: Usage,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    pub(super) rejection: Option<Rejection>,
}

// ===== impl Traced =====

impl Traced {
    /// Nobody listens.
    pub(super) const OFF: Self = Self(None);

    pub(super) fn new(record: Record) -> Self {
        Self(Some(Box::new(record)))
    }

    /// The head has a status.
    #[inline]
    pub(super) fn status(&mut self, status: impl FnOnce() -> Option<u16>) {
        if let Some(record) = &mut self.0 {
            record.status = status();
        }
    }

    /// The call ends in an error, whose text may be so long.
    pub(super) fn failed(&mut self, error: impl FnOnce(usize) -> String) {
        if let Some(record) = &mut self.0 {
            record.error = Some(error(record.config.error_length));
        }
    }
}

impl Observe for Traced {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        if let Some(record) = &mut self.0 {
            record.head = Some(now);
        }
    }

    #[inline]
    fn data(&mut self, now: Timestamp, units: u64) {
        if let Some(record) = &mut self.0 {
            record.first_data.get_or_insert(now);
            record.units = record.units.saturating_add(units);
        }
    }

    fn usage(&mut self, usage: &Usage) {
        if let Some(record) = &mut self.0 {
            record.usage = *usage;
        }
    }

    fn refused(&mut self, rejection: &Rejection) {
        if let Some(record) = &mut self.0 {
            record.rejection = Some(*rejection);
        }
    }

    #[inline]
    fn clock(&self) -> Timestamp {
        if self.0.is_none() {
            return Timestamp::ZERO;
        }
        Timestamp::now()
    }

    #[inline]
    fn around<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.0 {
            None => work(),
            Some(record) => record.span.in_scope(work),
        }
    }

    #[inline]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        if let Some(record) = self.0.take() {
            record.end(now, outcome);
        }
    }
}

impl fmt::Debug for Traced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let span = self.0.as_ref().map(|record| &record.span);
        f.debug_struct("Traced").field("span", &span).finish()
    }
}

// ===== impl Record =====

impl Record {
    /// How many attempts the call has made, where that is known.
    pub(super) fn attempts(&self) -> Option<u32> {
        self.trail.as_ref().map(Trail::made)
    }

    #[inline(never)]
    fn end(&self, now: Timestamp, outcome: Outcome) {
        if !self.span.is_disabled() {
            self.fill(now, outcome);
        }
        if self.line {
            self.span.in_scope(|| line::write(self, now, outcome));
        }
    }

    /// Fields that are absent stay empty.
    fn fill(&self, now: Timestamp, outcome: Outcome) {
        let seconds = |at: Timestamp| at.since(self.began).as_secs_f64();
        let rejection = self.rejection.as_ref();
        self.span
            .record("outcome", outcome.name())
            .record("failure", line::failure(outcome).map(FailureKind::name))
            .record("status", self.status)
            .record("refused_by", rejection.map(Rejection::layer))
            .record(
                "refusal",
                rejection.map(|rejection| rejection.kind().name()),
            )
            .record("retry_after_s", line::retry_after(self, outcome))
            .record("error", self.error.as_deref())
            .record("attempts", self.attempts())
            .record("head_s", self.head.map(seconds))
            .record("first_data_s", self.first_data.map(seconds))
            .record("elapsed_s", seconds(now))
            .record("units", self.first_data.map(|_| self.units))
            .record("input_tokens", self.usage.input_tokens)
            .record("output_tokens", self.usage.output_tokens);
    }
}
