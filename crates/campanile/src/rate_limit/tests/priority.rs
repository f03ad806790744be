//! Who goes first of those who wait, and who is refused for it.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::{FutureExt, future::BoxFuture};
use tokio_test::task::{self, Spawn};

use super::*;
use crate::context::Priority;

const ALL: [Priority; 4] = [
    Priority::Critical,
    Priority::Normal,
    Priority::Batch,
    Priority::Sheddable,
];

type Waiting = Spawn<BoxFuture<'static, Result<&'static str, BoxError>>>;

type Service = Limited<Scripted<&'static str>, Enveloped>;

fn of(priority: Priority) -> Call<()> {
    Call {
        context: Context::new().with_priority(priority),
        message: (),
    }
}

/// A service that has nothing left. From now on, one call may go every 100 ms.
async fn spent(config: RateLimitConfig) -> Service {
    let (_, service) = costed(config);
    service.clone().oneshot(tokens(0)).await.unwrap();
    service
}

/// A call that has joined the line, or is refused already.
fn waiting(service: &Service, priority: Priority) -> Waiting {
    let mut call = task::spawn(service.clone().oneshot(of(priority)).boxed());
    let _ = call.poll().is_pending();
    call
}

#[track_caller]
fn refused_now(call: &mut Waiting) -> Rejection {
    match call.poll() {
        std::task::Poll::Ready(result) => refused(result),
        std::task::Poll::Pending => panic!("it waits"),
    }
}

#[tokio::test(start_paused = true)]
async fn those_that_matter_more_go_first_and_who_came_first_within_one() {
    use Priority::{Batch, Critical, Normal, Sheddable};
    let service = spent(ten_per_second(1)).await;
    let began = Instant::now();
    let order = Arc::new(Mutex::new(Vec::new()));
    let coming = [
        Sheddable, Batch, Normal, Sheddable, Critical, Normal, Critical, Batch,
    ];
    let mut calls = Vec::new();
    for (number, priority) in coming.into_iter().enumerate() {
        let (answer, order) = (service.clone().oneshot(of(priority)), Arc::clone(&order));
        calls.push(tokio::spawn(async move {
            answer.await.unwrap();
            order.lock().unwrap().push((number, Instant::now()));
        }));
        settle().await;
    }
    for call in calls {
        call.await.unwrap();
    }
    let expected: Vec<_> = [4, 6, 2, 5, 1, 7, 0, 3]
        .into_iter()
        .zip(1..)
        .map(|(number, turn)| (number, began + turn * 100 * MS))
        .collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert_eq!(service.handle().snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_context_is_a_normal_one() {
    let (_, service) = limited(ten_per_second(1));
    let handle = service.handle();
    call(&service).await.unwrap();
    // Another service of the same limit, whose calls have contexts.
    let script = Script::answering("hello");
    let told = RateLimitLayer::shared(&handle)
        .calls()
        .layer(script.service());
    let began = Instant::now();
    let batch = tokio::spawn(told.clone().oneshot(of(Priority::Batch)));
    settle().await;
    let plain = tokio::spawn(call(&service));
    settle().await;
    let critical = tokio::spawn(told.clone().oneshot(of(Priority::Critical)));
    critical.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
    plain.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 200 * MS);
    batch.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 300 * MS);
}

/// It stands before whom it overtakes, also where there is enough for it already and not for them.
#[tokio::test(start_paused = true)]
async fn a_small_call_that_matters_more_goes_before_a_large_one() {
    let config = built(
        RateLimitConfig::default()
            .with_tokens(Limit::per_second(10.0).with_burst(100))
            .with_max_wait(100 * SEC),
    );
    let (_, service) = costed(config);
    service.clone().oneshot(tokens(100)).await.unwrap();
    let began = Instant::now();
    let call = |amount, priority| {
        let mut call = tokens(amount);
        call.context.priority = priority;
        tokio::spawn(service.clone().oneshot(call))
    };
    let large = call(90, Priority::Batch);
    tokio::time::sleep(SEC).await;
    // Ten are there.
    call(5, Priority::Critical).await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, SEC);
    call(10, Priority::Normal).await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 1_500 * MS);
    let behind = call(1, Priority::Batch);
    large.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 10_500 * MS, "what it takes, and 15");
    behind.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 10_600 * MS);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_counts_those_that_go_before() {
    let service = spent(ten_per_second(1).with_max_wait(250 * MS)).await;
    let first = waiting(&service, Priority::Normal);
    let second = waiting(&service, Priority::Normal);
    for (priority, after) in [(Priority::Normal, 300), (Priority::Sheddable, 300)] {
        let mut late = waiting_not(&service, priority);
        assert_eq!(refused_now(&mut late).retry_after(), Some(after * MS));
    }
    let critical = tokio::spawn(service.clone().oneshot(of(Priority::Critical)));
    let began = Instant::now();
    critical.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
    drop((first, second));
}

