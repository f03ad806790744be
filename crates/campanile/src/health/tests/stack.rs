//! In a pool, above and below the endpoints' own stacks.

use tower::{Service, ServiceBuilder, ServiceExt};

use super::*;
use crate::{
    BoxError,
    balance::{BalanceLayer, LeastLoaded},
    discover::{PerEndpointLayer, Roster},
};

/// A service that says whose it is, and fails while its target is above 100.
fn own_stack(
    endpoint: &Endpoint,
    target: u32,
) -> impl Service<String, Response = String, Error = BoxError, Future: Send> + Clone + Send + use<>
{
    let name = endpoint.key().to_owned();
    ServiceBuilder::new()
        .concurrency_limit(4)
        .service(tower::service_fn(move |request: String| {
            let name = name.clone();
            async move {
                if target > 100 {
                    return Err(BoxError::from("out of order"));
                }
                Ok(format!("{name}: {request}"))
            }
        }))
}

async fn answers<S>(pool: &S, calls: usize) -> Vec<String>
where
    S: Service<String, Response = String, Error = BoxError> + Clone,
{
    let mut answers = Vec::new();
    for _ in 0..calls {
        answers.push(pool.clone().oneshot("hello".into()).await.unwrap());
    }
    answers.sort();
    answers.dedup();
    answers
}

fn tasks() -> usize {
    tokio::runtime::Handle::current()
        .metrics()
        .num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn below_the_endpoints_stacks_it_checks_targets() {
    let probe = |check: Check<u32>| async move { check.target <= 100 };
    let config = exact().with_unhealthy_after(1);
    let layer = HealthLayer::with_config(probe, config).unwrap();
    let health = layer.handle();
    let roster = Roster::new();
    roster.insert("good", 1u32).unwrap();
    roster.insert("better", 2u32).unwrap();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()))
        .layer(PerEndpointLayer::new(own_stack))
        .layer(layer)
        .service(roster.changes());
    settle().await;
    assert_eq!(health.summary().healthy, 2);

    // The same key, another target, which is sick.
    roster.insert("good", 101u32).unwrap();
    settle().await;
    assert_eq!(health.status("good").unwrap().state, HealthState::Unhealthy);
    assert_eq!(answers(&pool, 50).await, ["better: hello"]);

    roster.insert("good", 3u32).unwrap();
    settle().await;
    assert_eq!(
        answers(&pool, 50).await,
        ["better: hello", "good: hello"],
        "another endpoint of that key starts anew"
    );
    roster.remove("good").unwrap();
    settle().await;
    assert_eq!(health.status("good"), None);
    assert_eq!(health.summary().members(), 1);
}

#[tokio::test(start_paused = true)]
async fn above_the_endpoints_stacks_it_calls_them_and_ends_with_the_pool() {
    let roster = Roster::new();
    roster.insert("good", 1u32).unwrap();
    roster.insert("sick", 101u32).unwrap();
    let before = tasks();
    let members = PerEndpointLayer::new(own_stack).layer(roster.changes());
    let (pool, health) = pool_above(members);
    settle().await;
    assert_eq!(tasks() - before, 2, "the pool's and the monitor's");
    let status = health.status("sick").unwrap();
    assert_eq!(
        (status.state, &*status.message),
        (HealthState::Unhealthy, "out of order")
    );
    assert_eq!(answers(&pool, 50).await, ["good: hello"]);

    roster.disable("good").unwrap();
    assert_eq!(health.status("good").unwrap().state, HealthState::Healthy);
    roster.enable("good").unwrap();

    let sick = roster.get("sick").unwrap();
    assert!(is_out(&sick));
    drop(pool);
    settle().await;
    assert_eq!(tasks(), before, "nothing is left");
    assert_eq!(health.statuses(), []);
    assert!(!is_out(&sick));
}

/// A pool whose members are checked by a call.
fn pool_above<D>(
    members: D,
) -> (
    impl Service<String, Response = String, Error = BoxError> + Clone,
    HealthHandle,
)
where
    D: tower::discover::Discover<Key = Endpoint> + Send + 'static,
    D::Service:
        Service<String, Response = String, Error = BoxError, Future: Send> + Clone + Send + 'static,
    D::Error: Into<BoxError>,
{
    let probe = |check: Check<D::Service>| async move {
        let called = check.target.oneshot("are you well?".into()).await;
        called.map(|_| Report::healthy())
    };
    let layer = HealthLayer::with_config(probe, exact().with_unhealthy_after(1)).unwrap();
    let health = layer.handle();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()))
        .layer(layer)
        .service(members);
    (pool, health)
}
