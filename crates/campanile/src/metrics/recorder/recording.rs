use std::{fmt, sync::Arc};

use super::{
    lane::Lane,
    record::{self, GAPS, Mark, Record, WAIT},
};
use crate::{
    completion::Observe,
    context::{Context, Repeat},
    cost::Usage,
    outcome::Outcome,
    rejection::Rejection,
    sync::{AtomicU64, Ordering::Relaxed},
    time::Timestamp,
};

/// One call that is recorded: what hangs on its [`Completion`](crate::Completion). It is counted when it begins, and the
/// rest when it ends; times between data are recorded as they come.
#[must_use = "a recording counts its call as begun, and as ended only when it is told so"]
pub struct Recording {
    lane: Arc<Lane>,
    began: Timestamp,
    /// When the latest data arrived; zero before the first.
    data: Timestamp,
    head: Mark,
    first_data: Mark,
    /// How long it waited, as long as that is not recorded.
    wait: Mark,
    /// The times between data that are not recorded yet.
    gaps: [Mark; 2],
    reported: bool,
    input_tokens: u64,
    output_tokens: u64,
    cached_tokens: u64,
    nano_dollars: u64,
    sent_bytes: u64,
    received_bytes: u64,
}

// ===== impl Recording =====

impl Recording {
    #[inline(always)]
    pub(super) fn new(lane: Arc<Lane>, now: Timestamp) -> Self {
        lane.start(now);
        Self {
            lane,
            began: now,
            data: Timestamp::ZERO,
            head: Mark::NONE,
            first_data: Mark::NONE,
            wait: Mark::NONE,
            gaps: [Mark::NONE; 2],
            reported: false,
            input_tokens: 0,
            output_tokens: 0,
            cached_tokens: 0,
            nano_dollars: 0,
            sent_bytes: 0,
            received_bytes: 0,
        }
    }

    /// Records what travels with the call: whether it is another attempt, and how long it waited in queues.
    #[inline]
    pub fn context(&mut self, context: &Context) {
        if let Some(repeat) = context.repeat {
            self.repeat(repeat);
        }
        if let Some(since) = context.queued_since {
            self.waited(since);
        }
    }

    /// The call is another attempt.
    pub fn repeat(&mut self, repeat: Repeat) {
        self.lane.core.repeat(repeat);
    }

    /// The call has waited since then, and waits no longer. Told with its first data, or its end.
    #[inline]
    pub const fn waited(&mut self, since: Timestamp) {
        self.wait = Mark::between(since, self.began);
    }

    /// The body of the request is so many bytes.
    #[inline]
    pub const fn sent(&mut self, bytes: u64) {
        self.sent_bytes = bytes;
    }

    /// Records the time to the next piece of data, three to a record.
    #[inline]
    fn gap(&mut self, gap: Mark, now: Timestamp) {
        match self.gaps {
            [one, other] if other.is_some() => {
                self.lane
                    .record(Record::new(GAPS, [one, other, gap], now), now);
                self.gaps = [Mark::NONE; 2];
            }
            [one, _] if one.is_some() => self.gaps[1] = gap,
            _ => self.gaps[0] = gap,
        }
    }

    /// What is seldom there.
    #[inline(never)]
    fn end_rest(&mut self, now: Timestamp) {
        if let [one, other] = self.gaps
            && one.is_some()
        {
            self.lane
                .record(Record::new(GAPS, [one, other, Mark::NONE], now), now);
        }
        let took = &self.lane.took;
        add(&took.input_tokens, self.input_tokens);
        add(&took.output_tokens, self.output_tokens);
        add(&took.cached_tokens, self.cached_tokens);
        add(&took.nano_dollars, self.nano_dollars);
        add(&took.sent_bytes, self.sent_bytes);
        add(&took.received_bytes, self.received_bytes);
    }
}

/// Adds, and stays at the most: what an upstream reports may be any number, and must not come round to nothing.
#[inline]
fn add(sum: &AtomicU64, more: u64) {
    if more != 0 && sum.fetch_add(more, Relaxed).checked_add(more).is_none() {
        sum.store(u64::MAX, Relaxed);
    }
}

impl Observe for Recording {
    #[inline]
    fn head(&mut self, now: Timestamp) {
        self.head = Mark::between(self.began, now);
    }

    #[inline]
    fn data(&mut self, now: Timestamp, _units: u64) {
        if self.data == Timestamp::ZERO {
            self.first_data = Mark::between(self.began, now);
            if self.wait.is_some() {
                let wait = std::mem::take(&mut self.wait);
                let marks = [wait, Mark::NONE, Mark::NONE];
                self.lane.record(Record::new(WAIT, marks, now), now);
            }
        } else {
            self.gap(Mark::between(self.data, now), now);
        }
        self.data = now;
    }

    #[inline]
    fn bytes(&mut self, bytes: u64) {
        self.received_bytes += bytes;
    }

    fn usage(&mut self, usage: &Usage) {
        self.reported = true;
        self.input_tokens = usage.input_tokens.unwrap_or(0);
        self.output_tokens = usage.output_tokens.unwrap_or(0);
        self.cached_tokens = usage.cached_tokens.unwrap_or(0);
        self.nano_dollars = usage.nano_dollars.unwrap_or(0);
    }

    fn refused(&mut self, rejection: &Rejection) {
        self.lane.core.refuse(rejection);
    }

    #[inline(always)]
    fn end(&mut self, now: Timestamp, outcome: Outcome) {
        if self.reported || self.gaps[0].is_some() || self.sent_bytes | self.received_bytes != 0 {
            self.end_rest(now);
        }
        let kind = record::ended(outcome);
        let total = Mark::between(self.began, now);
        let record = if self.wait.is_some() {
            Record::new(kind, [total, self.head, self.wait], now).with_wait()
        } else {
            Record::new(kind, [total, self.head, self.first_data], now)
        };
        self.lane.record(record, now);
    }
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("began", &self.began)
            .finish_non_exhaustive()
    }
}
