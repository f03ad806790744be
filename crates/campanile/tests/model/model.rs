//! The model: what the pool ought to do.

mod check;
mod settle;
mod steps;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use campanile::{
    Endpoint,
    balance::{BalanceConfig, BalanceLayer, LeastLoaded},
    discover::{PerEndpointLayer, Roster},
    endpoint::{Outcomes, Reason},
    protocol::{Enveloped, Streaming},
    time::Timestamp,
};
use fastrand::Rng;
use tokio::{task::JoinHandle, time::Instant};
use tower::ServiceBuilder;

use crate::{
    calls::{Caller, Pool},
    world::{Shared, Worker, World},
};

const PATIENCE: Duration = Duration::from_secs(2);
const KEYS: usize = 10;
const MOST_CALLS: usize = 40;
/// The reasons that somebody else than roster and pool gives.
const REASONS: [Reason; 3] = [Reason::Breaker, Reason::Health, Reason::Quota];
/// More polls of one call in one step are a loop. Members' changes, gates and time each wake it, and each may find
/// another member broken.
const MOST_POLLS: usize = 3 * KEYS;

pub(crate) struct Model {
    rng: Rng,
    world: Shared<World>,
    roster: Roster<u64>,
    pool: Pool,
    /// By key, the service behind it.
    present: BTreeMap<String, u64>,
    members: HashMap<u64, Member>,
    calls: Vec<Caller>,
    drains: Vec<JoinHandle<u32>>,
    next: u64,
    pub(crate) tally: Tally,
}

/// What is expected of one member, also after it left.
struct Member {
    endpoint: Endpoint,
    in_flight: u32,
    cost: u64,
    outcomes: Outcomes,
    /// Until when each reason holds; `None` for ever.
    closed: HashMap<Reason, Option<Instant>>,
    disabled: bool,
    /// Until when it drains.
    draining: Option<Instant>,
}

/// What happened in a run, to see that it was not nothing.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) begun: u64,
    pub(crate) waited: u64,
    pub(crate) refused: u64,
}

impl Member {
    fn holds(&self, reason: Reason) -> bool {
        match self.closed.get(&reason) {
            Some(until) => until.is_none_or(|until| until > Instant::now()),
            None => false,
        }
    }

    fn is_open(&self) -> bool {
        !self.disabled
            && self.draining.is_none()
            && !REASONS.iter().any(|reason| self.holds(*reason))
            // The pool's own, which the model takes as it is.
            && !self.endpoint.gate().is_closed_for(Reason::Readiness, Timestamp::now())
    }
}

impl Model {
    pub(crate) fn new(seed: u64) -> Self {
        let world = Shared::<World>::default();
        let roster = Roster::new();
        let services = Arc::clone(&world);
        let mut config = BalanceConfig::default();
        config.patience = PATIENCE;
        config.seed = Some(seed);
        let pool = ServiceBuilder::new()
            .layer(
                BalanceLayer::bare(LeastLoaded::default())
                    .protocol(Enveloped::new(Streaming::default()))
                    .config(config)
                    .unwrap(),
            )
            .layer(PerEndpointLayer::new(move |_: &Endpoint, sim: u64| {
                Worker::new(sim, &services)
            }))
            .service(roster.changes());
        Self {
            rng: Rng::with_seed(seed),
            world,
            roster,
            pool,
            present: BTreeMap::new(),
            members: HashMap::new(),
            calls: Vec::new(),
            drains: Vec::new(),
            next: 0,
            tally: Tally::default(),
        }
    }

    /// Gives every call up: nothing must be left of them.
    pub(crate) async fn finish(&mut self) {
        while !self.calls.is_empty() {
            self.cancel();
        }
        self.settle().await;
        self.check();
        for endpoint in self.roster.endpoints() {
            assert_eq!(endpoint.in_flight(), 0);
            assert_eq!(endpoint.measurements().outstanding().tokens, 0);
        }
        for key in self.present.keys() {
            self.roster.remove(key).unwrap();
        }
        self.present.clear();
        self.settle().await;
        self.check();
        assert!(self.pool.is_empty());
    }

    /// No service outlives the pool.
    pub(crate) fn bury(self) {
        let Self { world, pool, .. } = self;
        drop(pool);
        let world = world.lock().unwrap();
        assert!(world.sims.values().all(|sim| sim.live == 0));
        assert!(world.answers.is_empty());
    }
}
