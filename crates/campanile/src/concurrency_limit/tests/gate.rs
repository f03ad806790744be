use super::*;
use crate::{
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};

fn is_closed(endpoint: &Endpoint) -> bool {
    endpoint
        .gate()
        .is_closed_for(Reason::Concurrency, Timestamp::now())
}

fn gated(config: ConcurrencyLimitConfig, script: &Script<&'static str>) -> (Endpoint, Limited) {
    let endpoint = Endpoint::new("a");
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .gate(&endpoint)
        .layer(script.service());
    (endpoint, service)
}

#[tokio::test(start_paused = true)]
async fn the_gate_is_closed_while_the_limit_is_reached() {
    let (endpoint, service) = gated(ConcurrencyLimitConfig::fixed(2), &stuck());
    let handle = service.handle();
    let first = call(&service);
    assert!(!is_closed(&endpoint));
    let second = call(&service);
    assert!(is_closed(&endpoint));

    let mut waiting = service.clone();
    let mut room = tokio_test::task::spawn(ready(&mut waiting));
    assert!(room.poll().is_pending());
    drop(first);
    assert!(!is_closed(&endpoint));
    assert!(room.is_woken() && room.poll().is_ready());
    // It took nothing.
    assert_eq!(handle.in_use(), 1);

    handle.set_limit(1);
    assert!(is_closed(&endpoint));
    handle.set_limit(2);
    assert!(!is_closed(&endpoint));
    drop(second);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_readied_clone_that_loses_the_race_waits_in_its_call() {
    let (endpoint, service) = gated(ConcurrencyLimitConfig::fixed(1), &slow(10 * MS));
    let mut clones = [service.clone(), service.clone()];
    for clone in &mut clones {
        ready(clone).await.unwrap();
    }
    let [mut a, mut b] = clones;
    let (a, b) = (a.call(()), b.call(()));
    assert!(is_closed(&endpoint));
    let (a, b) = tokio::join!(a, b);
    assert_eq!((a.unwrap(), b.unwrap()), ("done", "done"));
    assert!(!is_closed(&endpoint));
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn dropping_a_clone_that_waits_for_room_leaves_nothing() {
    let (_, service) = gated(ConcurrencyLimitConfig::fixed(1), &stuck());
    let held = call(&service);
    let mut waiting = service.clone();
    assert!(
        tokio_test::task::spawn(ready(&mut waiting))
            .poll()
            .is_pending()
    );
    assert_eq!(service.handle().shared().waiting_for_room(), 1);
    // A clone of it waits for nothing.
    drop(waiting.clone());
    drop(waiting);
    drop(held);
    assert_at_rest(&service.handle());
}

/// Whoever comes and goes, the gate says at last what is.
#[test]
fn the_gate_follows_whatever_threads_do() {
    let (endpoint, service) = gated(ConcurrencyLimitConfig::fixed(2), &stuck());
    let handle = service.handle();
    let held = call(&service);
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let service = service.clone();
            scope.spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                for _ in 0..2_000 {
                    let Some(call) = try_call(&service) else {
                        continue;
                    };
                    if rng.bool() {
                        std::thread::yield_now();
                    }
                    drop(call);
                }
            });
        }
    });
    assert_eq!(handle.in_use(), 1);
    assert!(!is_closed(&endpoint));
    let other = call(&service);
    assert!(is_closed(&endpoint));
    drop((held, other));
    assert!(!is_closed(&endpoint));
    assert_at_rest(&handle);
}

/// Makes a call if the service is ready at once.
fn try_call(service: &Limited) -> Option<<Limited as Service<()>>::Future> {
    let mut service = service.clone();
    let ready = ready(&mut service).now_or_never()?;
    Some(ready.unwrap().call(()))
}

#[tokio::test(start_paused = true)]
async fn one_limit_may_close_several_gates() {
    let handle = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(1)).unwrap();
    let endpoints = [Endpoint::new("a"), Endpoint::new("b")];
    let script = stuck();
    let services = endpoints.each_ref().map(|endpoint| {
        let layer = ConcurrencyLimitLayer::shared(&handle).gate(endpoint);
        layer.layer(script.service())
    });
    let held = call(&services[0]);
    assert!(endpoints.iter().all(is_closed));
    drop(held);
    assert!(!endpoints.iter().any(is_closed));
    assert_at_rest(&handle);
}

/// A stack is replaced while calls hang at the old one: the gate is the new one's.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_gone_leaves_its_gate_open_and_alone() {
    let (endpoint, old) = gated(ConcurrencyLimitConfig::fixed(2), &stuck());
    let handle = old.handle();
    let hung = [call(&old), call(&old)];
    let clone = old.clone();
    drop(old);
    assert!(is_closed(&endpoint));
    drop(clone);
    assert!(!is_closed(&endpoint), "nobody else would open it");
    handle.set_limit(1);
    assert!(!is_closed(&endpoint));

    let layer = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(1)).unwrap();
    let new = layer.gate(&endpoint).layer(stuck().service());
    let held = call(&new);
    drop(hung);
    assert!(is_closed(&endpoint));
    drop(held);
    assert!(!is_closed(&endpoint));
    assert_at_rest(&handle);
}

/// Two services of one limit at one endpoint: the gate is theirs until both are gone.
#[tokio::test(start_paused = true)]
async fn a_gate_is_held_as_long_as_any_service_stands_behind_it() {
    let handle = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(1)).unwrap();
    let endpoint = Endpoint::new("a");
    let layer = ConcurrencyLimitLayer::shared(&handle).gate(&endpoint);
    let (one, other) = (
        layer.layer(stuck().service()),
        layer.layer(stuck().service()),
    );
    let held = call(&one);
    drop(one);
    assert!(is_closed(&endpoint));
    drop(other);
    assert!(!is_closed(&endpoint));
    // It is taken up again.
    let again = layer.layer(stuck().service());
    assert!(is_closed(&endpoint));
    drop(held);
    assert!(!is_closed(&endpoint));
    drop(again);
    assert_at_rest(&handle);
}

/// The pool goes elsewhere, and comes back.
#[cfg(feature = "balance")]
#[tokio::test(start_paused = true)]
async fn a_pool_goes_elsewhere_while_the_limit_is_reached() {
    use futures_util::future::join_all;

    use crate::{
        balance::{BalanceLayer, RoundRobin},
        discover::{PerEndpointLayer, Roster},
    };

    let scripts = [slow(10 * MS), slow(10 * MS)];
    let roster = Roster::new();
    for (key, limit) in [("a", 1), ("b", 3)] {
        roster.insert(Endpoint::builder(key), limit).unwrap();
    }
    let [a, b] = scripts.each_ref().map(Script::service);
    let per_endpoint = PerEndpointLayer::new(move |endpoint: &Endpoint, limit| {
        let service = if endpoint.key() == "a" { &a } else { &b };
        ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(limit))
            .unwrap()
            .gate(endpoint)
            .layer(service.clone())
    });
    let pool =
        BalanceLayer::bare(RoundRobin::default()).layer(per_endpoint.layer(roster.changes()));
    settle().await;
    let results = join_all((0..8).map(|_| pool.clone().oneshot(()))).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    let counts = scripts.each_ref().map(Script::counts);
    assert_eq!(counts.map(|counts| counts.most_in_flight), [1, 3]);
    assert_eq!(counts.map(|counts| counts.calls), [2, 6]);
}
