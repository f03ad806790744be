//! A pool of three providers, measured as a whole and one by one, with their breakers and limits attached: `swift` and
//! `steady` do their work, `broken` fails. Prints what was recorded, and exits with 1 if it is not what happened.
//!
//! ```text
//! cargo run -p campanile-examples --bin metrics                   # a table, and an extract of the JSON
//! cargo run -p campanile-examples --bin metrics -- --json         # everything as JSON
//! cargo run -p campanile-examples --bin metrics -- --prometheus   # what a collector scrapes
//! cargo run -p campanile-examples --bin metrics -- --openmetrics
//! ```

use std::{process::ExitCode, time::Duration};

use campanile::{
    BoxError, Call, Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw},
    budget::Budget,
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    metrics::{Metrics, MetricsConfig, MetricsSnapshot, Window},
    protocol::Enveloped,
    retry::{Backoff, RetryConfig, RetryLayer},
};
use futures_util::{FutureExt, StreamExt, stream};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};

mod verdict;

/// How many calls are made, so many at once, and how many more are given up.
const CALLS: u64 = 600;
const AT_ONCE: usize = 12;
const GIVEN_UP: u64 = 5;

/// A provider that answers a number with its double.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Provider {
    latency: Duration,
    works: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let wish = std::env::args().nth(1);
    let metrics = Metrics::new(MetricsConfig::default().with_labels(["zone"]))?;
    let roster = roster()?;
    let pool = pool(&metrics, &roster)?;
    drive(pool.clone()).await;

    // Read before the pool goes: endpoints are forgotten with their services.
    let snapshot = metrics.snapshot();
    match wish.as_deref() {
        None => show(&snapshot)?,
        Some("--json") => println!("{}", serde_json::to_string_pretty(&snapshot)?),
        Some("--prometheus") => print!("{}", metrics.prometheus()),
        Some("--openmetrics") => print!("{}", metrics.open_metrics()),
        Some(other) => {
            let usage = "usage: metrics [--json | --prometheus | --openmetrics]";
            return Err(format!("{other:?}: {usage}").into());
        }
    }
    let wrong = verdict::wrong(&metrics, &snapshot);
    for what in &wrong {
        eprintln!("wrong: {what}");
    }
    drop(pool);
    Ok(if wrong.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(snapshot: &MetricsSnapshot) -> Result<(), BoxError> {
    println!("{}", snapshot.table(Window::Minute));
    for endpoint in snapshot.stages.iter().flat_map(|stage| &stage.endpoints) {
        let total = serde_json::to_string(&endpoint.figures.minute.total)?;
        println!("{}: {total}", endpoint.key);
    }
    Ok(())
}

fn roster() -> Result<Roster<Provider>, BoxError> {
    let roster = Roster::new();
    for (key, zone, millis, works) in [
        ("swift", "eu", 4, true),
        ("steady", "us", 12, true),
        ("broken", "us", 1, false),
    ] {
        let endpoint = Endpoint::builder(key).label("zone", zone);
        let latency = Duration::from_millis(millis);
        roster.insert(endpoint, Provider { latency, works })?;
    }
    Ok(roster)
}

/// The stack, read from top to bottom as a call goes. Each endpoint's guards are attached to its measurements.
fn pool(
    metrics: &Metrics,
    roster: &Roster<Provider>,
) -> Result<
    impl Service<Call<u64>, Response = u64, Error = BoxError, Future: Send> + Clone + Send,
    BoxError,
> {
    let stage = metrics.stage("double");
    let retries = Budget::default();
    stage.collect_as("retries", retries.clone());
    let retry = RetryConfig::default().with_backoff(Backoff::fixed(Duration::from_millis(2)));
    let breaker = CircuitBreakerConfig::default().build()?;
    let limit = ConcurrencyLimitConfig::fixed(8).build()?;

    // Without the pool's own guard against those that fail fast, so that breakers show.
    let strategy = AvoidTried::new(Ebw::default());

    let measured = stage.clone();
    let own = move |endpoint: &Endpoint, provider: Provider| {
        let metrics = measured.endpoint(endpoint);
        // Their settings were checked above.
        let breaker = CircuitBreakerHandle::new(breaker).expect("checked");
        let limit = ConcurrencyLimitHandle::new(limit).expect("checked");
        metrics.collect(breaker.clone()).collect(limit.clone());
        ServiceBuilder::new()
            .layer(metrics.layer().calls())
            .layer(CircuitBreakerLayer::shared(&breaker).calls().gate(endpoint))
            .layer(ConcurrencyLimitLayer::shared(&limit).calls().gate(endpoint))
            .service(service_fn(move |call: Call<u64>| provider.answer(call)))
    };
    Ok(ServiceBuilder::new()
        .layer(stage.layer().calls())
        .layer(RetryLayer::new(retry)?.calls().budget(retries))
        .layer(BalanceLayer::bare(strategy).protocol(Enveloped::default()))
        .layer(PerEndpointLayer::new(own))
        .service(roster.changes()))
}

impl Provider {
    async fn answer(self, call: Call<u64>) -> Result<u64, BoxError> {
        tokio::time::sleep(self.latency).await;
        if self.works {
            Ok(call.message * 2)
        } else {
            Err("out of order".into())
        }
    }
}

/// Calls that are answered or not, and some that nobody waits for to the end.
async fn drive<S>(pool: S)
where
    S: Service<Call<u64>, Response = u64, Error = BoxError> + Clone,
{
    let calls = stream::iter(0..CALLS).map(|number| pool.clone().oneshot(Call::new(number)));
    calls.buffer_unordered(AT_ONCE).for_each(|_| async {}).await;
    for number in 0..GIVEN_UP {
        // Begun, and dropped.
        let _ = pool.clone().oneshot(Call::new(number)).now_or_never();
    }
}
