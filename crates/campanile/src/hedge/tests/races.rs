use super::*;
use crate::rejection::RejectionKind;

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_long_is_hedged_and_the_first_answer_wins() {
    let script = Script::<_>::new(Step::answer("hedge").after(20 * MS))
        .then(Step::answer("first").after(500 * MS));
    let service = over(&script);
    let (answer, took) = timed(service.clone().oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("hedge", 120 * MS));
    let counts = script.counts();
    assert_eq!(
        (counts.calls, counts.cancelled, counts.in_flight),
        (2, 1, 0)
    );
    let snapshot = service.snapshot();
    assert_eq!((snapshot.hedged, snapshot.won), (1, 1));

    script.push(Step::answer("first").after(110 * MS));
    let (answer, took) = timed(service.clone().oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("first", 110 * MS));
    assert_eq!((script.counts().cancelled, service.snapshot().won), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_fast_enough_is_not_hedged() {
    let script = Script::<_>::new(Step::answer("well").after(99 * MS));
    let service = over(&script);
    assert!(service.clone().oneshot(()).await.is_ok());
    script.set(Step::answer("at once"));
    assert!(service.clone().oneshot(()).await.is_ok());
    assert_eq!((script.counts().calls, service.snapshot().hedged), (2, 0));
}

/// tr makes five calls and takes 205 ms, ll three and 601 ms.
#[tokio::test(start_paused = true)]
async fn an_error_that_comes_at_once_is_not_multiplied() {
    let script = Script::<()>::new(Step::error("bad request"));
    let (answer, took) = timed(over(&script).oneshot(())).await;
    assert!(answer.is_err());
    assert_eq!((script.counts().calls, took), (1, Duration::ZERO));
    script.set(Step::error("bad request").after(90 * MS));
    assert!(over(&script).oneshot(()).await.is_err());
    assert_eq!(script.counts().calls, 2);
}

/// A backend that slows down to four times its time gets three times the load at that moment with tr.
#[tokio::test(start_paused = true)]
async fn a_backend_that_slows_down_gets_at_most_a_tenth_more() {
    let script = Script::<_>::new(Step::answer("well").after(100 * MS));
    let config = HedgeConfig::default().with_delay(Delay::learned(0.95).with_window(10 * SEC));
    let service = HedgeLayer::new(config).unwrap().layer(script.service());
    let mut worst = 0;
    for second in 0..120 {
        if second == 30 {
            script.set(Step::answer("slow").after(400 * MS));
        }
        let before = script.counts().calls;
        let calls: tokio::task::JoinSet<_> = (0..50).map(|_| service.clone().oneshot(())).collect();
        calls.join_all().await;
        worst = worst.max(script.counts().calls - before);
        tokio::time::sleep(SEC).await;
    }
    assert!(worst <= 55 + 3, "{worst} for 50 calls");
    let hedged = service.snapshot().hedged;
    assert!(hedged <= 120 * 50 / 10, "{hedged}");
    // And then it has learned that this is how long it takes.
    assert!(service.snapshot().delay.unwrap() >= 400 * MS);
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_waits_for_the_other() {
    let script = Script::<_>::new(Step::answer("hedge").after(300 * MS))
        .then(Step::error("first").after(150 * MS));
    let (answer, took) = timed(over(&script).oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("hedge", 400 * MS));

    let script = Script::<_>::new(Step::error("hedge")).then(Step::answer("first").after(300 * MS));
    let (answer, took) = timed(over(&script).oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("first", 300 * MS));
    assert_eq!(script.counts().calls, 2, "one hedge a call");
}

#[tokio::test(start_paused = true)]
async fn when_both_fail_the_first_ones_failure_is_the_answer() {
    for hedge in [10 * MS, 400 * MS] {
        let script = Script::<()>::new(Step::error("hedge").after(hedge))
            .then(Step::error("first").after(200 * MS));
        let (answer, took) = timed(over(&script).oneshot(())).await;
        assert_eq!(answer.unwrap_err().to_string(), "first");
        assert_eq!(took, (100 * MS + hedge).max(200 * MS));
    }
}

/// The hedge never waits: neither for a permit nor for a connection.
#[tokio::test(start_paused = true)]
async fn there_is_no_hedge_while_the_second_instance_is_not_ready() {
    let budget = rich();
    for readiness in [
        Readiness::Pending,
        Readiness::PendingFor(10 * MS),
        Readiness::WarmsUp(MS),
        Readiness::error("no route"),
    ] {
        let script = Script::<_>::new(Step::answer("first").after(300 * MS));
        let mut service = HedgeLayer::new(plain())
            .unwrap()
            .budget(budget.clone())
            .layer(script.service());
        let trail = Trail::with_attempts(3);
        let call = begin(&mut service, ()).await;
        script.set_readiness(match readiness {
            // From the moment of the hedge.
            Readiness::PendingFor(_) => Readiness::PendingFor(110 * MS),
            other => other,
        });
        let (answer, took) = timed(call).await;
        assert_eq!((answer.unwrap(), took), ("first", 300 * MS));
        assert_eq!(script.counts().calls, 1);
        assert_eq!(trail.left(), Some(2));
    }
    assert_eq!(budget.snapshot().withdrawn, 0, "given back");
}

#[tokio::test(start_paused = true)]
async fn hedges_are_at_most_their_share_of_calls() {
    let script = Script::<_>::new(Step::answer("slow").after(SEC));
    let service = HedgeLayer::new(plain()).unwrap().layer(script.service());
    for calls in 1..=200 {
        service.clone().oneshot(()).await.unwrap();
        assert!(service.snapshot().hedged <= calls / 10, "after {calls}");
    }
    assert_eq!(service.snapshot().hedged, 20);
    let at_once: tokio::task::JoinSet<_> = (0..100).map(|_| service.clone().oneshot(())).collect();
    at_once.join_all().await;
    let saved = service.snapshot().budget.cap as u64;
    assert_eq!(service.snapshot().hedged, 20 + saved, "what is saved up");
}

/// A large call earns and costs more.
#[tokio::test(start_paused = true)]
async fn hedges_are_at_most_their_share_of_tokens() {
    let script = Script::<_>::new(Step::answer("slow").after(SEC));
    let config = plain().with_unit(Unit::Tokens).with_burst(10_000);
    let service = HedgeLayer::new(config.build().unwrap())
        .unwrap()
        .calls()
        .layer(script.service());
    let call = |tokens| {
        let mut call = Call::new(());
        call.context.cost = Some(Cost::tokens(tokens));
        let service = service.clone();
        async move {
            let before = service.snapshot().hedged;
            service.clone().oneshot(call).await.unwrap();
            service.snapshot().hedged > before
        }
    };
    assert!(!call(5_000).await, "500 are earned");
    assert!(call(100).await);
    assert_eq!(service.snapshot().budget.withdrawn, 100);
    assert!(!call(1_000_000).await, "more than can be saved up");
    assert_eq!(service.snapshot().budget.balance, 10_000.0);
    assert!(!call(0).await, "nobody knows what it costs");
    assert!(call(5_000).await);
}

#[tokio::test(start_paused = true)]
async fn hedges_spend_the_attempts_of_the_call() {
    let script = Script::<_>::new(Step::answer("slow").after(SEC));
    let service = HedgeLayer::new(plain().with_attempts(1))
        .unwrap()
        .calls()
        .budget(rich())
        .layer(script.service());
    service.clone().oneshot(Call::new(())).await.unwrap();
    assert_eq!(script.counts().calls, 1);
    let mut call = Call::new(());
    call.context = Context::new().with_trail(Trail::with_attempts(2));
    let trail = call.context.trail.clone().unwrap();
    service.oneshot(call).await.unwrap();
    assert_eq!((script.counts().calls, trail.left()), (3, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn the_hedge_is_the_next_attempt_and_carries_the_same_trail() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let inner = tower::service_fn(move |call: Call<()>| {
        let has_trail = call.context.trail.is_some();
        notes
            .lock()
            .unwrap()
            .push((call.context.attempt, has_trail));
        async {
            tokio::time::sleep(SEC).await;
            Ok::<_, BoxError>(())
        }
    });
    let mut service = HedgeLayer::new(plain())
        .unwrap()
        .calls()
        .budget(rich())
        .layer(inner);
    let mut call = Call::new(());
    call.context.attempt = 2;
    begin(&mut service, call).await.await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(2, true), (3, true)]);
}

#[tokio::test(start_paused = true)]
async fn the_delay_is_learned_and_nothing_is_hedged_before() {
    let script = Script::<_>::rule(|call| {
        let latency = if call % 50 == 49 { 2 * SEC } else { 20 * MS };
        Step::answer("well").after(latency)
    });
    let service = HedgeLayer::default().budget(rich()).layer(script.service());
    for _ in 0..199 {
        service.clone().oneshot(()).await.unwrap();
    }
    assert_eq!(
        (service.snapshot().delay, service.snapshot().hedged),
        (None, 0)
    );
    for _ in 0..301 {
        let (answer, took) = timed(service.clone().oneshot(())).await;
        assert!(answer.is_ok() && took <= 2 * SEC);
    }
    let snapshot = service.snapshot();
    let delay = snapshot.delay.unwrap();
    assert!(delay >= 20 * MS && delay < 22 * MS, "{delay:?}");
    assert!(snapshot.hedged >= 5 && snapshot.won >= 5, "{snapshot:?}");
}

/// A hedge that wins makes its call count with more than the delay: the delay does not creep down, and hedges do not
/// become more and more.
#[tokio::test(start_paused = true)]
async fn winning_hedges_do_not_pull_the_delay_down() {
    let mut rng = seeded(8);
    let latencies: Vec<u32> = (0..40_000).map(|_| rng.u32(10..110)).collect();
    let script = Script::<_>::rule(move |call| {
        Step::answer("well").after(latencies[call as usize % latencies.len()] * MS)
    });
    let config = HedgeConfig::default().with_delay(Delay::learned(0.9).with_window(10 * SEC));
    let service = HedgeLayer::new(config)
        .unwrap()
        .budget(rich())
        .layer(script.service());
    for _ in 0..40 {
        let calls: tokio::task::JoinSet<_> =
            (0..250).map(|_| service.clone().oneshot(())).collect();
        calls.join_all().await;
        tokio::time::sleep(SEC).await;
    }
    let snapshot = service.snapshot();
    let delay = snapshot.delay.unwrap();
    assert!(delay >= 98 * MS && delay < 112 * MS, "{delay:?}");
    let hedged = snapshot.hedged as f64 / 10_000.0;
    assert!(hedged < 0.11, "{hedged}");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_failures_here_too() {
    let refused = || Rejection::new(RejectionKind::Shed, "upstream").into();
    let script = Script::<_>::new(Step::error_with(refused)).then(Step::answer("first").after(SEC));
    assert_eq!(over(&script).oneshot(()).await.unwrap(), "first");
    let judge = |_: Result<&&str, &BoxError>| Outcome::Ignored;
    let script = Script::<_>::new(Step::answer("hedge").after(50 * MS))
        .then(Step::answer("first").after(120 * MS));
    let service = HedgeLayer::new(plain())
        .unwrap()
        .protocol(Unary::new(judge))
        .budget(rich())
        .layer(script.service());
    let (answer, took) = timed(service.oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("first", 150 * MS));
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_deadline_has_passed_is_not_hedged() {
    for (deadline, calls) in [(50 * MS, 1), (150 * MS, 2)] {
        let script = Script::<_>::new(Step::answer("well").after(SEC));
        let service = HedgeLayer::new(plain())
            .unwrap()
            .calls()
            .budget(rich())
            .layer(script.service());
        let mut call = Call::new(());
        call.context.deadline = Some(Instant::now() + deadline);
        service.clone().oneshot(call).await.unwrap();
        assert_eq!(script.counts().calls, calls);
        assert_eq!(service.snapshot().budget.withdrawn, calls - 1);
    }
}
