//! Callers, and what they see.

use std::time::Duration;

use campanile::{BoxError, Call, Context};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};
use tower::{Service, ServiceExt};

/// Calls a second.
const RATE: u32 = 100;

/// How long a caller waits.
const PATIENCE: Duration = Duration::from_secs(1);

/// What became of the calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// How long each answered one took.
    answered: Vec<Duration>,
    /// Those that ended in an error.
    pub(crate) failed: usize,
    /// Those that the caller gave up.
    pub(crate) given_up: usize,
}

/// Calls at a steady rate, whatever becomes of the calls before.
pub(crate) async fn drive<S>(pool: S, length: Duration) -> Calls
where
    S: Service<Call<u64>, Response = u64, Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0.. {
        tick.tick().await;
        if Instant::now() - began >= length {
            break;
        }
        let pool = pool.clone();
        tasks.spawn(async move {
            let called = Instant::now();
            let mut call = Call::new(number);
            call.context = Context::new().with_deadline(called + PATIENCE);
            let answer = tokio::time::timeout(PATIENCE, pool.oneshot(call)).await;
            (answer, Instant::now() - called)
        });
    }
    let mut calls = Calls::default();
    while let Some(Ok((answer, took))) = tasks.join_next().await {
        match answer {
            Ok(Ok(_)) => calls.answered.push(took),
            Ok(Err(_)) => calls.failed += 1,
            Err(_) => calls.given_up += 1,
        }
    }
    calls.answered.sort_unstable();
    calls
}

// ===== impl Calls =====

impl Calls {
    pub(crate) fn all(&self) -> usize {
        self.answered.len() + self.failed + self.given_up
    }

    pub(crate) fn answered_share(&self) -> f64 {
        self.answered.len() as f64 / self.all().max(1) as f64
    }

    /// A quantile of the time to an answer; a call without one took for ever.
    pub(crate) fn p(&self, quantile: f64) -> Duration {
        let place = (self.all().saturating_sub(1) as f64 * quantile) as usize;
        self.answered.get(place).copied().unwrap_or(Duration::MAX)
    }
}
