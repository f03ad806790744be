use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::time::Instant;

use super::*;
use crate::{
    context::{Call, Context},
    cost::Cost,
};

#[tokio::test(start_paused = true)]
async fn calls_wait_in_order_of_arrival() {
    let script = slow(10 * MS);
    let service = limited(2, &script);
    let order = Arc::new(Mutex::new(Vec::new()));
    let calls = (0..20).map(|i| {
        let (call, order) = (call(&service), Arc::clone(&order));
        async move {
            call.await.unwrap();
            order.lock().unwrap().push((i, Instant::now()));
        }
    });
    let start = Instant::now();
    join_all(calls).await;
    let order = order.lock().unwrap();
    assert!(order.iter().map(|(i, _)| *i).eq(0..20), "{order:?}");
    for (i, at) in order.iter() {
        assert_eq!(*at - start, (i / 2 + 1) * 10 * MS);
    }
    assert_at_rest(&service.handle());
}

/// A newcomer that found the permit between its release and its use would overtake.
#[tokio::test(start_paused = true)]
async fn nobody_overtakes_those_who_wait() {
    let script = slow(10 * MS);
    let service = limited(1, &script);
    let mut first = Box::pin(call(&service));
    let mut second = Box::pin(call(&service));
    assert!((&mut second).now_or_never().is_none());
    assert!((&mut first).now_or_never().is_none());
    drop(first);
    // Handed over already, although nobody has polled the second.
    assert_eq!(
        (service.handle().in_use(), service.handle().waiting()),
        (1, 0)
    );
    let mut third = Box::pin(call(&service));
    assert!((&mut third).now_or_never().is_none());
    second.await.unwrap();
    third.await.unwrap();
    assert_at_rest(&service.handle());
}

/// Every waiter of tower-resilience's limiter wakes at each period.
#[tokio::test(start_paused = true)]
async fn a_permit_wakes_one_waiter_and_no_stampede() {
    let service = limited(1, &stuck());
    let held = call(&service);
    let mut waiting: Vec<_> = (0..50)
        .map(|_| tokio_test::task::spawn(call(&service)))
        .collect();
    for task in &mut waiting {
        assert!(task.poll().is_pending());
    }
    assert_eq!(service.handle().waiting(), 50);
    drop(held);
    let woken: Vec<_> = waiting.iter().map(|task| task.is_woken()).collect();
    assert_eq!(woken.iter().filter(|woken| **woken).count(), 1);
    assert!(woken[0]);
    drop(waiting);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_too_long_are_refused() {
    let config = ConcurrencyLimitConfig::fixed(1).waiting(10, 50 * MS);
    let service = with(config, &stuck());
    let handle = service.handle();
    let held = call(&service);
    let start = Instant::now();
    assert_rejected(call(&service).await, RejectionKind::ConcurrencyLimited);
    assert_eq!(Instant::now() - start, 50 * MS);
    assert_eq!((handle.in_use(), handle.waiting()), (1, 0));
    let snapshot = handle.snapshot();
    assert_eq!((snapshot.full, snapshot.refused), (1, 1));
    drop(held);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_beyond_its_own_deadline() {
    let script: Script<&'static str> = stuck();
    let config = ConcurrencyLimitConfig::fixed(1).waiting(10, 10 * SEC);
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .calls()
        .layer(script.service());
    let start = Instant::now();
    let request = |deadline| Call {
        context: Context::new().with_deadline(start + deadline),
        message: (),
    };
    let mut readied = service.clone();
    let readied = ServiceExt::<Call<()>>::ready(&mut readied).await.unwrap();
    let held = readied.call(request(SEC));
    let refused = service.clone().oneshot(request(30 * MS)).await;
    assert_rejected(refused, RejectionKind::DeadlineExceeded);
    assert_eq!(Instant::now() - start, 30 * MS);
    // Over already: refused at once.
    let refused = service.clone().oneshot(request(20 * MS)).await;
    assert_rejected(refused, RejectionKind::DeadlineExceeded);
    assert_eq!(Instant::now() - start, 30 * MS);
    drop(held);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_may() {
    let config = ConcurrencyLimitConfig::fixed(1).waiting(3, SEC);
    let service = with(config, &slow(10 * MS));
    let start = Instant::now();
    let results = join_all((0..10).map(|_| call(&service))).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
    for refused in results.into_iter().skip(4) {
        assert_rejected(refused, RejectionKind::ConcurrencyLimited);
    }
    assert_eq!(Instant::now() - start, 40 * MS);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_not_wait_are_refused_at_once() {
    let service = with(ConcurrencyLimitConfig::fixed(2).refusing(), &slow(10 * MS));
    let start = Instant::now();
    let (a, b) = (call(&service), call(&service));
    assert_rejected(call(&service).await, RejectionKind::ConcurrencyLimited);
    assert_eq!(Instant::now(), start);
    a.await.unwrap();
    b.await.unwrap();
    assert_eq!(call(&service).await.unwrap(), "done");
    assert_eq!(service.handle().snapshot().refused, 1);
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_stands_for_several_takes_as_many_permits() {
    let script: Script<&'static str> = slow(10 * MS);
    let config = ConcurrencyLimitConfig {
        weighted: true,
        ..ConcurrencyLimitConfig::fixed(4)
    };
    let service = ConcurrencyLimitLayer::new(config)
        .unwrap()
        .calls()
        .layer(script.service());
    let handle = service.handle();
    let start = Instant::now();
    let call = |requests| {
        let cost = Cost {
            requests,
            ..Cost::default()
        };
        let context = Context::new().with_cost(cost);
        let call = service.clone().oneshot(Call {
            context,
            message: (),
        });
        async move {
            call.await.unwrap();
            Instant::now() - start
        }
    };
    // In order of arrival, although the light one would fit beside the first two; the heaviest alone.
    let calls = [1, 2, 4, 1, 9, 0].map(call);
    let peak = async {
        tokio::time::sleep(35 * MS).await;
        handle.in_use()
    };
    let (times, peak) = tokio::join!(join_all(calls), peak);
    assert_eq!(
        times,
        [10 * MS, 10 * MS, 20 * MS, 30 * MS, 40 * MS, 50 * MS]
    );
    assert_eq!(peak, 9);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_future_that_nobody_polls_stands_in_nobodys_way() {
    let service = limited(1, &slow(10 * MS));
    let held = call(&service);
    let idle = call(&service);
    let next = call(&service);
    drop(held);
    assert_eq!(next.await.unwrap(), "done");
    assert_eq!(idle.await.unwrap(), "done");
    assert_at_rest(&service.handle());
}

#[tokio::test(start_paused = true)]
async fn a_permit_that_comes_with_the_end_of_patience_is_used() {
    let config = ConcurrencyLimitConfig::fixed(1).waiting(10, 10 * MS);
    let service = with(config, &slow(10 * MS));
    let mut first = Box::pin(call(&service));
    let mut second = tokio_test::task::spawn(call(&service));
    assert!((&mut first).now_or_never().is_none());
    assert!(second.poll().is_pending());
    tokio::time::advance(10 * MS).await;
    first.await.unwrap();
    assert!(second.poll().is_pending(), "it goes, and takes 10 ms");
    assert_eq!(service.handle().in_use(), 1);
    tokio::time::advance(10 * MS).await;
    assert!(second.poll().is_ready());
    drop(second);
    assert_at_rest(&service.handle());
}
