//! The model: what the pool ought to do.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use campanile::{
    Endpoint, Rejection,
    balance::{BalanceConfig, BalanceLayer, Enveloped, LeastLoaded, Streaming},
    discover::{PerEndpointLayer, Roster},
    endpoint::{Outcomes, Reason, Weight},
    rejection::RejectionKind,
    time::Timestamp,
};
use fastrand::Rng;
use tokio::{
    task::{JoinHandle, yield_now},
    time::Instant,
};
use tower::ServiceBuilder;

use crate::{
    calls::{Caller, Polled, Pool},
    world::{Mode, Shared, Worker, World},
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
                    .protocol(Enveloped::<Streaming>::default())
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

    // ===== steps =====

    pub(crate) async fn step(&mut self) {
        for call in &mut self.calls {
            call.polls = 0;
        }
        match self.rng.u32(..100) {
            0..4 => self.insert(),
            4..6 => self.remove(),
            6..8 => self.drain(),
            8..10 => self.switch(),
            10..20 => self.gate(),
            20..28 => self.change_readiness(),
            28..55 => self.begin(),
            55..62 => self.cancel(),
            62..88 => self.go_on(),
            _ => {
                let millis = match self.rng.u32(..20) {
                    0 => self.rng.u64(1_000..40_000),
                    1..8 => self.rng.u64(100..2_000),
                    _ => self.rng.u64(1..50),
                };
                tokio::time::advance(Duration::from_millis(millis)).await;
            }
        }
    }

    fn insert(&mut self) {
        let key = format!("m{}", self.rng.usize(..KEYS));
        let known = self.present.get(&key).copied();
        if let Some(sim) = known
            && self.rng.bool()
        {
            // The same again: it stays, and is not drained any more.
            let weight = f64::from(self.rng.u32(1..5));
            let again = self
                .roster
                .insert(Endpoint::builder(key.as_str()).weight(weight), sim)
                .unwrap();
            let member = self.members.get_mut(&sim).unwrap();
            assert!(
                again.is(&member.endpoint),
                "an equal target keeps its endpoint"
            );
            assert_eq!(again.weight(), Weight::new(weight).unwrap());
            member.draining = None;
            return;
        }
        self.next += 1;
        let sim = self.next;
        let endpoint = self.roster.insert(key.as_str(), sim).unwrap();
        self.present.insert(key, sim);
        self.members.insert(
            sim,
            Member {
                endpoint,
                in_flight: 0,
                cost: 0,
                outcomes: Outcomes::default(),
                closed: HashMap::new(),
                disabled: false,
                draining: None,
            },
        );
    }

    fn any_present(&mut self) -> Option<(String, u64)> {
        let all: Vec<_> = self.present.iter().collect();
        self.rng
            .choice(&all)
            .map(|(key, sim)| ((*key).clone(), **sim))
    }

    fn remove(&mut self) {
        if let Some((key, _)) = self.any_present() {
            self.roster.remove(&key).unwrap();
            self.present.remove(&key);
        }
    }

    fn drain(&mut self) {
        if let Some((key, sim)) = self.any_present() {
            let patience = Duration::from_millis(self.rng.u64(1..5_000));
            let drain = self.roster.drain(&key, patience).unwrap();
            self.members.get_mut(&sim).unwrap().draining = Some(Instant::now() + patience);
            self.drains.push(tokio::spawn(drain));
        }
    }

    fn switch(&mut self) {
        if let Some((key, sim)) = self.any_present() {
            let member = self.members.get_mut(&sim).unwrap();
            // Off for a while only: otherwise all are off in the end.
            member.disabled = !member.disabled && self.rng.bool();
            if member.disabled {
                self.roster.disable(&key).unwrap();
            } else {
                self.roster.enable(&key).unwrap();
            }
        }
    }

    fn gate(&mut self) {
        let Some((_, sim)) = self.any_present() else {
            return;
        };
        let reason = *self.rng.choice(&REASONS).unwrap();
        let member = self.members.get_mut(&sim).unwrap();
        let gate = member.endpoint.gate();
        match self.rng.u32(..6) {
            0 => {
                gate.close(reason);
                member.closed.insert(reason, None);
            }
            1..3 => {
                let after = Duration::from_millis(self.rng.u64(..3_000));
                gate.close_until(reason, Timestamp::now().after(after));
                member.closed.insert(reason, Some(Instant::now() + after));
            }
            _ => {
                gate.open(reason);
                member.closed.remove(&reason);
            }
        }
    }

    fn change_readiness(&mut self) {
        if let Some((_, sim)) = self.any_present() {
            let mode = match self.rng.u32(..10) {
                0..5 => Mode::Ready,
                5..8 => Mode::Pending,
                _ => Mode::Broken,
            };
            if self.world.lock().unwrap().sims.contains_key(&sim) {
                World::set_mode(&self.world, sim, mode);
            }
        }
    }

    fn begin(&mut self) {
        if self.calls.len() >= MOST_CALLS {
            return;
        }
        self.next += 1;
        let deadline = self.rng.u32(..4) == 0;
        let deadline =
            deadline.then(|| Instant::now() + Duration::from_millis(self.rng.u64(..4_000)));
        let cost = self.rng.u64(..100);
        self.calls
            .push(Caller::new(self.next, self.pool.clone(), cost, deadline));
    }

    fn cancel(&mut self) {
        if self.calls.is_empty() {
            return;
        }
        let index = self.rng.usize(..self.calls.len());
        let call = self.calls.swap_remove(index);
        if let Some(member) = self.leave(&call) {
            // What went wrong before stays wrong.
            *(if call.cut {
                &mut member.outcomes.failure
            } else {
                &mut member.outcomes.cancelled
            }) += 1;
        }
    }

    fn go_on(&mut self) {
        let reached: Vec<_> = (0..self.calls.len())
            .filter(|index| self.calls[*index].at.is_some())
            .collect();
        let Some(index) = self.rng.choice(reached) else {
            return;
        };
        let call = &self.calls[index];
        let kind = self.rng.u32(..10);
        let streaming = call.is_streaming();
        World::answer(&self.world, call.id, |answer| match (streaming, kind) {
            (false, 0..2) => answer.head = Some(Err("failed".into())),
            (false, _) => answer.head = Some(Ok(())),
            (true, 0..4) => answer.items.push_back(Ok(1)),
            (true, 4) => answer.items.push_back(Err("cut".into())),
            (true, _) => answer.ended = true,
        });
    }

    // ===== settling =====

    /// Lets everybody run who was woken, until nobody is.
    pub(crate) async fn settle(&mut self) {
        loop {
            for _ in 0..6 {
                yield_now().await;
            }
            self.end_drains();
            let Some(index) = self.calls.iter().position(Caller::is_woken) else {
                break;
            };
            let polled = self.calls[index].poll();
            self.note_begun();
            let call = &self.calls[index];
            assert!(
                call.polls <= MOST_POLLS,
                "call {} was polled {} times in one step",
                call.id,
                call.polls
            );
            match polled {
                Polled::Waits => {}
                Polled::Failed(error) => self.failed(index, &error),
                Polled::Ended => {
                    let call = self.calls.swap_remove(index);
                    let cut = call.cut;
                    let member = self.leave(&call).expect("a stream comes from somewhere");
                    *(if cut {
                        &mut member.outcomes.failure
                    } else {
                        &mut member.outcomes.success
                    }) += 1;
                }
            }
        }
    }

    /// Calls that have reached a service: one that could take them.
    fn note_begun(&mut self) {
        let begun = std::mem::take(&mut self.world.lock().unwrap().begun);
        for (id, sim) in begun {
            let member = self.members.get_mut(&sim).unwrap();
            assert!(
                member.is_open(),
                "call {id} went to {}, which is closed",
                member.endpoint
            );
            assert_eq!(
                self.present.get(member.endpoint.key()),
                Some(&sim),
                "call {id} went to {}, which has left",
                member.endpoint
            );
            let call = self
                .calls
                .iter_mut()
                .find(|call| call.id == id)
                .expect("a call that exists");
            assert_eq!(call.at, None, "call {id} was made twice");
            call.at = Some(sim);
            member.in_flight += 1;
            member.cost += call.cost;
            self.tally.begun += 1;
        }
    }

    fn leave(&mut self, call: &Caller) -> Option<&mut Member> {
        let sim = call.at?;
        self.world.lock().unwrap().answers.remove(&call.id);
        let member = self.members.get_mut(&sim)?;
        member.in_flight -= 1;
        member.cost -= call.cost;
        Some(member)
    }

    fn failed(&mut self, index: usize, error: &campanile::BoxError) {
        let call = self.calls.swap_remove(index);
        let Some(rejection) = Rejection::find(&**error) else {
            let member = self
                .leave(&call)
                .expect("an endpoint's error comes from one");
            member.outcomes.failure += 1;
            return;
        };
        self.tally.refused += 1;
        assert_eq!(call.at, None, "a refused call reached nobody");
        let open = self.open();
        match rejection.kind() {
            RejectionKind::Empty => assert!(self.present.is_empty(), "refused as empty"),
            RejectionKind::Unavailable => {
                assert!(
                    !self.present.is_empty() && open.is_empty(),
                    "refused as closed: {open:?}"
                );
            }
            RejectionKind::NotReady => {
                assert!(
                    !open.is_empty(),
                    "refused as not ready, although all are closed"
                );
                assert_eq!(self.able(), None, "refused although it could be served");
            }
            RejectionKind::DeadlineExceeded => {
                assert!(
                    call.deadline
                        .is_some_and(|deadline| deadline <= Instant::now())
                );
            }
            other => panic!("refused as {other:?}"),
        }
    }

    fn end_drains(&mut self) {
        let members = &mut self.members;
        self.present.retain(|_, sim| {
            let member = members.get_mut(sim).unwrap();
            let over = member
                .draining
                .is_some_and(|until| member.in_flight == 0 || until <= Instant::now());
            !over
        });
        self.drains.retain(|drain| !drain.is_finished());
    }

    // ===== what must hold =====

    fn open(&self) -> Vec<u64> {
        self.present
            .values()
            .copied()
            .filter(|sim| self.members[sim].is_open())
            .collect()
    }

    /// A member that can take a call now.
    fn able(&self) -> Option<u64> {
        let world = self.world.lock().unwrap();
        self.open().into_iter().find(|sim| {
            world
                .sims
                .get(sim)
                .is_some_and(|sim| sim.mode == Mode::Ready)
        })
    }

    pub(crate) fn check(&mut self) {
        let (open, able) = (self.open(), self.able());
        for call in self.calls.iter().filter(|call| call.at.is_none()) {
            self.tally.waited += 1;
            if call.is_readying() {
                assert!(
                    open.is_empty(),
                    "call {} waits for a gate, and {open:?} are open",
                    call.id
                );
            } else if call.is_calling() {
                assert_eq!(
                    able, None,
                    "call {} waits, and this member could take it",
                    call.id
                );
            }
        }

        let now = Timestamp::now();
        let world = self.world.lock().unwrap();
        for (sim, member) in &self.members {
            let endpoint = &member.endpoint;
            assert_eq!(
                endpoint.in_flight(),
                member.in_flight,
                "in flight at {endpoint}"
            );
            assert_eq!(
                endpoint.measurements().outstanding().tokens,
                member.cost,
                "outstanding at {endpoint}"
            );
            assert_eq!(
                endpoint.outcomes(),
                member.outcomes,
                "outcomes of {endpoint}"
            );
            for reason in REASONS {
                assert_eq!(
                    endpoint.gate().is_closed_for(reason, now),
                    member.holds(reason),
                    "{reason:?} of {endpoint}"
                );
            }
            let present = self.present.get(endpoint.key()) == Some(sim);
            if !present && member.in_flight == 0 {
                let live = world.sims.get(sim).map_or(0, |sim| sim.live);
                assert_eq!(live, 0, "the service of {endpoint} outlives it");
            }
        }
        assert_eq!(
            self.roster.len(),
            self.present.len(),
            "members of the roster"
        );
        assert_eq!(self.pool.len(), self.present.len(), "members of the pool");
        drop(world);
        // Those who left for good are of no interest any more.
        let present = &self.present;
        self.members.retain(|sim, member| {
            member.in_flight > 0 || present.get(member.endpoint.key()) == Some(sim)
        });
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
