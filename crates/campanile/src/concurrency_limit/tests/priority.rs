//! Who goes first of those who wait, and who is refused for it.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::time::Instant;
use tokio_test::task::{self, Spawn};

use super::*;
use crate::{
    context::{Call, Context, Priority},
    cost::Cost,
    protocol::Enveloped,
};

const ALL: [Priority; 4] = [
    Priority::Critical,
    Priority::Normal,
    Priority::Batch,
    Priority::Sheddable,
];

type Told = Limited<&'static str, Enveloped>;

fn enveloped(config: ConcurrencyLimitConfig, script: &Script<&'static str>) -> Told {
    ConcurrencyLimitLayer::new(config)
        .unwrap()
        .calls()
        .layer(script.service())
}

fn of(priority: Priority) -> Call<()> {
    Call {
        context: Context::new().with_priority(priority),
        message: (),
    }
}

type Answer = <Told as Service<Call<()>>>::Future;

/// A call that is in flight or stands in the queue.
fn begin(service: &Told, priority: Priority) -> Spawn<Answer> {
    let mut service = service.clone();
    let ready = ServiceExt::<Call<()>>::ready(&mut service).now_or_never();
    let mut call = task::spawn(ready.unwrap().unwrap().call(of(priority)));
    assert!(call.poll().is_pending());
    call
}

#[tokio::test(start_paused = true)]
async fn those_that_matter_more_go_first_and_who_came_first_within_one() {
    use Priority::{Batch, Critical, Normal, Sheddable};
    let service = enveloped(ConcurrencyLimitConfig::fixed(1), &slow(10 * MS));
    let held = service.clone().oneshot(of(Sheddable));
    let order = Arc::new(Mutex::new(Vec::new()));
    let coming = [
        Sheddable, Batch, Normal, Sheddable, Critical, Normal, Critical, Batch,
    ];
    let start = Instant::now();
    let calls = coming.into_iter().enumerate().map(|(number, priority)| {
        let (call, order) = (service.clone().oneshot(of(priority)), Arc::clone(&order));
        async move {
            call.await.unwrap();
            order.lock().unwrap().push((number, Instant::now()));
        }
    });
    // The first of all has its permit before the others come.
    let (first, _) = tokio::join!(held, join_all(calls));
    first.unwrap();
    let expected: Vec<_> = [4, 6, 2, 5, 1, 7, 0, 3]
        .into_iter()
        .zip(2..)
        .map(|(number, turn)| (number, start + turn * 10 * MS))
        .collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_context_is_a_normal_one() {
    let limit = ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(1)).unwrap();
    let script = stuck();
    let plain: Limited = ConcurrencyLimitLayer::shared(&limit).layer(script.service());
    let told: Told = ConcurrencyLimitLayer::shared(&limit)
        .calls()
        .layer(script.service());
    let held = begin(&told, Priority::Sheddable);
    let batch = begin(&told, Priority::Batch);
    let mut normal = task::spawn(call(&plain));
    assert!(normal.poll().is_pending());
    let critical = begin(&told, Priority::Critical);
    drop(held);
    assert!(critical.is_woken() && !normal.is_woken());
    drop(critical);
    assert!(normal.is_woken() && !batch.is_woken());
    drop(normal);
    assert!(batch.is_woken());
    drop(batch);
    assert_at_rest(&limit);
}

/// Where a heavy call waits for more room than there is, one that matters more takes what there is.
#[tokio::test(start_paused = true)]
async fn a_light_call_that_matters_more_goes_before_a_heavy_one() {
    let config = ConcurrencyLimitConfig {
        weighted: true,
        ..ConcurrencyLimitConfig::fixed(4)
    };
    let service = enveloped(config, &slow(10 * MS));
    let start = Instant::now();
    let call = |requests, priority| {
        let mut call = of(priority);
        call.context.cost = Some(Cost {
            requests,
            ..Cost::default()
        });
        let call = service.clone().oneshot(call);
        async move {
            call.await.unwrap();
            Instant::now() - start
        }
    };
    let times = tokio::join!(
        call(2, Priority::Normal),
        call(4, Priority::Batch),
        call(1, Priority::Critical),
        call(1, Priority::Batch),
        call(1, Priority::Normal),
        // No room for it.
        call(2, Priority::Critical),
    );
    assert_eq!(
        times,
        (10 * MS, 30 * MS, 10 * MS, 40 * MS, 10 * MS, 20 * MS)
    );
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_the_last_that_matters_least_makes_room() {
    let config = ConcurrencyLimitConfig::fixed(1).waiting(2, SEC);
    let service = enveloped(config, &stuck());
    let handle = service.handle();
    let held = begin(&service, Priority::Sheddable);
    let mut first = begin(&service, Priority::Sheddable);
    let mut second = begin(&service, Priority::Sheddable);
    let same = service.clone().oneshot(of(Priority::Sheddable)).await;
    assert_rejected(same, RejectionKind::ConcurrencyLimited);

    let batch = begin(&service, Priority::Batch);
    assert!(second.is_woken() && !first.is_woken());
    assert_refused(&mut second);
    let critical = begin(&service, Priority::Critical);
    assert!(first.is_woken() && !batch.is_woken());
    assert_refused(&mut first);
    // Nobody is left that matters less than it.
    let late = service.clone().oneshot(of(Priority::Batch)).await;
    assert_rejected(late, RejectionKind::ConcurrencyLimited);
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.waiting, snapshot.refused), (2, 4));

    drop(held);
    assert!(critical.is_woken() && !batch.is_woken());
    drop(critical);
    assert!(batch.is_woken());
    drop(batch);
    assert_at_rest(&handle);
}

