//! What the benchmarks share: the pools that are compared, the loop that calls them, and the tables they print.

use std::{
    fmt,
    future::{Ready, ready},
    hint::black_box,
    process::ExitCode,
    task::{Context, Poll},
    time::Duration,
};

use campanile::{
    BoxError, Endpoint,
    balance::{Balance, BalanceLayer, Pick},
    discover::{PerEndpointLayer, Roster},
    protocol::Unary,
};
use tokio::{
    runtime::{Builder, Runtime},
    time::Instant,
};
use tower::{
    Service, ServiceBuilder, ServiceExt,
    balance::p2c,
    buffer::Buffer,
    discover::ServiceList,
    load::{CompleteOnResponse, PeakEwma},
};

pub mod batches;
mod busy;
pub mod case;
pub mod figures;
pub mod guards;
#[cfg(feature = "recorders")]
pub mod recorders;
mod table;

pub use busy::{Busy, cpu_time};
pub use table::{Table, into_readme};

/// How many tasks call at once, each through a clone of its own.
pub const TASKS: usize = 64;

/// A processor that answers at once, so that what is measured is the pool.
#[derive(Debug, Clone, Copy, Default)]
pub struct Instant0;

impl Service<u64> for Instant0 {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// tower's pool, as its documentation says to share it: peak EWMA, two choices, behind a buffer.
#[must_use]
pub fn tower_pool(
    members: usize,
) -> impl Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static {
    let services = (0..members)
        .map(|_| {
            PeakEwma::new(
                Instant0,
                Duration::from_millis(1),
                1e9,
                CompleteOnResponse::default(),
            )
        })
        .collect::<Vec<_>>();
    Buffer::new(p2c::Balance::new(ServiceList::new::<u64>(services)), 1024)
}

/// Our pool, with the guard against fast failure, as `BalanceLayer::new` makes it. Waits until all members have joined.
pub async fn pool<St: Pick<u64>>(
    members: usize,
    strategy: St,
) -> Balance<Instant0, campanile::balance::FastFail<St>, Unary> {
    let roster = Roster::new();
    for member in 0..members {
        roster
            .insert(format!("member-{member}"), member)
            .expect("the key is not empty");
    }
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::new(strategy))
        .layer(PerEndpointLayer::new(|_: &Endpoint, _: usize| Instant0))
        .service(roster.changes());
    while pool.len() < members {
        tokio::task::yield_now().await;
    }
    pool
}

/// A runtime of one thread or of several.
#[must_use]
pub fn runtime(threads: usize) -> Runtime {
    let mut builder = if threads == 1 {
        Builder::new_current_thread()
    } else {
        Builder::new_multi_thread()
    };
    builder
        .worker_threads(threads)
        .enable_time()
        .build()
        .expect("the runtime starts")
}

/// Nanoseconds a call, over `calls` calls from [`TASKS`] tasks.
pub async fn drive<S>(service: &S, calls: usize) -> f64
where
    S: Service<u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
{
    drive_with(service, calls, |number| number).await
}

/// Likewise, with requests of any type.
pub async fn drive_with<S, R>(service: &S, calls: usize, request: fn(u64) -> R) -> f64
where
    S: Service<R, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
{
    let each = calls.div_ceil(TASKS) as u64;
    let start = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let mut service = service.clone();
            tokio::spawn(async move {
                for number in 0..each {
                    let ready = service.ready().await.expect("the service is ready");
                    // A call whose answer nobody looks at is not made.
                    let answer = ready.call(request(black_box(number))).await;
                    black_box(answer.expect("the call succeeds"));
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends");
    }
    (Instant::now() - start).as_nanos() as f64 / (each * TASKS as u64) as f64
}

/// The middle of several measurements.
#[must_use]
pub fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples.get(samples.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the table, or several; with `--readme` it also replaces what is between the markers of that name in the README.
#[must_use]
pub fn report(table: &impl fmt::Display, name: &str) -> ExitCode {
    println!("{table}");
    if std::env::args().any(|argument| argument == "--readme")
        && let Err(error) = into_readme(name, &table.to_string())
    {
        eprintln!("README.md: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}
