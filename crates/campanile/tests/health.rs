//! The whole chain: a roster, health probes and outlier detection over it, each endpoint's own breaker, rate limit and
//! concurrency limit, and a pool that starts slowly whoever comes back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use campanile::{
    BoxError, Endpoint,
    balance::{BalanceLayer, SlowStart, Weighted},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    endpoint::Reason,
    health::{Check, HealthConfig, HealthHandle, HealthLayer, HealthState, OutlierConfig, Report},
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, RateLimitLayer},
    testing::{Script, Step},
    time::Timestamp,
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// How many members there are.
const MEMBERS: usize = 10;

/// Beyond this a call hangs: far more than the pool's patience.
const HANGS: Duration = Duration::from_secs(600);

/// The calls at once that a member takes.
const LIMIT: u32 = 8;

type Pool = BoxCloneSyncService<(), usize, BoxError>;

/// What stands behind an endpoint, and its guards.
#[derive(Clone)]
struct Member {
    script: Script<usize>,
    /// Whether probes find it well.
    well: Arc<AtomicBool>,
    breaker: CircuitBreakerHandle,
    rate: RateLimitHandle,
    limit: ConcurrencyLimitHandle,
}

struct Scene {
    pool: Pool,
    roster: Roster<usize>,
    members: Vec<Member>,
    endpoints: Vec<Endpoint>,
    health: HealthHandle,
    /// Tasks that were there before.
    tasks: usize,
}

/// What became of some calls.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    answers: [usize; MEMBERS],
    errors: usize,
}

impl Member {
    fn new(index: usize) -> Self {
        let requests = Limit::per_second(100_000.0).with_burst(100_000);
        Self {
            script: Script::new(answer(index)),
            well: Arc::new(AtomicBool::new(true)),
            breaker: CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap(),
            rate: RateLimitHandle::new(RateLimitConfig::requests(requests)).unwrap(),
            limit: ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(LIMIT)).unwrap(),
        }
    }

    fn set_well(&self, well: bool) {
        self.well.store(well, Ordering::SeqCst);
    }
}

fn answer(index: usize) -> Step<usize> {
    Step::answer(index).after(MS)
}