#[track_caller]
fn assert_refused(call: &mut Spawn<Answer>) {
    match call.poll() {
        std::task::Poll::Ready(result) => {
            assert_rejected(result, RejectionKind::ConcurrencyLimited);
        }
        std::task::Poll::Pending => panic!("it waits"),
    }
}

/// Who is displaced has no permit to give back, whether it looks, is dropped, or its time is over first.
#[tokio::test(start_paused = true)]
async fn who_was_displaced_holds_nothing() {
    let config = ConcurrencyLimitConfig::fixed(1).waiting(1, 50 * MS);
    let service = enveloped(config, &stuck());
    let handle = service.handle();
    let held = begin(&service, Priority::Normal);
    let displaced = begin(&service, Priority::Sheddable);
    let mut batch = begin(&service, Priority::Batch);
    drop(displaced);
    assert_eq!((handle.in_use(), handle.waiting()), (1, 1));
    let normal = begin(&service, Priority::Normal);
    tokio::time::advance(50 * MS).await;
    assert_refused(&mut batch);
    drop(batch);
    assert_eq!((handle.in_use(), handle.waiting()), (1, 1));
    drop(held);
    assert!(normal.is_woken());
    assert_eq!((handle.in_use(), handle.waiting()), (1, 0));
    drop(normal);
    assert_at_rest(&handle);
}

/// What keeps a call from starving: it is refused, and not later than it said that it would wait.
#[tokio::test(start_paused = true)]
async fn who_is_overtaken_for_too_long_is_refused_in_time() {
    for least in [Priority::Normal, Priority::Batch, Priority::Sheddable] {
        let config = ConcurrencyLimitConfig::fixed(1).waiting(10, 35 * MS);
        let service = enveloped(config, &slow(10 * MS));
        let start = Instant::now();
        let busy = async {
            // Two at a time, so that one of them always waits.
            let one = || async {
                for _ in 0..5 {
                    let call = service.clone().oneshot(of(Priority::Critical));
                    call.await.unwrap();
                }
            };
            tokio::join!(one(), one());
            Instant::now() - start
        };
        let overtaken = async {
            let result = service.clone().oneshot(of(least)).await;
            assert_rejected(result, RejectionKind::ConcurrencyLimited);
            Instant::now() - start
        };
        assert_eq!(tokio::join!(busy, overtaken), (100 * MS, 35 * MS));
        assert_at_rest(&service.handle());
    }
}

/// Whatever stands where, and whenever it goes: those who stay are served as if it had never come.
#[tokio::test(start_paused = true)]
async fn a_call_of_any_priority_may_give_up_at_any_place() {
    for gone in ALL {
        for after in 0..5 {
            let service = enveloped(ConcurrencyLimitConfig::fixed(1), &stuck());
            let mut flying = Some(begin(&service, Priority::Normal));
            let mut calls: Vec<_> = ALL
                .into_iter()
                .rev()
                .map(|priority| (priority, begin(&service, priority)))
                .collect();
            let mut leaving = Some(begin(&service, gone));
            let mut went = Vec::new();
            for turn in 0.. {
                if turn == after {
                    // In the queue, handed over, or in flight.
                    leaving = None;
                }
                let Some(call) = flying.take() else { break };
                drop(call);
                let woken: Vec<usize> = (0..calls.len())
                    .filter(|index| calls[*index].1.is_woken())
                    .collect();
                let left = leaving.take_if(|call| call.is_woken());
                assert!(woken.len() + usize::from(left.is_some()) <= 1, "one each");
                if let Some(index) = woken.first() {
                    let (priority, mut call) = calls.remove(*index);
                    went.push(priority);
                    assert!(call.poll().is_pending(), "in flight");
                    flying = Some(call);
                } else if let Some(call) = left {
                    went.push(gone);
                    // Handed over, and not looked at.
                    flying = Some(call);
                }
            }
            assert!(calls.is_empty() && leaving.is_none());
            assert!(went.is_sorted(), "{gone:?} {after}: {went:?}");
            assert!(went.len() >= ALL.len());
            assert_at_rest(&service.handle());
        }
    }
}
