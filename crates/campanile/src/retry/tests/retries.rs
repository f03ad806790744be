use super::*;

#[tokio::test(start_paused = true)]
async fn a_failed_call_is_tried_again_twice() {
    let script = Script::answering("well")
        .then(Step::error("one"))
        .then(Step::error("two"));
    let (answer, took) = timed(over(&script, plain()).oneshot(())).await;
    assert_eq!((answer.unwrap(), took), ("well", 200 * MS));
    assert_eq!(script.counts().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_failure_is_the_answer_when_attempts_are_used_up() {
    let script = Script::<()>::rule(|call| Step::error(format!("failure {call}")));
    let error = over(&script, plain()).oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "failure 2");
    assert_eq!(script.counts().calls, 3);
    let once = over(&script, plain().with_max_retries(0));
    assert!(once.oneshot(()).await.is_err());
    assert_eq!(script.counts().calls, 4);
}

#[tokio::test(start_paused = true)]
async fn what_is_the_requests_own_fault_is_not_tried_again() {
    let script = Script::<()>::new(Step::error_with(|| {
        Rejection::new(RejectionKind::DeadlineExceeded, "pool").into()
    }));
    let (answer, took) = timed(over(&script, plain()).oneshot(())).await;
    assert!(answer.is_err());
    assert_eq!((script.counts().calls, took), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_veto_of_the_user_is_final() {
    let script = Script::<()>::new(Step::error("bad key"));
    let veto = |_: &Outcome, result: Result<&(), &BoxError>| match result {
        Err(error) if error.to_string() == "bad key" => Advice::GiveUp,
        _ => Advice::Judge,
    };
    let service = RetryLayer::new(plain())
        .unwrap()
        .advice(veto)
        .layer(script.service());
    assert!(service.clone().oneshot(()).await.is_err());
    assert_eq!(script.counts().calls, 1);
    script.set(Step::error("reset"));
    assert!(service.oneshot(()).await.is_err());
    assert_eq!(script.counts().calls, 4);
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_waited_for_instead_of_the_back_off() {
    let script = Script::answering("well").then(Step::error_with(|| throttled(3 * SEC)));
    let (answer, took) = timed(over(&script, plain()).oneshot(())).await;
    assert_eq!(answer.unwrap(), "well");
    assert!((3 * SEC..3_301 * MS).contains(&took), "{took:?}");
}

/// Otherwise the caller learns of it only when it is too late to go elsewhere.
#[tokio::test(start_paused = true)]
async fn a_retry_after_beyond_the_deadline_is_answered_at_once() {
    let script = Script::<()>::new(Step::error_with(|| throttled(3 * SEC)));
    let service = RetryLayer::new(plain())
        .unwrap()
        .calls()
        .layer(script.service());
    let context = Context::new().with_deadline(Instant::now() + 2 * SEC);
    let call = Call {
        context,
        message: (),
    };
    let (answer, took) = timed(service.oneshot(call)).await;
    let error = answer.unwrap_err();
    assert_eq!(
        Rejection::find(&*error).unwrap().retry_after(),
        Some(3 * SEC),
        "as it is"
    );
    assert_eq!((script.counts().calls, took), (1, Duration::ZERO));
}

/// Where the pool goes elsewhere by itself, an endpoint's own `Retry-After` need not be waited for.
#[tokio::test(start_paused = true)]
async fn an_answers_retry_after_may_mean_to_go_elsewhere_and_a_refusals_is_waited_for() {
    let judge = |result: Result<&&str, &BoxError>| match result {
        Ok(&"throttled") => Outcome::Throttled {
            retry_after: Some(30 * SEC),
        },
        other => crate::outcome::ClassifyResult.classify(other),
    };
    use crate::outcome::Classify;
    let script = Script::answering("well")
        .then(Step::answer("throttled"))
        .then(Step::error_with(|| overloaded(2 * SEC)));
    let config = plain().with_retry_after(RetryAfter::Elsewhere);
    let service = RetryLayer::new(config)
        .unwrap()
        .protocol(Unary::new(judge))
        .layer(script.service());
    let (answer, took) = timed(service.oneshot(())).await;
    assert_eq!(answer.unwrap(), "well");
    assert!((2_100 * MS..2_400 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn no_retry_begins_after_the_deadline() {
    let script = Script::<()>::new(Step::error("down").after(40 * MS));
    let service = RetryLayer::new(plain())
        .unwrap()
        .calls()
        .layer(script.service());
    let start = Instant::now();
    let mut call = Call::new(());
    call.context.deadline = Some(start + 250 * MS);
    assert!(service.oneshot(call).await.is_err());
    // 40, then at 140 the second, which ends at 180: the third would begin at 280.
    assert_eq!(script.counts().calls, 2);
    assert_eq!(Instant::now() - start, 180 * MS);
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_kept_until_something_is_ready_and_is_the_answer_if_nothing_is() {
    let script = Script::answering("well").then(Step::error("first"));
    let mut service = over(&script, plain());
    let call = begin(&mut service, ()).await;
    script.set_readiness(Readiness::Pending);
    let (answer, took) = timed(call).await;
    assert_eq!(answer.unwrap_err().to_string(), "first");
    assert_eq!(took, 1_100 * MS, "back-off and patience");
    assert_eq!(script.counts().calls, 1);

    // Ready in time.
    script.set_readiness(Readiness::Ready);
    script.push(Step::error("second"));
    let call = begin(&mut service, ()).await;
    script.set_readiness(Readiness::PendingFor(800 * MS));
    let (answer, took) = timed(call).await;
    assert_eq!((answer.unwrap(), took), ("well", 800 * MS));

    // Dead by then.
    script.set_readiness(Readiness::Ready);
    script.push(Step::error("third"));
    let call = begin(&mut service, ()).await;
    script.set_readiness(Readiness::error("no route"));
    let (answer, took) = timed(call).await;
    assert_eq!(answer.unwrap_err().to_string(), "third");
    assert_eq!(took, 100 * MS);
}

#[tokio::test(start_paused = true)]
async fn readiness_is_waited_for_no_longer_than_the_deadline() {
    let script = Script::<()>::new(Step::error("first"));
    let mut service = RetryLayer::new(plain())
        .unwrap()
        .calls()
        .layer(script.service());
    let mut call = Call::new(());
    call.context.deadline = Some(Instant::now() + 300 * MS);
    let call = begin(&mut service, call).await;
    script.set_readiness(Readiness::PendingFor(300 * MS));
    let (answer, took) = timed(call).await;
    assert_eq!(answer.unwrap_err().to_string(), "first");
    assert_eq!((script.counts().calls, took), (1, 300 * MS));
}

/// An answer that can be seen to be dropped.
#[derive(Clone, Debug)]
struct Held(#[allow(dead_code)] Arc<()>); // held, not read

#[tokio::test(start_paused = true)]
async fn the_failed_answer_is_dropped_only_when_the_retry_begins() {
    let token = Arc::new(());
    let alive = token.clone();
    let script = Script::<Held>::new(Step::stall())
        .then(Step::answer_with(move || Held(Arc::clone(&token))));
    let fail = |_: Result<&Held, &BoxError>| Outcome::Failure(crate::outcome::FailureKind::Server);
    let mut service = RetryLayer::new(plain())
        .unwrap()
        .protocol(Unary::new(fail))
        .layer(script.service());
    let call = begin(&mut service, ()).await;
    script.set_readiness(Readiness::PendingFor(400 * MS));
    let call = tokio::spawn(call);
    // The script's step is over: this test holds one, and the answer.
    tokio::time::sleep(399 * MS).await;
    assert_eq!((Arc::strong_count(&alive), script.counts().calls), (2, 1));
    tokio::time::sleep(2 * MS).await;
    assert_eq!(script.counts().calls, 2);
    assert_eq!(Arc::strong_count(&alive), 1);
    call.abort();
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_and_each_carries_the_trail() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = Arc::clone(&seen);
    let inner = tower::service_fn(move |call: Call<()>| {
        let trail = call.context.trail.expect("a trail");
        notes
            .lock()
            .unwrap()
            .push((call.context.attempt, trail.left()));
        async { Err::<(), BoxError>("down".into()) }
    });
    let layer = RetryLayer::new(plain().with_attempts(9)).unwrap().calls();
    let mut service = layer.layer(inner);
    let mut call = Call::new(());
    call.context.attempt = 5;
    assert!(begin(&mut service, call).await.await.is_err());
    let attempts = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!(attempts, [(5, Some(8)), (6, Some(7)), (7, Some(6))]);
}

/// Two layers that each make three attempts make nine; with attempts of the call, three.
#[tokio::test(start_paused = true)]
async fn layers_share_the_attempts_of_a_call() {
    let script = Script::<()>::new(Step::error("down"));
    let two = |config: RetryConfig| {
        let layer = RetryLayer::new(config).unwrap().calls();
        layer.layer(layer.layer(script.service()))
    };
    assert!(two(plain()).oneshot(Call::new(())).await.is_err());
    assert_eq!(script.counts().calls, 9);
    let bound = two(plain().with_attempts(3));
    assert!(bound.clone().oneshot(Call::new(())).await.is_err());
    assert_eq!(script.counts().calls, 9 + 3);
    let mut call = Call::new(());
    call.context.trail = Some(Trail::with_attempts(2));
    assert!(bound.oneshot(call).await.is_err());
    assert_eq!(script.counts().calls, 9 + 3 + 2);
}

/// A trail that the call brings along is kept with the request, and nowhere else; retries draw on it all the same, unless
/// they are told to keep none.
#[tokio::test(start_paused = true)]
async fn a_trail_that_a_call_carries_is_held_once() {
    for (keep, calls, left) in [(KeepTrail::Always, 2, 0), (KeepTrail::Never, 3, 1)] {
        let made = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = Arc::clone(&made);
        let inner = tower::service_fn(move |call: Call<()>| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            async move {
                tokio::time::sleep(SEC).await;
                drop(call);
                Err::<(), BoxError>("down".into())
            }
        });
        let layer = RetryLayer::new(plain().with_trail(keep)).unwrap().calls();
        let mut service = layer.layer(inner);
        let trail = Trail::with_attempts(2);
        let mut call = Call::new(());
        call.context.trail = Some(trail.clone());
        let waiting = begin(&mut service, call).await;
        assert_eq!(trail.holders(), 3, "this test, the call, and what is kept");
        assert!(waiting.await.is_err());
        assert_eq!(made.load(std::sync::atomic::Ordering::Relaxed), calls);
        assert_eq!((trail.left(), trail.holders()), (Some(left), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn retries_are_paid_for_by_successes() {
    let script = Script::<&str>::new(Step::error("down"));
    let config = plain().with_budget(Some(BudgetConfig::default()));
    let service = over(&script, config);
    for _ in 0..100 {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    assert_eq!(script.counts().calls, 101, "it starts with one");
    script.set(Step::answer("well"));
    for _ in 0..10 {
        assert!(service.clone().oneshot(()).await.is_ok());
    }
    assert_eq!(service.budget().unwrap().snapshot().balance, 2.0);
    script.set(Step::error("down"));
    for _ in 0..100 {
        assert!(service.clone().oneshot(()).await.is_err());
    }
    assert_eq!(script.counts().calls, 111 + 102);
}

/// Waiting as long as one was told is no load: throttled calls are tried again although the budget is empty.
#[tokio::test(start_paused = true)]
async fn a_throttled_call_needs_no_budget() {
    let script = Script::answering("well").then(Step::error_with(|| throttled(SEC)));
    let budget = Budget::new(BudgetConfig::default().with_initial(0.0));
    let service = RetryLayer::new(plain())
        .unwrap()
        .budget(budget.clone())
        .layer(script.service());
    assert_eq!(service.oneshot(()).await.unwrap(), "well");
    assert_eq!(budget.snapshot().balance, 0.2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_not_made_is_given_back() {
    let script = Script::<&str>::new(Step::error("down"));
    let budget = Budget::default();
    let trail = Trail::with_attempts(3);
    let mut service = RetryLayer::new(plain())
        .unwrap()
        .calls()
        .budget(budget.clone())
        .layer(script.service());
    let mut call = Call::new(());
    call.context.trail = Some(trail.clone());

    // Nothing was ready.
    let waiting = begin(&mut service, call.clone()).await;
    script.set_readiness(Readiness::Pending);
    assert!(waiting.await.is_err());
    assert_eq!((budget.snapshot().balance, trail.left()), (1.0, Some(2)));

    // Dropped within the back-off.
    script.set_readiness(Readiness::Ready);
    let waiting = begin(&mut service, call).await;
    assert!(tokio::time::timeout(50 * MS, waiting).await.is_err());
    assert_eq!((budget.snapshot().balance, trail.left()), (1.0, Some(2)));
    assert_eq!(script.counts().calls, 2);
}

/// Whoever means "as long as it takes" says so.
#[tokio::test(start_paused = true)]
async fn the_longest_times_do_not_overflow() {
    let longest = plain()
        .with_patience(Duration::MAX)
        .with_max_retry_after(Duration::MAX);
    let script = Script::answering("well").then(Step::error("reset"));
    assert_eq!(
        over(&script, longest.clone()).oneshot(()).await.unwrap(),
        "well"
    );
    let script = Script::<()>::new(Step::error_with(|| throttled(Duration::MAX)));
    let waits = over(&script, longest).oneshot(());
    assert!(tokio::time::timeout(SEC, waits).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_refused_on_its_way_leaves_the_error_of_the_attempt_that_was_sent() {
    let rejection = |kind, layer| Step::error_with(move || Rejection::new(kind, layer).into());
    let refused = || rejection(RejectionKind::Unavailable, "balance");
    let late = || rejection(RejectionKind::TimedOut, "timeout.total");
    for (steps, told) in [
        (vec![Step::error("first"), refused(), refused()], "first"),
        (
            vec![Step::error("first"), Step::error("second"), refused()],
            "second",
        ),
        (vec![refused(), Step::error("second"), refused()], "second"),
        (vec![refused(), refused(), refused()], "balance"),
        // It was sent: the upstream may have worked.
        (
            vec![Step::error("first"), refused(), late()],
            "timeout.total",
        ),
        (vec![refused(), late(), refused()], "timeout.total"),
        // What the first one said has been dropped.
        (
            vec![Step::answer("not well"), refused(), refused()],
            "balance",
        ),
    ] {
        let script = Script::<&str>::new(Step::error("never"));
        for step in steps {
            script.push(step);
        }
        let unwell = |_: &Outcome, result: Result<&&str, &BoxError>| match result {
            Ok(_) => Advice::Retry,
            Err(_) => Advice::Judge,
        };
        let layer = RetryLayer::new(plain()).unwrap().advice(unwell);
        let service = layer.layer(script.service());
        let error = service.oneshot(()).await.unwrap_err();
        assert!(error.to_string().starts_with(told), "{error} {told}");
        assert_eq!(script.counts().calls, 3);
    }
}
