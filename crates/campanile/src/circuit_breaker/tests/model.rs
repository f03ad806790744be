//! The breaker, with its word, its lanes and its lock, against a model that keeps everything and works it out anew.

use super::*;
use crate::testing::seeded;

/// A model that remembers every call.
struct Naive {
    config: CircuitBreakerConfig,
    state: BreakerState,
    generation: u32,
    since: Timestamp,
    until: Timestamp,
    parked: Timestamp,
    streak: u32,
    trips: u64,
    /// What the present phase has seen: when, what part of a failure, and whether it was slow.
    seen: Vec<(Timestamp, f64, bool)>,
    in_a_row: f64,
    /// Places in half-open: whose, and until when.
    leases: Vec<(usize, Timestamp)>,
    succeeded: u32,
}

/// A call in flight.
struct InFlight {
    admission: Admission,
    number: usize,
    generation: u32,
    began: Timestamp,
}

impl Naive {
    fn new(config: CircuitBreakerConfig) -> Self {
        Self {
            config,
            state: BreakerState::Closed,
            generation: 0,
            since: Timestamp::ZERO,
            until: Timestamp::ZERO,
            parked: Timestamp::ZERO,
            streak: 0,
            trips: 0,
            seen: Vec::new(),
            in_a_row: 0.0,
            leases: Vec::new(),
            succeeded: 0,
        }
    }

    fn live(&self, now: Timestamp) -> Vec<Timestamp> {
        let live = self.leases.iter().map(|(_, until)| *until);
        live.filter(|until| *until > now).collect()
    }

    fn needed(&self) -> u32 {
        let calls = self.config.half_open_max_calls;
        self.config.half_open_successes.unwrap_or(calls)
    }

    fn admits(&self, now: Timestamp) -> Result<(), RejectionKind> {
        let open = match self.state {
            BreakerState::ForcedClosed => return Ok(()),
            BreakerState::Closed => true,
            BreakerState::ForcedOpen => false,
            BreakerState::Open => now >= self.until,
            BreakerState::HalfOpen => {
                let out = self.live(now).len() as u32;
                out < self.config.half_open_max_calls
                    && out + self.succeeded < self.needed().max(self.succeeded + 1)
            }
        };
        if !open {
            Err(RejectionKind::CircuitOpen)
        } else if now < self.parked {
            Err(RejectionKind::RateLimited)
        } else {
            Ok(())
        }
    }

    fn retry_after(&self, now: Timestamp) -> Option<Duration> {
        let until = match self.state {
            BreakerState::ForcedOpen => return None,
            BreakerState::HalfOpen
                if self.parked < self.live(now).into_iter().min().unwrap_or(now)
                    && self.admits(now) == Err(RejectionKind::CircuitOpen) =>
            {
                return None;
            }
            BreakerState::Open => self.until.max(self.parked),
            _ => self.parked,
        };
        Some(until.since(now))
    }

    fn begin(&mut self, number: usize, now: Timestamp) {
        self.parked = Timestamp::ZERO;
        if self.state == BreakerState::Open {
            self.turn(BreakerState::HalfOpen, now);
        }
        if self.state == BreakerState::HalfOpen {
            let until = now.after(self.config.half_open_lease);
            self.leases.push((number, until));
        }
    }

    fn turn(&mut self, state: BreakerState, now: Timestamp) {
        self.state = state;
        self.generation += 1;
        self.since = now;
        self.seen.clear();
        self.leases.clear();
        self.in_a_row = 0.0;
        self.succeeded = 0;
    }

    fn trip(&mut self, hint: Option<Duration>, now: Timestamp) {
        let mut open_for = self.config.open_for;
        for _ in 0..self.streak {
            open_for = (open_for * 2).min(self.config.open_max);
        }
        if let Some(hint) = hint.filter(|hint| !hint.is_zero()) {
            open_for = hint.min(self.config.retry_after_max);
        }
        self.streak += 1;
        self.trips += 1;
        self.turn(BreakerState::Open, now);
        self.until = now.after(open_for);
    }

