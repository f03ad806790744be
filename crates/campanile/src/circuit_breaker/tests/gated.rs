//! The gate of an endpoint, and a pool that goes elsewhere.

use super::*;
use crate::{endpoint::Reason, testing::Readiness};

struct Gated {
    endpoint: Endpoint,
    script: Script<&'static str>,
    service: Guarding,
}

fn gated(config: CircuitBreakerConfig) -> Gated {
    let (endpoint, script) = (Endpoint::new("eu-1"), failing());
    let layer = CircuitBreakerLayer::new(config).unwrap().gate(&endpoint);
    let service = layer.layer(script.service());
    Gated {
        endpoint,
        script,
        service,
    }
}

impl Gated {
    fn closed(&self) -> Vec<(Reason, Duration)> {
        let now = Timestamp::now();
        let gate = self.endpoint.gate();
        gate.reasons(now)
            .map(|(reason, until)| match until {
                Timestamp::MAX => (reason, Duration::MAX),
                until => (reason, until.since(now)),
            })
            .collect()
    }
}

type Ready<'a> = tower::util::Ready<'a, Guarding, ()>;

fn ready(service: &mut Guarding) -> tokio_test::task::Spawn<Ready<'_>> {
    tokio_test::task::spawn(ServiceExt::<()>::ready(service))
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_closes_the_gate_until_it_reopens() {
    let it = gated(config());
    assert_eq!(it.closed(), []);
    trip(&it.service).await;
    assert_eq!(it.closed(), [(Reason::Breaker, 30 * SEC)]);
    assert_eq!(it.service.handle().snapshot().name.as_deref(), Some("eu-1"));

    let (mut one, mut other) = (it.service.clone(), it.service.clone());
    let (mut one, mut other) = (ready(&mut one), ready(&mut other));
    assert!(one.poll().is_pending() && other.poll().is_pending());
    tokio::time::sleep(29_999 * MS).await;
    assert!(!one.is_woken() && !other.is_woken());
    tokio::time::sleep(MS).await;
    assert!(one.is_woken() && other.is_woken());
    assert!(one.poll().is_ready() && other.poll().is_ready());
    assert_eq!(it.closed(), [], "it opened by itself");
    drop((one, other));
    assert_at_rest(&it.service);
}

#[tokio::test(start_paused = true)]
async fn places_in_half_open_close_the_gate_and_open_it_again() {
    let mut it = gated(config());
    trip(&it.service).await;
    tokio::time::advance(30 * SEC).await;
    it.script.set(Step::stall());
    let mut calls = Vec::new();
    for _ in 0..3 {
        assert_eq!(it.closed(), []);
        ServiceExt::<()>::ready(&mut it.service).await.unwrap();
        calls.push(it.service.call(()));
    }
    assert_eq!(it.closed(), [(Reason::Breaker, 60 * SEC)]);
    let mut waiting = it.service.clone();
    let mut waiting = ready(&mut waiting);
    assert!(waiting.poll().is_pending());
    // A place that is given back lets the next one in.
    drop(calls.pop());
    assert!(waiting.is_woken());
    assert!(waiting.poll().is_ready());
    assert_eq!(it.closed(), []);
    drop(waiting);

    // A place that is not given back is taken back.
    ServiceExt::<()>::ready(&mut it.service).await.unwrap();
    calls.push(it.service.call(()));
    let mut waiting = it.service.clone();
    let mut waiting = ready(&mut waiting);
    assert!(waiting.poll().is_pending());
    tokio::time::sleep(60 * SEC).await;
    assert!(waiting.is_woken() && waiting.poll().is_ready());
    drop((waiting, calls));
    it.script.set(Step::answer("well"));
    for _ in 0..3 {
        assert_eq!(it.service.clone().oneshot(()).await.unwrap(), "well");
    }
    assert_eq!(it.closed(), []);
    assert_at_rest(&it.service);
}

