use std::{fmt, time::Duration};

use super::{
    Signal,
    algorithm::Verdict,
    control::{Control, Finished, verdict},
    shared::Shared,
};
use crate::{
    completion::Observe,
    cost::Usage,
    lane::Share,
    outcome::Outcome,
    rejection::{Rejection, RejectionKind},
    time::{Timestamp, nanos},
};

/// What a call has taken of a limit. Hangs on the call's [`Completion`](crate::Completion), and is given back at its end.
pub struct Permit {
    shared: Share<Shared>,
    units: u32,
    call: Call,
}

/// What an adaptive limit notes of a call. Small, since it moves with the call: [`Timestamp::ZERO`] for what has not
/// happened, 0 for what was not reported.
#[derive(Debug, Clone, Copy, Default)]
struct Call {
    started: Timestamp,
    head: Timestamp,
    data: Timestamp,
    /// Units of work that arrived in pieces.
    pieces: u64,
    /// Tokens that the upstream says it wrote.
    tokens: u64,
    /// A layer further in refused it.
    refused: bool,
}

// ===== impl Permit =====

impl Permit {
    /// Permits that were taken already.
    #[inline(always)]
    pub(super) fn new(shared: Share<Shared>, units: u32) -> Self {
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
        self.call.head = now;
    }

    #[inline]
    fn data(&mut self, now: Timestamp, units: u64) {
        if let Some(control) = self.shared.control() {
            if self.call.data == Timestamp::ZERO {
                self.call.data = now;
            }
            self.call.pieces += units;
            control.work(units);
            if control.is_due(now) {
                self.shared.consult(control, now, None);
            }
        }
    }

    fn usage(&mut self, usage: &Usage) {
        if let Some(tokens) = usage.output_tokens {
            self.call.tokens = tokens;
        }
    }

    #[inline]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        let Some(control) = self.shared.control() else {
            self.shared.release(self.units);
            return;
        };
        let verdict = if self.call.refused {
            Verdict::Ignored
        } else {
            verdict(outcome)
        };
        if self.call.pieces == 0 && verdict == Verdict::Done {
            // Nothing came in pieces: the work arrives with the end.
            self.call.pieces = self.call.tokens.max(1);
            control.work(self.call.pieces);
        }
        control.end(now, self.units, verdict);
        let before = self.shared.release(self.units);
        if control.is_asked(now) {
            let finished = self.call.finished(control, now, verdict);
            self.shared.consult(control, now, Some((before, &finished)));
        }
    }

    fn refused(&mut self, rejection: &Rejection) {
        // A layer further in said no, and the service behind it was not asked: only of its time is something known.
        self.call.refused = rejection.kind() != RejectionKind::TimedOut;
    }

    /// A static limit needs no time.
    #[inline]
    fn clock(&self) -> Timestamp {
        if self.shared.control().is_some() {
            Timestamp::now()
        } else {
            Timestamp::ZERO
        }
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
        let at = match signal {
            Signal::Head => self.head,
            // An answer without data has said all with its head.
            Signal::FirstData if self.data == Timestamp::ZERO => self.head,
            Signal::FirstData => self.data,
            Signal::PerToken | Signal::Total => now,
        };
        let latency = (at != Timestamp::ZERO).then(|| at.since(self.started))?;
        if signal != Signal::PerToken {
            return Some(latency);
        }
        let tokens = if self.tokens > 0 {
            self.tokens
        } else {
            self.pieces.max(1)
        };
        Some(Duration::from_nanos(nanos(latency) / tokens))
    }
}