    fn end(&mut self, call: &InFlight, outcome: Outcome, now: Timestamp) {
        let config = self.config;
        let slow = config
            .slow_call
            .is_some_and(|slow| now.since(call.began) >= slow);
        if let Outcome::Throttled {
            retry_after: Some(wait),
        } = outcome
            && self.state != BreakerState::ForcedClosed
        {
            self.parked = self.parked.max(now.after(wait.min(config.retry_after_max)));
        }
        if call.generation != self.generation {
            return;
        }
        let fault = match outcome {
            Outcome::Success => Some(0.0),
            Outcome::Failure(_) => Some(1.0),
            Outcome::Overloaded { .. } => Some(config.overload_weight),
            Outcome::Cancelled if slow && config.cancelled == CancelledPolicy::Failure => Some(1.0),
            _ => None,
        };
        match self.state {
            BreakerState::Closed => {
                let slow_cancel = outcome == Outcome::Cancelled
                    && slow
                    && config.slow_rate.is_some()
                    && config.cancelled == CancelledPolicy::Slow;
                match fault {
                    Some(0.0) => self.in_a_row = 0.0,
                    Some(fault) => self.in_a_row += fault,
                    None if slow_cancel => {}
                    None => return,
                }
                self.seen.push((now, fault.unwrap_or(0.0), slow));
                if fault == Some(0.0) && !slow {
                    return;
                }
                let (calls, failures, slows) = self.rates(now);
                let enough = calls >= f64::from(config.min_calls);
                let reached = |part: f64, rate: Option<f64>| {
                    enough && rate.is_some_and(|rate| part / calls >= rate)
                };
                if config
                    .failure_threshold
                    .is_some_and(|failures| self.in_a_row >= f64::from(failures))
                    || reached(failures, config.failure_rate)
                    || reached(slows, config.slow_rate)
                {
                    if now.since(self.since) >= config.calm {
                        self.streak = 0;
                    }
                    self.trip(outcome.retry_after(), now);
                }
            }
            BreakerState::HalfOpen => {
                self.leases.retain(|(number, _)| *number != call.number);
                match fault {
                    None => {}
                    Some(0.0) if !slow || config.slow_rate.is_none() => {
                        self.succeeded += 1;
                        if self.succeeded >= self.needed() {
                            self.turn(BreakerState::Closed, now);
                        }
                    }
                    Some(_) => self.trip(outcome.retry_after(), now),
                }
            }
            _ => {}
        }
    }

    /// Calls, failures and slow calls in the window.
    fn rates(&self, now: Timestamp) -> (f64, f64, f64) {
        let live: Vec<_> = match self.config.window {
            WindowKind::Calls(calls) => {
                let from = self.seen.len().saturating_sub(calls as usize);
                self.seen[from..].to_vec()
            }
            WindowKind::Time(time) => {
                let bucket = |at: Timestamp| at.as_nanos() / (time.as_nanos() as u64 / 10);
                let live = |(at, ..): &&(Timestamp, f64, bool)| bucket(*at) + 10 > bucket(now);
                self.seen.iter().filter(live).copied().collect()
            }
        };
        (
            live.len() as f64,
            live.iter().map(|(_, fault, _)| fault).sum(),
            live.iter().filter(|(.., slow)| *slow).count() as f64,
        )
    }

    fn check(&self, scene: &Scene, now: Timestamp, step: &str) {
        let status = *scene.handle.watch().borrow();
        assert_eq!(status.state, self.state, "{step}");
        assert_eq!(
            (status.streak, status.trips),
            (self.streak, self.trips),
            "{step}"
        );
        if self.state == BreakerState::Open {
            assert_eq!(status.until, Some(self.until), "{step}");
        }
        let snapshot = scene.handle.snapshot();
        assert!(
            (snapshot.failures_in_a_row - self.in_a_row).abs() < 1e-9,
            "{step}"
        );
        assert_eq!(snapshot.probes_succeeded, self.succeeded, "{step}");
        if self.config.has_rates() {
            let (calls, failures, slow) = self.rates(now);
            assert_eq!(snapshot.calls as f64, calls, "{step}");
            assert!(
                (snapshot.failure_rate * calls - failures).abs() < 1e-6,
                "{step}"
            );
            assert!((snapshot.slow_rate * calls - slow).abs() < 1e-6, "{step}");
        }
    }
}