#[tokio::test(start_paused = true)]
async fn an_operators_hand_opens_and_closes_the_gate_and_wakes() {
    let it = gated(config());
    let handle = it.service.handle();
    handle.force_open();
    assert_eq!(it.closed(), [(Reason::Breaker, Duration::MAX)]);
    for open in [
        CircuitBreakerHandle::reset,
        CircuitBreakerHandle::force_close,
    ] {
        handle.force_open();
        let mut waiting = it.service.clone();
        let mut waiting = ready(&mut waiting);
        assert!(waiting.poll().is_pending());
        tokio::time::sleep(100_000 * SEC).await;
        assert!(!waiting.is_woken());
        open(&handle);
        assert!(waiting.is_woken() && waiting.poll().is_ready());
        assert_eq!(it.closed(), []);
    }
    assert_at_rest(&it.service);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_call_closes_the_gate_for_quota_alone() {
    let scene = Scene::new(config());
    let endpoint = Endpoint::new("eu-1");
    scene.handle.breaker.attach(&endpoint);
    let hint = Outcome::Throttled {
        retry_after: Some(20 * SEC),
    };
    let reasons = || {
        let now = Timestamp::now();
        let gate = endpoint.gate();
        gate.reasons(now)
            .map(|(reason, until)| (reason, until.since(now)))
            .collect::<Vec<_>>()
    };
    scene.call(hint);
    assert_eq!(reasons(), [(Reason::Quota, 20 * SEC)]);
    tokio::time::advance(20 * SEC).await;
    assert_eq!(reasons(), []);
    // Another layer has parked it for longer.
    let longer = Timestamp::now().after(100 * SEC);
    endpoint.gate().close_until(Reason::Quota, longer);
    scene.call(hint);
    assert_eq!(reasons(), [(Reason::Quota, 100 * SEC)]);
    scene.handle.reset();
    assert_eq!(reasons(), [(Reason::Quota, 100 * SEC)]);
}

/// The breaker lets calls in again, and the pool has to know.
#[tokio::test(start_paused = true)]
async fn an_operators_hand_calls_the_upstreams_wish_off_at_the_gate_too() {
    for open in [
        CircuitBreakerHandle::reset,
        CircuitBreakerHandle::force_close,
    ] {
        let scene = Scene::new(config());
        let endpoint = Endpoint::new("eu-1");
        scene.handle.breaker.attach(&endpoint);
        let throttled = |seconds| Outcome::Throttled {
            retry_after: Some(seconds * SEC),
        };
        let early = scene.begin().unwrap();
        scene.call(throttled(200));
        open(&scene.handle);
        assert!(endpoint.gate().is_open(Timestamp::now()));
        // Who comes later parks it again.
        scene.handle.reset();
        end(early, throttled(20));
        assert!(!endpoint.gate().is_open(Timestamp::now()));
        tokio::time::advance(20 * SEC).await;
        assert!(endpoint.gate().is_open(Timestamp::now()));
    }
}

/// A clone of the old service that still waits somewhere goes when the new one has tripped already.
#[tokio::test(start_paused = true)]
async fn a_service_that_was_replaced_leaves_the_gate_of_the_new_one_alone() {
    let old = gated(config());
    trip(&old.service).await;
    let layer = CircuitBreakerLayer::new(config()).unwrap();
    let new = layer.gate(&old.endpoint).layer(old.script.service());
    tokio::time::advance(SEC).await;
    assert!(old.endpoint.gate().is_open(Timestamp::now()));
    trip(&new).await;
    drop(old.service);
    let gate = old.endpoint.gate();
    assert!(gate.is_closed_for(Reason::Breaker, Timestamp::now()));
    drop(new);
    assert!(gate.is_open(Timestamp::now()));
}

/// A rebuilt stack starts closed: nobody would open what a breaker that is gone has closed.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_gone_leaves_its_gate_open() {
    let it = gated(config());
    it.service.handle().force_open();
    let clone = it.service.clone();
    drop(it.service);
    assert!(!it.endpoint.gate().is_open(Timestamp::now()));
    drop(clone);
    assert!(it.endpoint.gate().is_open(Timestamp::now()));

    // One breaker for several endpoints closes them all.
    let handle = CircuitBreakerHandle::new(config()).unwrap();
    let other = Endpoint::new("eu-2");
    let layer = CircuitBreakerLayer::shared(&handle);
    let first = layer.clone().gate(&it.endpoint).layer(it.script.service());
    handle.force_open();
    let second = layer.gate(&other).layer(it.script.service());
    let now = Timestamp::now();
    assert!(!it.endpoint.gate().is_open(now) && !other.gate().is_open(now));
    drop(first);
    assert!(it.endpoint.gate().is_open(now) && !other.gate().is_open(now));
    handle.reset();
    assert!(other.gate().is_open(now));
    drop(second);
}

