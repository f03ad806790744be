//! Tasks that each make so many calls, one after the other, on several threads and in real time: what is left over at the
//! end fills no batch, and goes by the timeout.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use campanile::{
    BoxError,
    batch::{BatchConfig, BatchLayer, BatchSnapshot},
};
use tower::{ServiceBuilder, ServiceExt, service_fn};

const TASKS: usize = 64;
/// No multiple of any size of batch below.
const EACH: usize = 201;

/// Every task makes its calls. Also how often the inner service was called.
async fn closed_loop(config: BatchConfig) -> (BatchSnapshot, usize) {
    let called = Arc::new(AtomicUsize::new(0));
    let of = Arc::clone(&called);
    let bulk = service_fn(move |batch: Vec<usize>| {
        of.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(batch.into_iter().map(|n| n * 2).collect::<Vec<_>>())
        }
    });
    let layer = BatchLayer::new(config).unwrap().plain();
    let service = ServiceBuilder::new().layer(layer).service(bulk);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                for turn in 0..EACH {
                    let n = task * EACH + turn;
                    assert_eq!(service.clone().oneshot(n).await.unwrap(), n * 2);
                }
            })
        })
        .collect();
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
        // The tasks of the last batches end behind their callers.
        while service.snapshot().in_flight + service.snapshot().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    let patience = tokio::time::timeout(Duration::from_secs(120), all);
    if patience.await.is_err() {
        panic!("it never ends: {:?}", service.snapshot());
    }
    (service.snapshot(), called.load(Ordering::Relaxed))
}

fn config(size: usize) -> BatchConfig {
    BatchConfig::default()
        .with_max_size(size)
        .with_batch_timeout(Duration::from_millis(5))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_loop_ends_whatever_the_size_of_batches() {
    let configs = [
        config(32),
        config(48),
        config(7),
        config(32).with_when_idle(true),
        config(32).with_max_in_flight(1),
    ];
    for config in configs {
        let (snapshot, calls) = closed_loop(config.clone()).await;
        let found = (snapshot.items, snapshot.waiting, snapshot.refused);
        assert_eq!(found, ((TASKS * EACH) as u64, 0, 0), "{config:?}");
        assert_eq!(snapshot.batches, calls as u64);
    }
}