/// Settings of every kind.
fn some_config(rng: &mut fastrand::Rng) -> CircuitBreakerConfig {
    let share = |rng: &mut fastrand::Rng| [0.25, 0.5, 0.75, 1.0][rng.usize(..4)];
    let mut config = config()
        .with_failure_threshold(rng.bool().then(|| rng.u32(1..6)))
        .with_failure_rate(rng.bool().then(|| share(rng)))
        .with_min_calls(rng.u32(1..12))
        .with_overload_weight([0.5, 1.0][rng.usize(..2)])
        .with_half_open_max_calls(rng.u32(1..5))
        .with_half_open_successes(rng.bool().then(|| rng.u32(1..7)))
        .with_half_open_lease(rng.u32(1..90) * SEC)
        .with_calm(rng.u32(..200) * SEC);
    if rng.bool() {
        config = config
            .with_slow_call(Some(rng.u32(1..20) * SEC))
            .with_slow_rate(rng.bool().then(|| share(rng)))
            .with_cancelled(
                [
                    CancelledPolicy::Ignore,
                    CancelledPolicy::Slow,
                    CancelledPolicy::Failure,
                ][rng.usize(..3)],
            );
    }
    if rng.bool() {
        config = config.with_window(WindowKind::Calls(rng.u32(12..40)));
    }
    if !config.has_rates() && config.failure_threshold.is_none() {
        config = config.with_failure_threshold(Some(3));
    }
    config
}

fn some_outcome(rng: &mut fastrand::Rng, health: u32) -> Outcome {
    if rng.u32(..100) < health {
        return Outcome::Success;
    }
    let hint = (rng.u32(..4) == 0).then(|| rng.u32(..400) * SEC);
    match rng.u32(..8) {
        0 => Outcome::Cancelled,
        1 => Outcome::Ignored,
        2 => Outcome::Throttled { retry_after: hint },
        3 => Outcome::Overloaded { retry_after: hint },
        _ => FAILED,
    }
}

#[tokio::test(start_paused = true)]
async fn it_does_what_the_model_does() {
    let mut reached = [0_u32; 5];
    for seed in 0..150 {
        let mut rng = seeded(seed);
        let config = some_config(&mut rng);
        let (scene, mut model) = (Scene::new(config), Naive::new(config));
        let mut calls: Vec<InFlight> = Vec::new();
        for step in 0..400 {
            let at = format!("seed {seed}, step {step}");
            let now = Timestamp::now();
            match rng.u32(..100) {
                0..=44 => match (scene.begin(), model.admits(now)) {
                    (Ok(admission), Ok(())) => {
                        let number = calls.last().map_or(0, |call| call.number + 1).max(step);
                        model.begin(number, now);
                        calls.push(InFlight {
                            admission,
                            number,
                            generation: model.generation,
                            began: now,
                        });
                    }
                    (Err(refused), Err(kind)) => {
                        assert_eq!(refused.kind(), kind, "{at}");
                        assert_eq!(refused.retry_after(), model.retry_after(now), "{at}");
                    }
                    (ours, theirs) => panic!("{at}: {ours:?}, the model {theirs:?}"),
                },
                45..=88 if !calls.is_empty() => {
                    let call = calls.swap_remove(rng.usize(..calls.len()));
                    let health = [20, 60, 97][(step / 50) % 3];
                    let outcome = some_outcome(&mut rng, health);
                    model.end(&call, outcome, now);
                    end(call.admission, outcome);
                }
                45..=97 => {
                    let most = [100, 3_000, 40_000][rng.usize(..3)];
                    tokio::time::advance(rng.u32(..most) * MS).await;
                }
                98 => {
                    scene.handle.reset();
                    model.turn(BreakerState::Closed, now);
                    (model.streak, model.parked) = (0, Timestamp::ZERO);
                }
                _ if rng.bool() => {
                    scene.handle.force_open();
                    model.turn(BreakerState::ForcedOpen, now);
                }
                _ => {
                    scene.handle.force_close();
                    model.turn(BreakerState::ForcedClosed, now);
                    model.parked = Timestamp::ZERO;
                }
            }
            reached[model.state as usize] += 1;
            model.check(&scene, Timestamp::now(), &at);
        }
    }
    assert!(reached.iter().all(|steps| *steps > 500), "{reached:?}");
}
