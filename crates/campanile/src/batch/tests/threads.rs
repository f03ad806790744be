//! Many tasks on all cores, in real time.

use super::*;

const TASKS: u32 = 64;
const EACH: u32 = 300;

async fn hammer(config: BatchConfig) -> (Upstream, BatchSnapshot) {
    let upstream = Upstream::taking(Duration::ZERO);
    let service = BatchLayer::new(config)
        .unwrap()
        .key(|n: &u32| n % 3)
        .layer(upstream.clone());
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let service = service.clone();
            tokio::spawn(async move {
                let mut answered = Vec::new();
                for turn in 0..EACH {
                    // No multiple of 1,000.
                    let n = (task * EACH + turn) * 2 + 1;
                    if turn % 7 == 0 {
                        // Leaves at once, or later.
                        let mut call = Box::pin(service.clone().oneshot(n));
                        let _ = once(&mut call).await;
                        if turn % 2 == 0 {
                            tokio::task::yield_now().await;
                        }
                        continue;
                    }
                    assert_eq!(service.clone().oneshot(n).await.unwrap(), n * 2);
                    answered.push(n);
                }
                answered
            })
        })
        .collect();
    let mut answered = Vec::new();
    for task in tasks {
        let patience = tokio::time::timeout(60 * SEC, task);
        answered.extend(patience.await.expect("nobody waits for ever").unwrap());
    }
    // The tasks of the last batches end behind their callers.
    let rest = async {
        while service.snapshot().in_flight + service.snapshot().open > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(60 * SEC, rest)
        .await
        .expect("it comes to rest");
    let mut sent = upstream.calls().concat();
    sent.sort_unstable();
    let before = sent.len();
    sent.dedup();
    assert_eq!(sent.len(), before, "an item was sent twice");
    assert!(answered.iter().all(|n| sent.binary_search(n).is_ok()));
    (upstream, service.snapshot())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_caller_gets_its_own_answer_and_nobody_waits_for_ever() {
    let configs = [
        plain().with_max_size(8).with_batch_timeout(MS),
        plain().with_max_size(5).with_when_idle(true),
        plain()
            .with_max_size(4)
            .with_batch_timeout(MS)
            .with_max_in_flight(2),
    ];
    for config in configs {
        let size = config.max_size;
        let (upstream, snapshot) = hammer(config).await;
        assert_at_rest(snapshot);
        assert!(upstream.sizes().iter().all(|batch| *batch <= size));
        assert_eq!(upstream.in_flight(), 0);
    }
}

/// Half of the handles go while the other half calls; the last one goes with a call under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn handles_may_go_at_any_time() {
    for round in 0..200 {
        let service = over(
            &Upstream::taking(Duration::ZERO),
            plain().with_batch_timeout(60 * SEC),
        );
        let calls: Vec<_> = (0..8)
            .map(|n| tokio::spawn(service.clone().oneshot(n + 1)))
            .collect();
        drop(service);
        for (n, call) in (1..).zip(calls) {
            let call = tokio::time::timeout(10 * SEC, call);
            let answer = call
                .await
                .unwrap_or_else(|_| panic!("{n} of {round} waits for ever"));
            assert_eq!(answer.unwrap().unwrap(), n * 2);
        }
    }
}
