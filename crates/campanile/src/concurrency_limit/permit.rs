use std::{fmt, sync::Arc, time::Duration};

use super::{
    Signal,
    algorithm::Verdict,
    control::{Control, Finished, verdict},
    shared::Shared,
};
use crate::{completion::Observe, cost::Usage, outcome::Outcome, time::Timestamp};

/// What a call has taken of a limit. Hangs on the call's [`Completion`](crate::Completion), and is given back at its end.
pub struct Permit {
    shared: Arc<Shared>,
    units: u32,
    call: Call,
}

/// What an adaptive limit notes of a call.
#[derive(Debug, Clone, Copy, Default)]
struct Call {
    started: Timestamp,
    head: Option<Timestamp>,
    data: Option<Timestamp>,
    /// Units of work that arrived in pieces.
    pieces: u64,
    /// Tokens that the upstream says it wrote.
    tokens: Option<u64>,
}

// ===== impl Permit =====

impl Permit {
    /// Permits that were taken already.
    #[inline(always)]
    pub(super) fn new(shared: Arc<Shared>, units: u32) -> Self {
        let mut call = Call::default();
        if let Some(control) = shared.control() {
            call.started = Timestamp::now();
            control.begin(call.started, units);
        }
        Self {
            shared,
            units,
            call,
        }
    }
}

impl Observe for Permit {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        self.call.head = Some(now);
    }

    #[inline]
    fn data(&mut self, now: Timestamp, units: u64) {
        if let Some(control) = self.shared.control() {
            self.call.data.get_or_insert(now);
            self.call.pieces += units;
            control.work(units);
            if control.is_due(now) {
                self.shared.consult(control, now, None);
            }
        }
    }

    fn usage(&mut self, usage: &Usage) {
        self.call.tokens = usage.output_tokens;
    }

    #[inline]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        let Some(control) = self.shared.control() else {
            self.shared.release(self.units);
            return;
        };
        let verdict = verdict(outcome);
        if self.call.pieces == 0 && verdict == Verdict::Done {
            // Nothing came in pieces: the work arrives with the end.
            self.call.pieces = self.call.tokens.unwrap_or(1);
            control.work(self.call.pieces);
        }
        control.end(now, self.units, verdict);
        let before = self.shared.release(self.units);
        if control.is_asked(now) {
            let finished = self.call.finished(control, now, verdict);
            self.shared.consult(control, now, Some((before, &finished)));
        }
    }

    #[inline]
    fn is_timed(&self) -> bool {
        self.shared.control().is_some()
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("units", &self.units)
            .finish_non_exhaustive()
    }
}

// ===== impl Call =====

impl Call {
    fn finished(&self, control: &Control, now: Timestamp, verdict: Verdict) -> Finished {
        Finished {
            started: self.started,
            now,
            latency: (verdict == Verdict::Done)
                .then(|| self.latency(control.signal(), now))
                .flatten(),
            units: self.pieces,
            verdict,
        }
    }

    /// The chosen signal of a call that was served.
    fn latency(&self, signal: Signal, now: Timestamp) -> Option<Duration> {
        match signal {
            Signal::Head => self.head.map(|head| head.since(self.started)),
            // An answer without data has said all with its head.
            Signal::FirstData => self.data.or(self.head).map(|data| data.since(self.started)),
            Signal::PerToken => {
                let tokens = self.tokens.filter(|tokens| *tokens > 0);
                let tokens = tokens.unwrap_or(self.pieces).max(1);
                let total = now.since(self.started).as_nanos() / u128::from(tokens);
                Some(Duration::from_nanos(
                    u64::try_from(total).unwrap_or(u64::MAX),
                ))
            }
            Signal::Total => Some(now.since(self.started)),
        }
    }
}