#[tokio::test(start_paused = true)]
async fn its_own_state_comes_before_the_services_readiness() {
    let it = gated(config());
    trip(&it.service).await;
    let polls = it.script.counts().readiness_polls;
    let mut waiting = it.service.clone();
    let mut waiting = ready(&mut waiting);
    assert!(waiting.poll().is_pending());
    assert_eq!(it.script.counts().readiness_polls, polls);
    it.script.set_readiness(Readiness::Pending);
    it.service.handle().reset();
    assert!(waiting.poll().is_pending());
    it.script.set_readiness(Readiness::Ready);
    assert!(waiting.is_woken() && waiting.poll().is_ready());
}

#[cfg(feature = "balance")]
#[tokio::test(start_paused = true)]
async fn a_pool_goes_elsewhere_and_comes_back() {
    use crate::{
        balance::{BalanceLayer, LeastLoaded},
        discover::{PerEndpointLayer, Roster},
    };

    let scripts = [failing(), Script::answering("well")];
    let [sick, well] = scripts.clone();
    let roster = Roster::new();
    roster.insert("sick", 0).unwrap();
    roster.insert("well", 1).unwrap();
    let pool = tower::ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, which: usize| {
                CircuitBreakerLayer::new(config())
                    .unwrap()
                    .gate(endpoint)
                    .layer(scripts[which].service())
            },
        ))
        .service(roster.changes());
    let mut failed = 0;
    for _ in 0..1_000 {
        failed += u32::from(pool.clone().oneshot(()).await.is_err());
    }
    assert_eq!(failed, 5, "then it is left alone");
    assert_eq!(sick.counts().calls, 5);

    // With none left, calls are told at once when the first comes back.
    tokio::time::advance(10 * SEC).await;
    well.set(Step::error("out of order"));
    for _ in 0..5 {
        pool.clone().oneshot(()).await.unwrap_err();
    }
    let refused = rejection(&pool.clone().oneshot(()).await.unwrap_err());
    assert_eq!(refused.kind(), RejectionKind::Unavailable);
    assert_eq!(refused.retry_after(), Some(20 * SEC));

    sick.set(Step::answer("well again"));
    tokio::time::advance(20 * SEC).await;
    for _ in 0..20 {
        assert_eq!(pool.clone().oneshot(()).await.unwrap(), "well again");
    }
    assert_eq!((sick.counts().calls, well.counts().in_flight), (25, 0));
}

/// While all places in half-open are taken, a pool's calls wait for one, and are not sent away for as long as a place may
/// be kept.
#[cfg(feature = "balance")]
#[tokio::test(start_paused = true)]
async fn a_pools_calls_wait_for_a_place_in_half_open() {
    use crate::{balance::BalanceLayer, balance::RoundRobin, testing::discovery};

    let it = gated(config());
    trip(&it.service).await;
    tokio::time::advance(30 * SEC).await;
    it.script.set(Step::answer("well").after(10 * MS));
    let (members, discover) = discovery();
    members.insert(it.endpoint.clone(), it.service.clone());
    let pool = BalanceLayer::bare(RoundRobin::default()).layer(discover);
    tokio::time::sleep(MS).await;
    let calls = (0..20).map(|_| pool.clone().oneshot(()));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), "well");
    }
    assert_eq!(it.service.handle().state(), BreakerState::Closed);

    // One that is not given back within the pool's patience: nobody knows when, and nobody waits for long.
    it.script.set(Step::error("out of order"));
    trip(&it.service).await;
    tokio::time::sleep(60 * SEC).await;
    it.script.set(Step::stall());
    let hung: Vec<_> = (0..3)
        .map(|_| tokio::spawn(pool.clone().oneshot(())))
        .collect();
    tokio::time::sleep(MS).await;
    let refused = rejection(&pool.clone().oneshot(()).await.unwrap_err());
    assert_eq!(refused.kind(), RejectionKind::Unavailable);
    assert_eq!(refused.retry_after(), None);
    // And the deadline of the places is kept to.
    tokio::time::sleep(58_500 * MS).await;
    it.script.set(Step::answer("well"));
    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "well");
    hung.iter().for_each(tokio::task::JoinHandle::abort);
}
