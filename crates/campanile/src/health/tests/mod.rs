use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, StreamExt};
use tower::discover::Change;
use tower_layer::Layer;

use super::*;
use crate::{
    endpoint::{Endpoint, Reason},
    testing::{DiscoverHandle, MockDiscover, discovery},
    time::Timestamp,
};

mod checks;
#[cfg(feature = "circuit_breaker")]
mod gates;
mod handle;
mod membership;
mod model;
mod outliers;
mod paid;
mod panics;
mod rhythm;
#[cfg(feature = "balance")]
mod slow_start;
#[cfg(feature = "balance")]
mod stack;

const SEC: Duration = Duration::from_secs(1);

/// What a check of an endpoint does.
#[derive(Clone)]
enum Act {
    Say(Report),
    After(Duration, Report),
    Never,
    Panic,
}

/// A probe that does as it is told, and notes what happens. Clones are the same.
#[derive(Clone, Default)]
struct Scripted {
    acts: Arc<Mutex<HashMap<String, Act>>>,
    begun: Arc<Mutex<Vec<Begun>>>,
    running: Arc<AtomicUsize>,
    peak: Arc<AtomicUsize>,
    paid: bool,
}

/// A check that has begun.
#[derive(Debug, Clone, PartialEq)]
struct Begun {
    endpoint: String,
    target: u32,
    at: Timestamp,
}

/// Counts a check for as long as it is neither over nor dropped.
struct Running(Arc<AtomicUsize>);

// ===== impl Scripted =====

impl Scripted {
    fn set(&self, endpoint: &str, act: Act) {
        self.acts.lock().unwrap().insert(endpoint.to_owned(), act);
    }

    fn set_healthy(&self, endpoint: &str, healthy: bool) {
        self.set(endpoint, Act::Say(healthy.into()));
    }

    fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }

    /// When the checks of an endpoint began.
    fn begun(&self, endpoint: &str) -> Vec<Timestamp> {
        let begun = self.begun.lock().unwrap();
        let of = begun.iter().filter(|begun| begun.endpoint == endpoint);
        of.map(|begun| begun.at).collect()
    }

    fn begun_in_all(&self) -> usize {
        self.begun.lock().unwrap().len()
    }
}

impl Probe<u32> for Scripted {
    fn check(&self, check: Check<u32>) -> impl Future<Output = Report> + Send + 'static {
        let endpoint = check.endpoint.key().to_owned();
        let act = self.acts.lock().unwrap().get(&endpoint).cloned();
        self.begun.lock().unwrap().push(Begun {
            endpoint,
            target: check.target,
            at: Timestamp::now(),
        });
        let running = Running(Arc::clone(&self.running));
        let now = running.0.fetch_add(1, Ordering::SeqCst) + 1;
        self.peak.fetch_max(now, Ordering::SeqCst);
        async move {
            let _running = running;
            match act {
                None => Report::healthy(),
                Some(Act::Say(report)) => report,
                Some(Act::After(time, report)) => {
                    tokio::time::sleep(time).await;
                    report
                }
                Some(Act::Never) => std::future::pending().await,
                Some(Act::Panic) => panic!("out of luck"),
            }
        }
    }

    fn is_paid(&self) -> bool {
        self.paid
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A discovery whose members are checked.
struct Scene {
    probe: Scripted,
    health: HealthHandle,
    members: DiscoverHandle<&'static str, u32>,
    discover: Monitored<MockDiscover<&'static str, u32>, u32>,
}

// ===== impl Scene =====

impl Scene {
    fn new(config: HealthConfig) -> Self {
        Self::with(Scripted::default(), config)
    }

    fn with(probe: Scripted, config: HealthConfig) -> Self {
        let layer = HealthLayer::with_config(probe.clone(), config).unwrap();
        let (members, discover) = discovery();
        Self {
            probe,
            health: layer.handle(),
            members,
            discover: layer.layer(discover),
        }
    }

    /// A member joins, and the pool hears of it.
    fn join(&mut self, key: &'static str) -> Endpoint {
        self.insert(key, 0)
    }

    fn insert(&mut self, key: &'static str, target: u32) -> Endpoint {
        self.members.insert(key, target);
        match self.hear() {
            Change::Insert(endpoint, _) => endpoint,
            Change::Remove(endpoint) => panic!("{endpoint} was removed"),
        }
    }

    fn remove(&mut self, key: &'static str) {
        self.members.remove(key);
        assert!(matches!(self.hear(), Change::Remove(_)));
    }

    /// What discovery tells the pool, which never waits for it.
    fn hear(&mut self) -> Change<Endpoint, u32> {
        let next = tokio::task::unconstrained(self.discover.next()).now_or_never();
        next.expect("membership waits").unwrap().unwrap()
    }

    fn status(&self, key: &str) -> HealthStatus {
        self.health.status(key).expect("no such endpoint")
    }

    fn state(&self, key: &str) -> HealthState {
        self.status(key).state
    }
}

/// The default settings, but to the second, and whoever is unhealthy is out, be there others or not.
fn exact() -> HealthConfig {
    HealthConfig::default()
        .with_jitter(0.0)
        .with_panic_threshold(PanicThreshold(0.0))
}

/// Lets whatever is due happen.
async fn settle() {
    pass(Duration::ZERO).await;
}

/// Lets time pass, on the paused clock, timer by timer.
async fn pass(time: Duration) {
    // A little more, so that what is due at that very moment has happened.
    tokio::time::sleep(time + Duration::from_millis(2)).await;
}

fn is_out(endpoint: &Endpoint) -> bool {
    endpoint
        .gate()
        .is_closed_for(Reason::Health, Timestamp::now())
}