impl Scene {
    async fn new() -> Self {
        let tasks = alive();
        let members: Vec<_> = (0..MEMBERS).map(Member::new).collect();
        let roster = Roster::new();
        let endpoints = (0..MEMBERS)
            .map(|index| roster.insert(index.to_string(), index).unwrap())
            .collect();
        let probed = members.clone();
        let probe = move |check: Check<usize>| {
            let well = Arc::clone(&probed[check.target].well);
            async move {
                sleep(10 * MS).await;
                Report::from(well.load(Ordering::SeqCst))
            }
        };
        let config = HealthConfig::default()
            .with_interval(10 * SEC)
            .with_unhealthy_interval(20 * SEC)
            .with_unhealthy_after(2)
            .with_seed(Some(1));
        let layer = HealthLayer::with_config(probe, config)
            .unwrap()
            .outliers(OutlierConfig::default())
            .unwrap();
        let health = layer.handle();
        let built = members.clone();
        let pool = ServiceBuilder::new()
            .layer(
                BalanceLayer::bare(SlowStart::new(Weighted::new()))
                    .patience(5 * SEC)
                    .seed(1),
            )
            .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, index| {
                let member: &Member = &built[index];
                ServiceBuilder::new()
                    .layer(CircuitBreakerLayer::shared(&member.breaker).gate(endpoint))
                    .layer(RateLimitLayer::shared(&member.rate).gate(endpoint))
                    .layer(ConcurrencyLimitLayer::shared(&member.limit).gate(endpoint))
                    .service(member.script.service())
            }))
            .layer(layer)
            .service(roster.changes());
        let scene = Self {
            pool: BoxCloneSyncService::new(pool),
            roster,
            members,
            endpoints,
            health,
            tasks,
        };
        // Beyond the ramp with which all begin.
        sleep(60 * SEC).await;
        assert_eq!(scene.health.summary().healthy, MEMBERS);
        scene
    }

    /// So many rounds, each of as many calls at once as there are members.
    async fn calls(&self, rounds: usize) -> Tally {
        let mut tally = Tally::default();
        for _ in 0..rounds {
            let mut calls = JoinSet::new();
            for _ in 0..MEMBERS {
                calls.spawn(timeout(HANGS, self.pool.clone().oneshot(())));
            }
            while let Some(call) = calls.join_next().await {
                match call.unwrap().expect("a call hangs") {
                    Ok(index) => tally.answers[index] += 1,
                    Err(_) => tally.errors += 1,
                }
            }
        }
        tally
    }

    /// Why a member is closed.
    fn closed(&self, index: usize) -> Vec<Reason> {
        let gate = self.endpoints[index].gate();
        gate.reasons(Timestamp::now())
            .map(|(reason, _)| reason)
            .collect()
    }

    fn is_closed_for(&self, index: usize, reason: Reason) -> bool {
        self.closed(index).contains(&reason)
    }

    /// Waits until a member is closed for a reason, or no more.
    async fn until(&self, index: usize, reason: Reason, closed: bool) {
        let turns = async {
            while self.is_closed_for(index, reason) != closed {
                sleep(100 * MS).await;
            }
        };
        timeout(HANGS, turns).await.expect("it never turns");
    }

    /// Drops the pool, and looks that nothing is left of it.
    async fn end(self) {
        for (endpoint, member) in self.endpoints.iter().zip(&self.members) {
            assert_eq!(endpoint.in_flight(), 0, "{endpoint}");
            assert_eq!(member.script.counts().in_flight, 0, "{endpoint}");
            assert_eq!((member.limit.in_use(), member.limit.waiting()), (0, 0));
            assert_eq!(member.rate.snapshot().waiting, 0);
            assert_eq!(member.breaker.snapshot().probes, 0);
        }
        drop(self.pool);
        sleep(SEC).await;
        let snapshot = self.health.snapshot();
        assert_eq!((snapshot.summary.members(), snapshot.checking), (0, 0));
        let outliers = snapshot.outliers.unwrap();
        assert_eq!((outliers.ejected, outliers.members.len()), (0, 0));
        for index in 0..MEMBERS {
            for reason in [Reason::Health, Reason::Outlier] {
                let gate = self.endpoints[index].gate();
                assert!(!gate.is_closed_for(reason, Timestamp::ZERO), "{reason:?}");
            }
            assert_eq!(self.members[index].script.counts().services, 0);
        }
        assert_eq!(alive(), self.tasks);
    }
}

fn alive() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn members_go_bad_are_taken_out_and_come_back_slowly() {
    let scene = Scene::new().await;
    let tally = scene.calls(100).await;
    let even = |answers: &usize| (95..=105).contains(answers);
    assert!(tally.answers.iter().all(even), "{tally:?}");

    // One fails its probes and answers calls; another fails calls and answers its probes.
    let (probed, failing) = (3, 7);
    scene.members[probed].set_well(false);
    scene.members[failing]
        .script
        .set(Step::error("sick").after(MS));
    let mut errors = 0;
    for _ in 0..25 {
        errors += scene.calls(10).await.errors;
        sleep(SEC).await;
    }
    assert_eq!(errors, 5, "then it is left alone");
    assert_eq!(scene.closed(probed), [Reason::Health]);
    assert_eq!(
        scene.health.status("3").unwrap().state,
        HealthState::Unhealthy
    );
    assert_eq!(scene.health.outliers().unwrap().snapshot().ejections, 1);
    let tally = scene.calls(100).await;
    assert_eq!((tally.answers[probed], tally.errors), (0, 0));

    // Both are well again.
    scene.members[probed].set_well(true);
    scene.members[failing].script.set(answer(failing));
    for (index, reason) in [
        (probed, Reason::Health),
        (failing, Reason::Outlier),
        (failing, Reason::Breaker),
    ] {
        scene.until(index, reason, false).await;
    }
    let fair = 100;
    let slow = scene.calls(100).await;
    let all = slow.answers.iter().sum::<usize>();
    assert_eq!((all, slow.errors), (MEMBERS * 100, 0));
    for index in [probed, failing] {
        let answers = slow.answers[index];
        assert!((1..fair / 2).contains(&answers), "{index}: {slow:?}");
    }
    sleep(30 * SEC).await;
    let whole = scene.calls(100).await;
    for index in [probed, failing] {
        assert!(whole.answers[index] > fair * 9 / 10, "{index}: {whole:?}");
    }
    scene.end().await;
}

