use std::time::Duration;

use campanile::{
    concurrency_limit::algorithm::{Algorithm, Sample, Tick, Verdict},
    time::Timestamp,
};

/// What a limit's layer does around its algorithm, and nothing else.
#[derive(Debug)]
pub struct Limiter {
    algorithm: Box<dyn Algorithm>,
    cap: u32,
    limit: u32,
    in_flight: u32,
    now: Timestamp,
    counts: Tick,
    /// The integral of the limit over time, in nanoseconds.
    limits: f64,
}

// ===== impl Limiter =====

impl Limiter {
    /// A limit with nothing in flight.
    #[must_use]
    pub fn new(algorithm: Box<dyn Algorithm>, cap: u32) -> Self {
        let mut limiter = Self {
            algorithm,
            cap,
            limit: 0,
            in_flight: 0,
            now: Timestamp::ZERO,
            counts: Tick::default(),
            limits: 0.0,
        };
        limiter.follow();
        limiter
    }

    /// The limit in force.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The integral of the limit over time until `now`, in seconds.
    pub fn limits(&mut self, now: Timestamp) -> f64 {
        self.advance(now);
        self.limits / 1e9
    }

    /// Whether a call finds room.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.in_flight < self.limit
    }

    /// A call found none.
    pub fn refused(&mut self) {
        self.counts.refused += 1;
    }

    /// A call begins.
    pub fn begin(&mut self, now: Timestamp) {
        self.advance(now);
        self.in_flight += 1;
    }

    /// A call ends. It has brought that many units; pieces that were streamed have been told of before.
    pub fn end(
        &mut self,
        now: Timestamp,
        started: Timestamp,
        latency: Option<Duration>,
        units: u64,
        verdict: Verdict,
    ) {
        self.advance(now);
        match verdict {
            Verdict::Done => self.counts.completed += 1,
            Verdict::Dropped => self.counts.dropped += 1,
            Verdict::Ignored => {}
        }
        if self.algorithm.samples() {
            self.algorithm.sample(&Sample {
                started,
                now,
                latency: latency.filter(|_| verdict == Verdict::Done),
                units,
                in_flight: self.in_flight,
                limit: self.limit,
                verdict,
            });
            self.follow();
        }
        self.in_flight -= 1;
    }

    /// When the algorithm wants to be told the time.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        self.algorithm.next_tick()
    }

    /// Tells the algorithm the time, if it wants to know, and the units of work done until then.
    pub fn tick(&mut self, now: Timestamp, units: u64) {
        if self.due().is_none_or(|due| due > now) {
            return;
        }
        self.advance(now);
        self.counts.now = now;
        self.counts.units = units;
        self.counts.in_flight = self.in_flight;
        self.counts.limit = self.limit;
        self.algorithm.tick(&self.counts);
        self.follow();
    }

    /// Calls that were served.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.counts.completed
    }

    fn follow(&mut self) {
        self.limit = (self.algorithm.limit().round() as u32).clamp(1, self.cap);
    }

    fn advance(&mut self, now: Timestamp) {
        let nanos = now.since(self.now).as_nanos() as u64;
        self.counts.busy += u64::from(self.in_flight) * nanos;
        self.limits += f64::from(self.limit) * nanos as f64;
        self.now = now;
    }
}
