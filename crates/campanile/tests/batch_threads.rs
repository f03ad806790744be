//! Tasks that each make so many calls, one after the other, on several threads and in real time: what is left over at the
//! end fills no batch, and goes by the timeout.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use campanile::{
    BoxError, Rejection,
    batch::{BatchConfig, BatchLayer, BatchSnapshot},
    rejection::RejectionKind,
};
use tokio::runtime::Builder;
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

/// Its workers drop the tasks of batches, wherever these are, while callers of another runtime join and wait.
#[test]
fn a_runtime_that_is_shut_down_leaves_nobody_waiting() {
    for round in 0..20 {
        let batches = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_time()
            .build()
            .unwrap();
        let bulk = service_fn(async |batch: Vec<usize>| {
            tokio::task::yield_now().await;
            Ok::<_, BoxError>(batch)
        });
        let config = BatchConfig::default()
            .with_max_size(2)
            .with_batch_timeout(Duration::from_millis(1));
        let layer = BatchLayer::new(config).unwrap().plain();
        let service = ServiceBuilder::new().layer(layer).service(bulk);
        let callers: Vec<_> = (0..3_usize)
            .map(|n| {
                let (service, on) = (service.clone(), batches.handle().clone());
                let call = move || {
                    let mut call = Box::pin(service.clone().oneshot(n));
                    let on = on.clone();
                    poll_fn(move |cx| {
                        let _on = on.enter();
                        call.as_mut().poll(cx)
                    })
                };
                thread::spawn(move || {
                    let own = Builder::new_current_thread().enable_time().build().unwrap();
                    own.block_on(async {
                        loop {
                            let answer = tokio::time::timeout(Duration::from_secs(30), call());
                            match answer.await.expect("nobody waits for ever") {
                                Ok(answer) => assert_eq!(answer, n),
                                Err(error) => break error,
                            }
                        }
                    })
                })
            })
            .collect();
        while service.snapshot().items < 10 * round {
            thread::yield_now();
        }
        batches.shutdown_timeout(Duration::from_secs(30));
        for caller in callers {
            let error = caller.join().unwrap();
            let kind = Rejection::find(&*error).map(Rejection::kind);
            assert_eq!(kind, Some(RejectionKind::Aborted), "{error}");
        }
        let rest = service.snapshot();
        assert_eq!((rest.open, rest.waiting, rest.in_flight), (0, 0, 0));
    }
}