const REASONS: [Reason; 6] = [
    Reason::Breaker,
    Reason::Health,
    Reason::Quota,
    Reason::Concurrency,
    Reason::Disabled,
    Reason::Outlier,
];

/// The member that is closed for everything.
const SICK: usize = 4;

impl Scene {
    /// Has each owner close the gate of a member, which then has calls that hang.
    async fn close_for_all(&self) -> JoinSet<()> {
        let member = &self.members[SICK];
        member.script.set(Step::stall());
        let mut stuck = JoinSet::new();
        while self.endpoints[SICK].in_flight() < 3 {
            let call = self.pool.clone().oneshot(());
            stuck.spawn(async move { drop(call.await) });
            sleep(2 * MS).await;
        }
        member.script.set(Step::error("sick").after(MS));
        while !self.is_closed_for(SICK, Reason::Outlier) {
            self.calls(1).await;
        }
        // Whether it had enough failures already or not.
        member.breaker.force_open();
        member.limit.set_limit(3);
        member.rate.park(10 * HANGS);
        member.set_well(false);
        for _ in 0..2 {
            self.health.check_now("4").await.unwrap();
        }
        self.roster.disable("4").unwrap();
        assert_eq!(sorted(self.closed(SICK)), sorted(REASONS.to_vec()));
        member.script.set(answer(SICK));
        stuck
    }

    /// Has the owner of a reason take it back.
    async fn open(&self, reason: Reason) {
        let member = &self.members[SICK];
        match reason {
            Reason::Breaker => member.breaker.reset(),
            Reason::Health => {
                member.set_well(true);
                self.health.check_now("4").await.unwrap();
            }
            Reason::Quota => member.rate.unpark(),
            Reason::Concurrency => drop(member.limit.set_limit(LIMIT)),
            Reason::Disabled => self.roster.enable("4").unwrap(),
            // By its time alone.
            _ => self.until(SICK, Reason::Outlier, false).await,
        }
    }
}

fn sorted(mut reasons: Vec<Reason>) -> Vec<Reason> {
    reasons.sort();
    reasons
}

/// All orders of these.
fn orders(reasons: &[Reason]) -> Vec<Vec<Reason>> {
    if reasons.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in reasons.iter().enumerate() {
        let mut rest = reasons.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, *first);
            all.push(order);
        }
    }
    all
}

#[tokio::test(start_paused = true)]
async fn whatever_closes_a_member_clears_in_every_order() {
    let orders = orders(&REASONS);
    assert_eq!(orders.len(), 720);
    for order in orders {
        let scene = Scene::new().await;
        let mut stuck = scene.close_for_all().await;
        let before = scene.members[SICK].script.counts().calls;
        let mut left = sorted(REASONS.to_vec());
        for reason in &order {
            let tally = scene.calls(2).await;
            assert_eq!((tally.answers[SICK], tally.errors), (0, 0), "{order:?}");
            scene.open(*reason).await;
            left.retain(|left| left != reason);
            assert_eq!(sorted(scene.closed(SICK)), left, "{order:?}");
        }
        assert_eq!(scene.members[SICK].script.counts().calls, before);
        assert!(scene.endpoints[SICK].gate().is_open(Timestamp::now()));
        sleep(40 * SEC).await;
        let tally = scene.calls(10).await;
        assert!(tally.answers[SICK] > 0, "{order:?}: {tally:?}");
        stuck.shutdown().await;
        scene.end().await;
    }
}

