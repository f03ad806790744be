//! One call through the pool, beside tower's, in the same run: nanoseconds a call on one thread and on two, how many
//! times as many calls that is, and heap allocations a call.
//!
//! `cargo bench -p campanile-benches --bench pool -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    future::Future,
    pin::pin,
    process::ExitCode,
    task::{Context, Poll, Waker},
};

use campanile::balance::{Ebw, LeastLoaded, PeakEwma};
use campanile_benches::{Table, drive, median, pool, report, runtime, tower_pool};
use tower::{Service, ServiceExt};

/// Calls in one measurement.
const CALLS: usize = 640_000;

/// Measurements of each pool, taken in turns so that what disturbs one disturbs all.
const ROUNDS: usize = 7;

fn main() -> ExitCode {
    let mut table = Table::new([
        "members",
        "threads",
        "tower, buffer and peak EWMA",
        "EBW (default)",
        "times as many",
        "peak EWMA",
        "times as many",
        "least loaded",
        "times as many",
        "allocations a call",
    ]);
    for members in [3, 100, 1_000] {
        for threads in [1, 2] {
            table.row(runtime(threads).block_on(measure(members, threads)));
        }
    }
    report(&table, "bench")
}

async fn measure(members: usize, threads: usize) -> Vec<String> {
    let tower = tower_pool(members);
    let ebw = pool(members, Ebw::default()).await;
    let peak = pool(members, PeakEwma::default()).await;
    let least = pool(members, LeastLoaded::default()).await;
    let mut samples = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        samples[0].push(drive(&tower, CALLS / 4).await);
        samples[1].push(drive(&ebw, CALLS).await);
        samples[2].push(drive(&peak, CALLS).await);
        samples[3].push(drive(&least, CALLS).await);
    }
    let [tower, ours @ ..] = samples.map(median);
    let mut row = vec![
        members.to_string(),
        threads.to_string(),
        format!("{tower:.0} ns"),
    ];
    for ours in ours {
        row.push(format!("{ours:.0} ns"));
        row.push(format!("{:.1}", tower / ours));
    }
    row.push(allocations(ebw, 10_000).to_string());
    row
}

/// Heap allocations a call on this thread, once every member has been called.
fn allocations<S>(mut service: S, calls: u64) -> f64
where
    S: Service<u64, Response = u64, Error: std::fmt::Debug>,
{
    let mut run = |calls: u64| {
        allocation_counter::measure(|| {
            for request in 0..calls {
                let call = pin!(async {
                    let ready = service.ready().await.expect("the pool is ready");
                    ready.call(request).await.expect("the call succeeds")
                });
                // Answered at once: there is no need of an executor, whose allocations would count.
                let answer = call.poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(answer, Poll::Ready(request), "the call waits");
            }
        })
        .count_total as f64
            / calls as f64
    };
    // A member keeps an instance for each thread that calls it, from the first call on: until all have been called.
    run(100 * calls);
    run(calls)
}