/// A call that has not been polled.
fn waiting_not(service: &Service, priority: Priority) -> Waiting {
    task::spawn(service.clone().oneshot(of(priority)).boxed())
}

/// What keeps a call from starving: it is refused, and not later than it said that it would wait.
#[tokio::test(start_paused = true)]
async fn who_is_overtaken_for_too_long_is_refused_in_time() {
    for least in [Priority::Normal, Priority::Batch, Priority::Sheddable] {
        let service = spent(ten_per_second(1).with_max_wait(250 * MS)).await;
        let began = Instant::now();
        let overtaken = tokio::spawn(service.clone().oneshot(of(least)));
        settle().await;
        // As many as may go, for as long as it waits.
        let busy = tokio::spawn({
            let service = service.clone();
            async move {
                for turn in 1..=10 {
                    let call = service.clone().oneshot(of(Priority::Critical));
                    call.await.unwrap();
                    assert_eq!(Instant::now() - began, turn * 100 * MS);
                }
            }
        });
        let rejection = refused(overtaken.await.unwrap());
        let at = Instant::now() - began;
        // Known when it was last first in line, or when its time was over.
        assert!((200 * MS..=250 * MS).contains(&at), "{least:?} {at:?}");
        assert_eq!(
            Some(at + rejection.retry_after().unwrap()),
            Some(400 * MS).filter(|_| at > 200 * MS).or(Some(300 * MS))
        );
        busy.await.unwrap();
        assert_eq!(service.handle().snapshot().waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_too_many_wait_the_last_that_matters_least_makes_room() {
    let service = spent(ten_per_second(1).with_max_waiting(2)).await;
    let mut first = waiting(&service, Priority::Sheddable);
    let mut second = waiting(&service, Priority::Sheddable);
    let mut third = waiting_not(&service, Priority::Sheddable);
    assert_eq!(refused_now(&mut third).retry_after(), Some(300 * MS));

    let mut batch = waiting(&service, Priority::Batch);
    assert!(second.is_woken() && !first.is_woken());
    // Behind the batch call and the other sheddable one.
    assert_eq!(refused_now(&mut second).retry_after(), Some(300 * MS));
    let mut critical = waiting(&service, Priority::Critical);
    assert!(first.is_woken() && !batch.is_woken());
    assert_eq!(refused_now(&mut first).retry_after(), Some(300 * MS));
    // Nobody is left that matters less than it.
    let mut late = waiting_not(&service, Priority::Batch);
    assert_eq!(refused_now(&mut late).retry_after(), Some(300 * MS));
    assert_eq!(service.handle().snapshot().waiting, 2);

    tokio::time::advance(100 * MS).await;
    assert!(critical.is_woken() && critical.poll().is_ready());
    assert!(batch.is_woken() && batch.poll().is_pending());
    tokio::time::advance(100 * MS).await;
    assert!(batch.poll().is_ready());
    assert_eq!(service.handle().snapshot().waiting, 0);
    assert_left(&service, Unit::Requests, 0.0);
}

/// Whom it would displace stays, if it would be refused all the same.
#[tokio::test(start_paused = true)]
async fn who_cannot_wait_displaces_nobody() {
    let service = spent(ten_per_second(1).with_max_waiting(1)).await;
    let mut least = waiting(&service, Priority::Sheddable);
    let mut call = of(Priority::Critical);
    call.context.deadline = Some(Instant::now() + 50 * MS);
    let rejection = refused(service.clone().oneshot(call).await);
    assert_eq!(rejection.retry_after(), Some(100 * MS));
    assert!(!least.is_woken());
    tokio::time::advance(100 * MS).await;
    assert!(least.poll().is_ready());
}

/// An empty line is forgotten. Who was displaced in it takes nobody's place in the next.
#[tokio::test(start_paused = true)]
async fn who_was_displaced_and_looks_late_disturbs_nobody() {
    for looks in [false, true] {
        let service = spent(ten_per_second(1).with_max_waiting(1)).await;
        let mut displaced = waiting(&service, Priority::Sheddable);
        let critical = waiting(&service, Priority::Critical);
        assert!(displaced.is_woken());
        drop(critical);
        assert_eq!(service.handle().snapshot().waiting, 0);
        let mut next = waiting(&service, Priority::Sheddable);
        assert_eq!(service.handle().snapshot().waiting, 1);
        if looks {
            // As if it came now.
            assert_eq!(refused_now(&mut displaced).retry_after(), Some(200 * MS));
        }
        drop(displaced);
        assert_eq!(service.handle().snapshot().waiting, 1);
        tokio::time::advance(100 * MS).await;
        assert!(next.is_woken() && next.poll().is_ready());
    }
}

/// Whatever stands where, and whenever it goes: those who stay are served as if it had never come.
#[tokio::test(start_paused = true)]
async fn a_call_of_any_priority_may_give_up_at_any_place() {
    for gone in ALL {
        for after in 0..4 {
            let service = spent(ten_per_second(1)).await;
            let mut calls: Vec<_> = ALL
                .into_iter()
                .rev()
                .map(|priority| (priority, waiting(&service, priority)))
                .collect();
            let mut leaving = Some(waiting(&service, gone));
            let (mut went, mut turns) = (Vec::new(), 0);
            while !calls.is_empty() {
                if turns == after {
                    leaving = None;
                }
                turns += 1;
                tokio::time::advance(100 * MS).await;
                let ready = |(priority, call): &mut (Priority, Waiting)| {
                    let ready = call.is_woken() && poll_ready(call);
                    ready.then_some(*priority)
                };
                // Until nobody goes who was woken by another.
                let before = went.len();
                loop {
                    let now: Vec<_> = calls.iter_mut().filter_map(ready).collect();
                    calls.retain(|(priority, _)| !now.contains(priority));
                    if let Some(call) = &mut leaving
                        && call.is_woken()
                        && poll_ready(call)
                    {
                        leaving = None;
                        went.push(gone);
                    } else if now.is_empty() {
                        break;
                    }
                    went.extend(now);
                }
                assert_eq!(went.len(), before + 1, "one each time, {gone:?} {after}");
            }
            went.extend(leaving.is_some().then_some(gone));
            assert!(went.is_sorted(), "{gone:?} {after}: {went:?}");
            drop(leaving);
            assert_eq!(service.handle().snapshot().waiting, 0);
        }
    }
}

fn poll_ready(call: &mut Waiting) -> bool {
    match call.poll() {
        std::task::Poll::Ready(result) => result.is_ok(),
        std::task::Poll::Pending => false,
    }
}

/// Whoever wakes polls its future: those are counted.
#[tokio::test(start_paused = true)]
async fn who_is_overtaken_is_woken_twice_more_at_most() {
    let service = spent(ten_per_second(1).with_max_wait(100 * SEC)).await;
    let count = |priority| {
        let polls = Arc::new(AtomicUsize::new(0));
        let mut answer = Box::pin(service.clone().oneshot(of(priority)));
        let counted = Arc::clone(&polls);
        let task = tokio::spawn(std::future::poll_fn(move |cx| {
            counted.fetch_add(1, Ordering::Relaxed);
            answer.as_mut().poll(cx).map(Result::unwrap)
        }));
        (polls, task)
    };
    let (first, task) = count(Priority::Sheddable);
    let rest: Vec<_> = (0..50).map(|_| count(Priority::Batch)).collect();
    settle().await;
    let mut critical = Vec::new();
    for _ in 0..20 {
        tokio::time::sleep(110 * MS).await;
        critical.push(count(Priority::Critical));
    }
    task.await.unwrap();
    // It was the first until the others came.
    assert!(first.load(Ordering::Relaxed) <= 3 + 2);
    let mut polls = 0;
    for (counted, task) in rest.into_iter().chain(critical) {
        task.await.unwrap();
        polls += counted.load(Ordering::Relaxed);
    }
    assert!(polls <= 3 * 70 + 2 * 20, "{polls} polls of 70 calls");
}

#[tokio::test(start_paused = true)]
async fn each_key_has_a_line_in_order_of_its_own() {
    let script = Script::answering("hello");
    type Name = fn(&Call<&'static str>) -> &'static str;
    let service = RateLimitLayer::new(ten_per_second(1).with_max_waiting(1))
        .unwrap()
        .calls()
        .keyed((|call| call.message) as Name)
        .layer(script.service());
    let call = |name, priority| {
        let context = Context::new().with_priority(priority);
        let call = Call {
            context,
            message: name,
        };
        tokio::spawn(service.clone().oneshot(call))
    };
    let began = Instant::now();
    for name in ["a", "b"] {
        call(name, Priority::Normal).await.unwrap().unwrap();
    }
    let a = call("a", Priority::Sheddable);
    let b = call("b", Priority::Sheddable);
    settle().await;
    let critical = call("a", Priority::Critical);
    assert_eq!(
        refused(a.await.unwrap()).retry_after(),
        Some(200 * MS),
        "at once"
    );
    assert_eq!(Instant::now(), began);
    critical.await.unwrap().unwrap();
    b.await.unwrap().unwrap();
    assert_eq!(Instant::now() - began, 100 * MS);
    assert_eq!(service.handle().snapshot().waiting, 0);
}
