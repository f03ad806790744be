//! Further attempts of calls of which the most is known that one can take: made where there is room for them, and not beyond.

use std::sync::atomic::Ordering;

use proptest::{
    prelude::{Strategy, any},
    test_runner::{Config, TestRunner},
};
use tower::{ServiceBuilder, util::BoxCloneService};

use super::{
    attempts::{Then, accounting, hedge_after, retry},
    *,
};

/// A call of which an attempt takes 60 at most.
fn sixty() -> Call<()> {
    let context = Context::new()
        .with_cost(Cost::tokens(10))
        .with_most(Cost::tokens(60));
    Call {
        context,
        message: (),
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_made_where_there_is_room_for_what_was_charged_and_the_most() {
    for (limit, first, answers) in [
        (90, (30, Then::Fail), true),
        (89, (30, Then::Fail), false),
        (60, (0, Then::Fail), true),
        (61, (1, Then::Fail), true),
        (60, (1, Then::Fail), false),
    ] {
        let handle = at_noon(tokens_a_day(limit));
        let script = [first, (50, Then::Answer)];
        let service = accounting(script.to_vec().leak());
        let made = Arc::clone(&service.attempt);
        let service = ServiceBuilder::new()
            .layer(SpendLimitLayer::shared(&handle).calls())
            .layer(retry())
            .service(service);
        let answer = service.oneshot(sixty()).await;
        assert_eq!(answer.is_ok(), answers, "{limit} {first:?}");
        assert_eq!(made.load(Ordering::SeqCst), 1 + usize::from(answers));
        let spent = first.0 + if answers { 50 } else { 0 };
        assert_eq!(seen(&handle, 0), [spent, 0, limit - spent]);
        let refused = [handle.refused(), handle.refused_attempts()];
        assert_eq!(refused, [0, u64::from(!answers)]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_further_attempt_needs_is_reserved_until_the_call_ends() {
    let handle = at_noon(tokens_a_day(100));
    let service = ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(retry())
        .service(accounting(&[(30, Then::Fail), (50, Then::Stall)]));
    let call = tokio::spawn(service.clone().oneshot(sixty()));
    tokio::time::sleep(10 * SEC).await;
    assert_eq!(seen(&handle, 0), [0, 90, 10]);
    refused(service.clone().oneshot(sixty()).await);
    call.abort();
    let _ = call.await;
    assert_eq!(seen(&handle, 0), [80, 0, 20]);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_needs_room_for_both() {
    for (limit, hedged) in [(119, false), (120, true)] {
        let handle = at_noon(tokens_a_day(limit));
        let service = accounting(&[(10, Then::Stall), (40, Then::Answer)]);
        let made = Arc::clone(&service.attempt);
        let service = ServiceBuilder::new()
            .layer(SpendLimitLayer::shared(&handle).calls())
            .layer(hedge_after(50 * MS))
            .service(service);
        let answer = tokio::time::timeout(HOUR, service.oneshot(sixty())).await;
        assert_eq!(answer.is_ok(), hedged, "{limit}");
        assert_eq!(made.load(Ordering::SeqCst), 1 + usize::from(hedged));
        let spent = if hedged { 50 } else { 10 };
        assert_eq!(seen(&handle, 0), [spent, 0, limit - spent]);
    }
}

/// Each is reserved in the period in which it began, and given back there.
#[tokio::test(start_paused = true)]
async fn a_further_attempt_on_the_next_day_is_reserved_there() {
    let handle = at_noon(tokens_a_day(100));
    let service = ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(hedge_after(13 * HOUR))
        .service(accounting(&[(10, Then::Stall), (40, Then::Stall)]));
    let call = tokio::spawn(service.oneshot(sixty()));
    tokio::time::sleep(HOUR).await;
    assert_eq!(seen(&handle, 0), [0, 60, 40]);
    tokio::time::sleep(13 * HOUR).await;
    assert_eq!(seen(&handle, 0), [0, 60, 40], "of the hedge");
    call.abort();
    let _ = call.await;
    assert_eq!(seen(&handle, 0)[1..], [0, 100]);
}

/// What an attempt took is charged where it was reserved, and not once more to the day on which the call ends.
#[tokio::test(start_paused = true)]
async fn what_further_attempts_took_is_charged_to_their_own_days() {
    // The first day ends in twelve hours. Spent on the last day of the call.
    let cases = [
        (
            [(60, Then::FailIn(13 * HOUR)), (60, Then::AnswerIn(HOUR))],
            60,
        ),
        (
            [
                (60, Then::FailIn(13 * HOUR)),
                (60, Then::AnswerIn(24 * HOUR)),
            ],
            0,
        ),
        (
            [(60, Then::FailIn(HOUR)), (60, Then::AnswerIn(24 * HOUR))],
            0,
        ),
        // Nobody reserved the ten that it took beyond the most.
        (
            [
                (60, Then::FailIn(13 * HOUR)),
                (70, Then::AnswerIn(24 * HOUR)),
            ],
            10,
        ),
    ];
    for (script, spent) in cases {
        let handle = at_noon(tokens_a_day(120));
        let service = ServiceBuilder::new()
            .layer(SpendLimitLayer::shared(&handle).calls())
            .layer(retry())
            .service(accounting(script.to_vec().leak()));
        service.oneshot(sixty()).await.unwrap();
        assert_eq!(seen(&handle, 0), [spent, 0, 120 - spent], "{script:?}");
    }
}

/// Each unit by itself, whichever of them the further attempt needed more of.
#[tokio::test(start_paused = true)]
async fn what_a_call_took_beyond_all_that_was_reserved_is_charged_once() {
    let soft = SpendBudget::tokens(1_000, Period::Hour).with_enforce(Enforce::Warn);
    let config = tokens_a_day(1_000).with_budget(soft);
    let handle = at_noon(config);
    let service = ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(retry())
        .service(accounting(&[(60, Then::Fail), (75, Then::Answer)]));
    service.oneshot(sixty()).await.unwrap();
    assert_eq!(seen(&handle, 0), [135, 0, 865]);
    assert_eq!(seen(&handle, 1), [135, 0, 865]);
}

/// A service that makes the call in a task of its own, which goes on when its caller has left: others may wait for the answer.
fn detached<S>(inner: S) -> BoxCloneService<Call<()>, S::Response, BoxError>
where
    S: Service<Call<()>, Error = BoxError, Future: Send> + Clone + Send + 'static,
    S::Response: Send,
{
    BoxCloneService::new(tower::service_fn(move |call: Call<()>| {
        let inner = inner.clone();
        async move { tokio::spawn(inner.oneshot(call)).await? }
    }))
}

#[tokio::test(start_paused = true)]
async fn who_has_left_reserves_nothing_for_further_attempts() {
    for period in [Period::Day, Period::Forever] {
        let handle = at_noon(SpendLimitConfig::new(SpendBudget::tokens(100, period)));
        let service = accounting(&[(10, Then::Stall), (40, Then::Stall)]);
        let made = Arc::clone(&service.attempt);
        let service = ServiceBuilder::new()
            .layer(SpendLimitLayer::shared(&handle).calls())
            .service(detached(hedge_after(50 * MS).layer(service)));
        let call = tokio::spawn(service.oneshot(sixty()));
        tokio::time::sleep(10 * MS).await;
        assert_eq!(seen(&handle, 0), [0, 60, 40]);
        call.abort();
        let _ = call.await;
        assert_eq!(seen(&handle, 0), [10, 0, 90]);
        tokio::time::sleep(SEC).await;
        assert_eq!(made.load(Ordering::SeqCst), 2, "for those who wait");
        assert_eq!(seen(&handle, 0), [10, 0, 90]);
        assert_eq!(handle.refused_attempts(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn all_budgets_around_a_call_must_have_room() {
    for (outer, inner, answers) in [(90, 1_000, true), (89, 1_000, false), (1_000, 89, false)] {
        let (outer, inner) = (at_noon(tokens_a_day(outer)), at_noon(tokens_a_day(inner)));
        let soft = SpendBudget::tokens(20, Period::Hour).with_enforce(Enforce::Warn);
        let warns = at_noon(SpendLimitConfig::new(soft));
        let service = ServiceBuilder::new()
            .layer(SpendLimitLayer::shared(&warns).calls())
            .layer(SpendLimitLayer::shared(&outer).calls())
            .layer(SpendLimitLayer::shared(&inner).calls())
            .layer(retry())
            .service(accounting(&[(30, Then::Fail), (50, Then::Answer)]));
        assert_eq!(service.oneshot(sixty()).await.is_ok(), answers);
        let spent = if answers { 80 } else { 30 };
        for handle in [&warns, &outer, &inner] {
            assert_eq!(seen(handle, 0)[..2], [spent, 0]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_key_pays_for_its_own() {
    let layer = SpendLimitLayer::new(tokens_a_day(100))
        .unwrap()
        .calls()
        .by_tenant();
    let service = ServiceBuilder::new()
        .layer(layer)
        .layer(retry())
        .service(accounting(&[
            (30, Then::Fail),
            (50, Then::Answer),
            (45, Then::Fail),
            (50, Then::Answer),
        ]));
    let call = |tenant: &str| {
        let mut call = sixty();
        call.context.tenant = Some(tenant.into());
        call
    };
    service.clone().oneshot(call("a")).await.unwrap();
    service.clone().oneshot(call("b")).await.unwrap_err();
    let of = |tenant: &str| {
        let one = service.handle().snapshot_of(&Some(tenant.into()))[0].clone();
        [one.spent, one.reserved, one.left]
    };
    assert_eq!((of("a"), of("b")), ([80, 0, 20], [45, 0, 55]));
}

/// The trail of a call is lent to the next one of its service, without who paid for it.
#[tokio::test(start_paused = true)]
async fn a_call_that_does_not_say_the_most_is_paid_by_nobody_else() {
    let handle = at_noon(tokens_a_day(1_000));
    let mut service = ServiceBuilder::new()
        .layer(SpendLimitLayer::shared(&handle).calls())
        .layer(retry())
        .service(accounting(&[
            (30, Then::Answer),
            (40, Then::Fail),
            (50, Then::Answer),
        ]));
    for call in [sixty(), tokens(10)] {
        service.ready().await.unwrap().call(call).await.unwrap();
    }
    assert_eq!(seen(&handle, 0), [120, 0, 880]);
}

/// Calls at once, whose attempts fail, stall and answer as it comes, each having taken 60 at most.
#[test]
fn no_number_of_attempts_spends_more_than_there_is() {
    let attempt = (0..=60_u64, any::<u8>()).prop_map(|(tokens, then)| {
        let then = match then % 8 {
            0..5 => Then::Fail,
            5 => Then::Stall,
            _ => Then::Answer,
        };
        (tokens, then)
    });
    let scripts = proptest::collection::vec(attempt, 200);
    let mut runner = TestRunner::new(Config::with_cases(32));
    let check = |script: Vec<(u64, Then)>| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let handle = at_noon(tokens_a_day(1_000));
            let charged: u64 = script.iter().map(|(tokens, _)| tokens).sum();
            let service = ServiceBuilder::new()
                .layer(SpendLimitLayer::shared(&handle).calls())
                .layer(hedge_after(SEC))
                .layer(retry())
                .service(accounting(script.leak()));
            let calls: Vec<_> = (0..30)
                .map(|_| tokio::spawn(tokio::time::timeout(HOUR, service.clone().oneshot(sixty()))))
                .collect();
            for call in calls {
                let _ = call.await.unwrap();
            }
            let [spent, reserved, _] = seen(&handle, 0);
            assert!(spent <= 1_000, "{spent} of {charged}");
            assert_eq!(reserved, 0);
        });
        Ok(())
    };
    runner.run(&scripts, check).unwrap();
}
