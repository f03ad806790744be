//! Panics, shutdowns, and a service that is gone: everyone gets exactly one answer.

use tokio::runtime::{Builder, Runtime};

use super::*;

/// Runs it without the noise of panics that are meant.
async fn quietly<T>(future: impl Future<Output = T>) -> T {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let output = future.await;
    std::panic::set_hook(hook);
    output
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_service_aborts_one_batch() {
    let steps = [
        Step::panic_in_call(),
        Step::panic_in_poll(),
        Step::panic_in_poll().after(10 * MS),
    ];
    for step in steps {
        let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)])).then(step);
        let service = BatchLayer::new(plain()).unwrap().layer(script.service());
        let calls = join_all((0..3_u32).map(|n| service.clone().oneshot(n)));
        for answer in quietly(calls).await {
            assert_eq!(kind(answer), RejectionKind::Aborted);
        }
        settle().await;
        assert_at_rest(service.snapshot());
        assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn so_does_a_panic_in_its_readiness_or_its_clone() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    let service = BatchLayer::new(plain().with_max_in_flight(1))
        .unwrap()
        .layer(script.service());
    script.set_readiness(Readiness::Panic);
    let answer = quietly(service.clone().oneshot(1_u32)).await;
    assert_eq!(kind(answer), RejectionKind::Aborted);
    script.set_readiness(Readiness::Ready);
    script.set_panics_in_clone(true);
    let answer = quietly(service.clone().oneshot(1)).await;
    assert_eq!(kind(answer), RejectionKind::Aborted);
    script.set_panics_in_clone(false);
    settle().await;
    assert_at_rest(service.snapshot());
    assert_eq!(service.clone().oneshot(1).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_panic_while_the_answer_is_taken_apart_aborts_one_batch() {
    let bulk = |batch: Vec<u32>| async move { Ok::<_, BoxError>(batch) };
    let service = BatchLayer::new(plain())
        .unwrap()
        .answers(|answers: Vec<u32>| {
            answers.into_iter().map(|n| {
                assert!(n > 0, "no answer for nothing");
                Ok(n)
            })
        })
        .layer(tower::service_fn(bulk));
    let calls = join_all([1, 0].map(|n| service.clone().oneshot(n)));
    for answer in quietly(calls).await {
        assert_eq!(kind(answer), RejectionKind::Aborted);
    }
    assert_eq!(service.clone().oneshot(5).await.unwrap(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_key_or_the_cost_is_that_callers_alone() {
    let upstream = Upstream::taking(MS);
    let bad = |n: u32| assert!(n != 7 && n != 8, "a bad item");
    let service = BatchLayer::new(plain().with_max_cost(100))
        .unwrap()
        .key(move |n: &u32| bad(n + 1))
        .cost(move |n: &u32| {
            bad(*n);
            Cost::tokens(1)
        })
        .layer(upstream.clone());
    let good = begin(&service, 1).await;
    for n in [6, 7, 8] {
        let call = tokio::spawn(service.clone().oneshot(n));
        assert!(quietly(call).await.unwrap_err().is_panic(), "{n}");
    }
    assert_eq!(service.snapshot().waiting, 1);
    assert_eq!(good.await.unwrap().unwrap(), 2);
    settle().await;
    assert_at_rest(service.snapshot());
}

/// `oneshot` drops the service when it has called it, so a lone call waits for nobody.
#[tokio::test(start_paused = true)]
async fn when_the_last_handle_is_dropped_those_who_wait_are_sent_at_once() {
    let upstream = Upstream::taking(10 * MS);
    let service = over(&upstream, plain());
    let handle = service.handle();
    let mut calls: Vec<_> = [1, 2].map(|n| begin_boxed(&service, n)).into();
    for call in &mut calls {
        assert!(once(call).await.is_pending());
    }
    // This one may yet join.
    let mut late = begin_boxed(&service, 3);
    drop(service);
    tokio::time::sleep(20 * MS).await;
    assert!(upstream.calls().is_empty());
    assert!(once(&mut late).await.is_pending());
    let (answers, took) = timed(join_all(calls)).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((took, upstream.calls()), (10 * MS, vec![vec![1, 2, 3]]));
    assert_eq!(late.await.unwrap(), 6);
    assert_eq!(handle.snapshot().flushes.closed, 1);

    let (answer, took) = timed(over(&upstream, plain()).oneshot(4)).await;
    assert_eq!((answer.unwrap(), took), (8, 10 * MS));
}

fn begin_boxed(
    service: &Batch<u32, u32, BoxError>,
    n: u32,
) -> Pin<Box<BatchFuture<u32, u32, BoxError>>> {
    Box::pin(service.clone().call(n))
}

#[tokio::test(start_paused = true)]
async fn when_nobody_is_left_at_all_the_inner_service_is_dropped() {
    let script = Script::<Vec<Answer>>::new(Step::answer_with(|| vec![Ok(1)]));
    let service = BatchLayer::new(plain()).unwrap().layer(script.service());
    let handle = service.handle();
    let call = begin(&service, 1_u32).await;
    drop(service);
    assert!(call.await.unwrap().is_ok());
    settle().await;
    assert_eq!(script.counts().services, 0);
    assert_at_rest(handle.snapshot());
    handle.flush();
}

fn runtime() -> Runtime {
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
}

/// The runtime of the batches is shut down while items wait, while a call is in flight, and before the task of the batch
/// has run at all; the callers live on another.
#[test]
fn a_runtime_that_is_shut_down_aborts_its_batches() {
    let callers = runtime();
    for (moment, latency) in [(Some(100 * MS), MS), (Some(SEC), 60 * SEC), (None, MS)] {
        let upstream = Upstream::taking(latency);
        let service = over(&upstream, plain());
        let batches = runtime();
        let calls: Vec<_> = batches.block_on(async {
            let mut calls = Vec::new();
            for n in 0..3 {
                let mut call = begin_boxed(&service, n);
                assert!(once(&mut call).await.is_pending());
                calls.push(call);
            }
            if let Some(moment) = moment {
                tokio::time::sleep(moment).await;
            }
            calls
        });
        drop(batches);
        for answer in callers.block_on(join_all(calls)) {
            assert_eq!(kind(answer), RejectionKind::Aborted);
        }
        assert_at_rest(service.snapshot());
        assert_eq!(upstream.in_flight(), 0);
        // Another runtime does as well.
        let answer = callers.block_on(service.clone().oneshot(1));
        assert_eq!(answer.unwrap(), 2);
    }
}

#[test]
fn without_a_runtime_a_call_is_refused() {
    let service = over(&Upstream::taking(MS), plain());
    let mut call = begin_boxed(&service, 1);
    let mut cx = std::task::Context::from_waker(Waker::noop());
    let Poll::Ready(answer) = call.as_mut().poll(&mut cx) else {
        panic!("it waits for a runtime that is not there");
    };
    assert_eq!(kind(answer), RejectionKind::Aborted);
    assert_at_rest(service.snapshot());
}

#[tokio::test(start_paused = true)]
async fn a_future_that_is_polled_too_often_says_so() {
    let service = over(&Upstream::taking(MS), plain());
    let mut call = begin_boxed(&service, 1);
    assert!((&mut call).await.is_ok());
    let again = tokio::spawn(call);
    assert!(quietly(again).await.unwrap_err().is_panic());
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_the_hash_of_a_key_is_that_callers_alone() {
    #[derive(Clone, PartialEq, Eq)]
    struct Key(u32);
    impl std::hash::Hash for Key {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            assert!(self.0 != 7, "a bad key");
            self.0.hash(state);
        }
    }
    let service = BatchLayer::new(plain())
        .unwrap()
        .key(|n: &u32| Key(*n))
        .layer(Upstream::taking(MS));
    let good = begin(&service, 1).await;
    let call = tokio::spawn(service.clone().oneshot(7));
    assert!(quietly(call).await.unwrap_err().is_panic());
    assert_eq!(service.snapshot().waiting, 1);
    assert_eq!(good.await.unwrap().unwrap(), 2);
    settle().await;
    assert_at_rest(service.snapshot());
}