#[tokio::test(start_paused = true)]
async fn when_all_are_bad_all_are_tried_and_nothing_hangs() {
    let scene = Scene::new().await;
    for member in &scene.members {
        member.set_well(false);
        member.script.set(Step::error("sick").after(MS));
    }
    // Those that wait when nothing is left are told so when their patience is over.
    for _ in 0..20 {
        let tally = scene.calls(10).await;
        assert_eq!(tally.errors, 10 * MEMBERS);
        sleep(5 * SEC).await;
    }
    assert!(scene.health.is_panicking());
    assert_eq!(scene.health.summary().unhealthy, MEMBERS);
    for index in 0..MEMBERS {
        let closed = scene.closed(index);
        assert!(!closed.contains(&Reason::Health) && !closed.contains(&Reason::Outlier));
    }
    for (index, member) in scene.members.iter().enumerate() {
        member.set_well(true);
        member.script.set(answer(index));
    }
    sleep(600 * SEC).await;
    assert!(!scene.health.is_panicking());
    assert_eq!(scene.health.summary().healthy, MEMBERS);
    scene.calls(10).await;
    sleep(60 * SEC).await;
    let tally = scene.calls(100).await;
    assert_eq!(tally.errors, 0);
    assert!(
        tally.answers.iter().all(|answers| *answers > 80),
        "{tally:?}"
    );
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn one_that_is_inserted_again_while_it_drains_keeps_its_health() {
    let scene = Scene::new().await;
    let member = &scene.members[SICK];
    member.script.set(Step::stall());
    let mut stuck = JoinSet::new();
    while scene.endpoints[SICK].in_flight() == 0 {
        let call = scene.pool.clone().oneshot(());
        stuck.spawn(async move { drop(call.await) });
        sleep(2 * MS).await;
    }
    member.script.set(answer(SICK));
    member.set_well(false);
    scene.until(SICK, Reason::Health, true).await;
    let drain = tokio::spawn(scene.roster.drain("4", HANGS).unwrap());
    sleep(SEC).await;
    assert_eq!(scene.closed(SICK), [Reason::Health, Reason::Draining]);
    let checks = scene.health.status("4").unwrap().checks;

    let endpoint = scene.roster.insert("4", SICK).unwrap();
    assert!(endpoint.is(&scene.endpoints[SICK]));
    drain.await.unwrap();
    assert_eq!(scene.closed(SICK), [Reason::Health]);
    let status = scene.health.status("4").unwrap();
    assert_eq!(
        (status.state, status.checks),
        (HealthState::Unhealthy, checks)
    );
    assert_eq!(scene.calls(10).await.answers[SICK], 0);
    member.set_well(true);
    scene.until(SICK, Reason::Health, false).await;
    sleep(30 * SEC).await;
    assert!(scene.calls(10).await.answers[SICK] > 0);
    stuck.shutdown().await;
    scene.end().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_given_up_anywhere_leave_nothing_behind() {
    let scene = Scene::new().await;
    scene.members[SICK].set_well(false);
    for member in &scene.members[..3] {
        member.script.set(Step::stall());
    }
    for round in 0..50_u32 {
        let mut calls = JoinSet::new();
        for _ in 0..4 * MEMBERS {
            calls.spawn(scene.pool.clone().oneshot(()));
        }
        // Before they begin, in flight, after most have ended.
        sleep(round % 4 * MS).await;
        calls.shutdown().await;
        sleep(SEC).await;
    }
    assert_eq!(scene.closed(SICK), [Reason::Health]);
    assert_eq!(scene.health.outliers().unwrap().snapshot().ejections, 0);
    for index in 0..3 {
        assert_eq!(
            scene.closed(index),
            [],
            "a call that was dropped is no failure"
        );
    }
    scene.end().await;
}
