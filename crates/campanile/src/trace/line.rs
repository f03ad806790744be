use std::fmt;

use tokio::time::Instant;
use tracing::{Level, event, event_enabled};

use super::{LogLevel, id, place::CALL, record::Record};
use crate::{
    context::Trail,
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

/// The attempts in a trail: where each went, how it ended, and after what time.
struct Tried<'a>(&'a Trail);

/// Whether somebody listens to lines of this level.
pub(super) fn is_enabled(level: LogLevel) -> bool {
    match level {
        LogLevel::Off => false,
        LogLevel::Trace => event_enabled!(target: CALL, Level::TRACE),
        LogLevel::Debug => event_enabled!(target: CALL, Level::DEBUG),
        LogLevel::Info => event_enabled!(target: CALL, Level::INFO),
        LogLevel::Warn => event_enabled!(target: CALL, Level::WARN),
        LogLevel::Error => event_enabled!(target: CALL, Level::ERROR),
    }
}

/// Writes the line of a call that has ended.
pub(super) fn write(record: &Record, now: Timestamp, outcome: Outcome) {
    let Some(stage) = record.place.stage() else {
        return;
    };
    let facts = &record.facts;
    let rejection = record.rejection.as_ref();
    let message = match outcome {
        Outcome::Success => "a call went well",
        Outcome::Cancelled => "a call was given up",
        _ => "a call failed",
    };
    macro_rules! line {
        ($level:expr) => {
            event!(
                target: CALL,
                $level,
                stage = &**stage,
                id = &**facts.id.get_or_init(id::new_id),
                outcome = outcome.name(),
                failure = failure(outcome).map(FailureKind::name),
                error = record.error.as_deref(),
                status = record.status,
                refused_by = rejection.map(|rejection| rejection.layer()),
                refusal = rejection.map(|rejection| rejection.kind().name()),
                retry_after_s = retry_after(record, outcome),
                elapsed_s = now.since(record.began).as_secs_f64(),
                head_s = record.head.map(|at| at.since(record.began).as_secs_f64()),
                first_data_s = record.first_data.map(|at| at.since(record.began).as_secs_f64()),
                attempts = record.attempts(),
                tried = record.trail.as_ref().map(|trail| tracing::field::display(Tried(trail))),
                tenant = facts.tenant.as_deref(),
                conversation = facts.conversation.as_deref(),
                deadline_left_s = facts.deadline.map(|at| {
                    at.saturating_duration_since(Instant::now()).as_secs_f64()
                }),
                message,
            )
        };
    }
    match record.config.level(outcome) {
        LogLevel::Off => {}
        LogLevel::Trace => line!(Level::TRACE),
        LogLevel::Debug => line!(Level::DEBUG),
        LogLevel::Info => line!(Level::INFO),
        LogLevel::Warn => line!(Level::WARN),
        LogLevel::Error => line!(Level::ERROR),
    }
}

pub(super) const fn failure(outcome: Outcome) -> Option<FailureKind> {
    match outcome {
        Outcome::Failure(kind) => Some(kind),
        _ => None,
    }
}

/// When whoever refused the call wants to see it again, in seconds.
pub(super) fn retry_after(record: &Record, outcome: Outcome) -> Option<f64> {
    let of_rejection = record
        .rejection
        .and_then(|rejection| rejection.retry_after());
    let after = of_rejection.or_else(|| outcome.retry_after())?;
    Some(after.as_secs_f64())
}

// ===== impl LogLevel =====

impl LogLevel {
    pub(super) const fn level(self) -> Option<Level> {
        match self {
            Self::Off => None,
            Self::Trace => Some(Level::TRACE),
            Self::Debug => Some(Level::DEBUG),
            Self::Info => Some(Level::INFO),
            Self::Warn => Some(Level::WARN),
            Self::Error => Some(Level::ERROR),
        }
    }
}

// ===== impl Tried =====

impl fmt::Display for Tried<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.attempts().iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", attempt.endpoint.key())?;
            match attempt.outcome {
                Some(Outcome::Failure(kind)) => write!(f, " failure/{}", kind.name())?,
                Some(outcome) => write!(f, " {}", outcome.name())?,
                // An answer that was dropped before its end, after the call's.
                None => f.write_str(" unfinished")?,
            }
            if let Some(elapsed) = attempt.elapsed {
                write!(f, " {elapsed:?}")?;
            }
        }
        Ok(())
    }
}
