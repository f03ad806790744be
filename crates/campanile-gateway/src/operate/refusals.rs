//! Calls that are answered with an error: how many, and a line in the log for each that nobody else tells of.
//!
//! What fails in a stage is logged there. What is refused before, for want of a key, say, or by a limit of the key, is told here:
//! in the access log, whether that is on or off, but [so many lines a second](LINES) at most, since anybody may cause them.
//!
//! Errors are rare, or cheap to make for those who have them made: so a mutex does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use campanile::time::Timestamp;
use campanile_llm::error::Class;
use http::Method;

use super::{
    About, RequestId,
    access_log::{TARGET, shown},
};

/// How many lines a second are written.
const LINES: u32 = 20;

/// Counts of errors that callers were answered with.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    counts: BTreeMap<Kind, u64>,
    /// The second of the latest line, the lines of that second, and how many were left out since the line before.
    second: u64,
    lines: u32,
    left_out: u64,
}

/// What is counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    /// The name of the key; empty where the caller is not known.
    pub(super) key: Arc<str>,
    pub(super) status: u16,
    pub(super) class: Class,
}

/// An answer that is an error.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) method: &'a Method,
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) class: Class,
    /// Whether somebody has written a line about it.
    pub(crate) is_logged: bool,
}

// ===== impl Refusals =====

impl Refusals {
    /// Counts an answer, and writes a line about it if nobody else does.
    pub(crate) fn tell(&self, refusal: Refusal<'_>, about: &About) {
        let key = about.key.clone().unwrap_or_default();
        self.count(key, refusal.status, refusal.class);
        if refusal.is_logged || refusal.id.logs() {
            return;
        }
        let Some(left_out) = self.seen().line(Timestamp::now()) else {
            return;
        };
        tracing::info!(
            target: TARGET,
            id = &**refusal.id.text(),
            method = refusal.method.as_str(),
            path = shown(refusal.path),
            status = refusal.status,
            key = about.key.as_deref(),
            tenant = about.tenant.as_deref(),
            model = about.model.as_deref(),
            error = refusal.class.name(),
            left_out = (left_out > 0).then_some(left_out),
            "a call was refused"
        );
    }

    /// Counts an answer of which nothing is known but this.
    pub(crate) fn count(&self, key: Arc<str>, status: u16, class: Class) {
        let kind = Kind { key, status, class };
        *self.seen().counts.entry(kind).or_default() += 1;
    }

    pub(super) fn counts(&self) -> Vec<(Kind, u64)> {
        let seen = self.seen();
        let counts = seen.counts.iter();
        counts.map(|(kind, count)| (kind.clone(), *count)).collect()
    }

    #[cfg(test)]
    pub(crate) fn total(&self) -> u64 {
        self.seen().counts.values().sum()
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// Whether a line may be written now: how many were left out before it.
    fn line(&mut self, now: Timestamp) -> Option<u64> {
        let second = now.as_nanos() / 1_000_000_000;
        if self.second != second {
            (self.second, self.lines) = (second, 0);
        }
        if self.lines == LINES {
            self.left_out += 1;
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_so_many_a_second() {
        let at = |millis: u64| Timestamp::from_nanos(millis * 1_000_000);
        let mut seen = Seen::default();
        let written = |seen: &mut Seen, millis| seen.line(at(millis));
        for _ in 0..LINES {
            assert_eq!(written(&mut seen, 5_000), Some(0));
        }
        for _ in 0..7 {
            assert_eq!(written(&mut seen, 5_999), None);
        }
        assert_eq!(
            written(&mut seen, 6_000),
            Some(7),
            "it says what is missing"
        );
        assert_eq!(written(&mut seen, 6_001), Some(0));
    }
}
