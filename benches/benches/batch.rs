//! Batches of 32 over a service that answers at once, ours beside zebra's `tower-batch-control`, in the same run: nanoseconds an
//! item over a service that is called for each item, and million items a second, on one thread and on two; heap allocations
//! an item. From 64 callers, each of which waits for its answer before it calls again.
//!
//! `cargo bench -p campanile-benches --bench batch -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    fmt,
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use campanile_benches::{
    Busy, Instant0, TASKS, Table,
    batches::{AtOnce, Item, Items, SIZE, WhenFlushed, ours, zebra},
    report, runtime,
};
use tokio::{runtime::Runtime, time::Instant};
use tower::{Service, ServiceExt};

/// How long one measurement takes.
const WINDOW: Duration = Duration::from_millis(100);

/// Measurements of each, taken in turns so that what disturbs one disturbs all.
const ROUNDS: usize = 21;

/// One measurement, in a runtime.
type Measure = fn(&Runtime) -> Measured;

fn main() -> ExitCode {
    let busy = Busy::watch();
    let cases: [(&str, Measure); 4] = [
        ("one call an item", |runtime| {
            measure(runtime, Instant0, |number| number, || None)
        }),
        ("**campanile**", |runtime| {
            let _within = runtime.enter();
            let (service, handle) = ours();
            let batches = || Some(handle.snapshot().batches);
            measure(runtime, service, |number| number, batches)
        }),
        ("tower-batch-control", |runtime| {
            measure_zebra(runtime, WhenFlushed::new())
        }),
        (
            "tower-batch-control, items answered before their batch",
            |runtime| measure_zebra(runtime, AtOnce),
        ),
    ];
    let mut table = Table::new([
        "whose",
        "ns an item over one call an item, one thread",
        "million items a second, one thread",
        "two threads",
        "allocations an item",
    ]);
    let mut measured = [const { (Vec::new(), Vec::new()) }; 4];
    for _ in 0..ROUNDS {
        for ((_, measure), (one, two)) in cases.iter().zip(&mut measured) {
            one.push(measure(&runtime(1)));
            two.push(measure(&runtime(2)));
        }
    }
    let mut bare = None;
    for ((who, _), (one, two)) in cases.iter().zip(&mut measured) {
        one.sort_by(|a, b| a.ns.total_cmp(&b.ns));
        two.sort_by(|a, b| a.ns.total_cmp(&b.ns));
        let (middle, size) = (ROUNDS / 2, one[0].size.zip(two[0].size));
        println!(
            "{who}: {:.0}, {:.0} ns; on two threads {:.0}, {:.0} ns; items in a batch: {size:?}",
            one[0].ns, one[middle].ns, two[0].ns, two[middle].ns,
        );
        let bare = *bare.get_or_insert(one[0].ns);
        table.row([
            (*who).to_owned(),
            // What disturbs one thread only ever adds; two that disturb each other are what is measured.
            format!("{:.0}", one[0].ns - bare),
            format!("{:.1}", 1e3 / one[0].ns),
            format!("{:.1}", 1e3 / two[middle].ns),
            format!("{:.2}", one[0].allocations),
        ]);
    }
    if let Some(others) = busy.and_then(|busy| busy.others()) {
        println!(
            "other processes used {:.0} % of the cores meanwhile",
            others * 100.0
        );
    }
    report(&table, "batch")
}

/// What was measured once.
struct Measured {
    /// Nanoseconds an item.
    ns: f64,
    /// Heap allocations an item, of this thread.
    allocations: f64,
    /// Items in a batch, on average, where there are batches.
    size: Option<f64>,
}

fn measure_zebra(runtime: &Runtime, items: impl Items) -> Measured {
    let _within = runtime.enter();
    let (service, batches) = zebra(items);
    measure(runtime, service, Item, || {
        Some(batches.load(Ordering::Relaxed))
    })
}

/// Calls from 64 tasks for a while. Batches that were not full would measure something else.
fn measure<S, R>(
    runtime: &Runtime,
    service: S,
    request: fn(u64) -> R,
    batches: impl Fn() -> Option<u64>,
) -> Measured
where
    S: Service<R, Response = u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
{
    let mut called = (0, Duration::ZERO);
    let counted = allocation_counter::measure(|| {
        called = runtime.block_on(call(service, request));
    });
    let (items, took) = called;
    let size = batches().map(|batches| items as f64 / batches as f64);
    assert!(
        size.is_none_or(|size| size > SIZE as f64 * 0.99),
        "{size:?} items in a batch"
    );
    Measured {
        ns: took.as_nanos() as f64 / items as f64,
        allocations: counted.count_total as f64 / items as f64,
        size,
    }
}

/// How many calls there were, in how long.
async fn call<S, R>(service: S, request: fn(u64) -> R) -> (u64, Duration)
where
    S: Service<R, Response = u64, Error: fmt::Debug, Future: Send> + Clone + Send + 'static,
    R: Send + 'static,
{
    let stop = Arc::new(AtomicBool::new(false));
    let begin = Instant::now();
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (mut service, stop) = (service.clone(), stop.clone());
            tokio::spawn(async move {
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    let ready = service.ready().await.expect("the service is ready");
                    let answer = ready.call(request(number)).await;
                    assert_eq!(answer.expect("it is answered"), number, "another's answer");
                    number += 1;
                    // A service that answers at once lets nobody else run.
                    tokio::task::coop::consume_budget().await;
                }
                number
            })
        })
        .collect();
    tokio::time::sleep(WINDOW).await;
    stop.store(true, Ordering::Relaxed);
    let took = Instant::now() - begin;
    let mut items = 0;
    for task in tasks {
        items += task.await.expect("the task ends");
    }
    (items, took)
}
