//! The line of a call that failed.

use tokio::time::Instant;

use super::*;
use crate::{context::KeepTrail, outcome::Outcome, protocol::Unary};

#[tokio::test(start_paused = true)]
async fn a_call_that_failed_has_one_line_that_says_all() {
    let (capture, _guard) = Capture::of(LevelFilter::WARN, "campanile::");
    let script = Script::<()>::new(Step::error("the well is dry").after(200 * MS));
    let deadline = Instant::now() + SEC;
    let context = Context::new()
        .with_id("abc")
        .with_tenant("acme")
        .with_conversation("c7")
        .with_deadline(deadline);
    let call = Call {
        context,
        message: (),
    };
    assert!(stage(&script).oneshot(call).await.is_err());

    let line = capture.line();
    assert_eq!((line.level, line.target), (Level::WARN, "campanile::call"));
    let expected = [
        ("message", "a call failed"),
        ("stage", "chat"),
        ("id", "abc"),
        ("outcome", "failure"),
        ("failure", "error"),
        ("error", "the well is dry"),
        ("elapsed_s", "0.2"),
        ("attempts", "0"),
        ("tried", ""),
        ("tenant", "acme"),
        ("conversation", "c7"),
        ("deadline_left_s", "0.8"),
    ];
    let told: Vec<_> = line
        .fields
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let mut sorted = expected;
    sorted.sort_unstable();
    assert_eq!(told, sorted);
    assert!(capture.spans("call").is_empty(), "below the level");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_who_refused_and_when_to_come_again() {
    let (capture, _guard) = Capture::all();
    let script = Script::<()>::new(Step::error_with(|| {
        Rejection::new(RejectionKind::RateLimited, "rate_limit")
            .with_retry_after(3 * SEC)
            .into()
    }));
    assert!(stage(&script).oneshot(Call::new(())).await.is_err());
    for told in [capture.line(), capture.span("call")] {
        assert_eq!(
            (told.get("outcome"), told.get("failure")),
            ("throttled", "")
        );
        assert_eq!(
            (told.get("refused_by"), told.get("refusal")),
            ("rate_limit", "rate_limited")
        );
        assert_eq!(told.get("retry_after_s"), "3.0");
        assert_eq!(
            told.get("error"),
            "rate_limit: the rate limit is used up; try again in 3s"
        );
    }
    let line = capture.line();
    assert_eq!(
        capture.parent(&line),
        Some("call"),
        "the line is in the span"
    );
    assert_eq!(line.get("id"), capture.span("call").get("id"));
}

#[tokio::test(start_paused = true)]
async fn calls_that_went_well_have_none_and_cancelled_ones_at_debug() {
    let (capture, _guard) = Capture::all();
    stage(&well()).oneshot(Call::new(())).await.unwrap();
    assert!(capture.lines().is_empty());
    let mut call =
        tokio_test::task::spawn(stage(&Script::<()>::new(Step::stall())).oneshot(Call::new(())));
    assert!(call.poll().is_pending());
    assert!(capture.lines().is_empty());
    drop(call);
    let line = capture.line();
    assert_eq!(
        (line.level, line.get("outcome")),
        (Level::DEBUG, "cancelled")
    );
    assert_eq!(line.get("message"), "a call was given up");
    assert!(capture.is_over());
}

#[tokio::test(start_paused = true)]
async fn levels_are_set_by_outcome() {
    let of = |outcome| move |_: Result<&(), &BoxError>| outcome;
    for (outcome, config, level) in [
        (
            Outcome::Throttled { retry_after: None },
            TraceConfig::default().with_throttled(LogLevel::Info),
            Some(Level::INFO),
        ),
        (
            Outcome::Overloaded { retry_after: None },
            TraceConfig::default().with_overloaded(LogLevel::Error),
            Some(Level::ERROR),
        ),
        (
            Outcome::Ignored,
            TraceConfig::default().with_ignored(LogLevel::Off),
            None,
        ),
        (
            Outcome::Success,
            TraceConfig::default().with_success(LogLevel::Trace),
            Some(Level::TRACE),
        ),
        (Outcome::Ignored, TraceConfig::default(), Some(Level::WARN)),
    ] {
        let (capture, _guard) = Capture::all();
        let layer = TraceLayer::stage("chat")
            .config(config)
            .unwrap()
            .protocol(Unary::new(of(outcome)));
        let service = layer.layer(tower::service_fn(|()| async { Ok::<_, BoxError>(()) }));
        service.oneshot(()).await.unwrap();
        let levels: Vec<_> = capture.lines().iter().map(|line| line.level).collect();
        assert_eq!(levels, Vec::from_iter(level), "{outcome:?}");
    }
    assert!(
        TraceLayer::stage("chat")
            .config(TraceConfig::default().with_error_length(0))
            .is_err()
    );
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_told_of_and_reaches_the_caller() {
    let (capture, _guard) = Capture::all();
    for step in [Step::panic_in_call(), Step::panic_in_poll()] {
        let service = stage(&Script::<()>::new(step));
        let call = std::panic::AssertUnwindSafe(service.oneshot(Call::new(())));
        assert!(futures_util::FutureExt::catch_unwind(call).await.is_err());
    }
    let lines = capture.lines();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(
            (line.get("outcome"), line.get("failure")),
            ("failure", "panic")
        );
    }
    assert!(capture.is_over(), "no span stays entered");
}

#[tokio::test(start_paused = true)]
async fn only_stages_write_lines() {
    let (capture, _guard) = Capture::all();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::attempt().calls())
        .layer(TraceLayer::endpoint(&Endpoint::new("a")).calls())
        .service(down().service());
    assert!(service.oneshot(Call::new(())).await.is_err());
    assert!(capture.lines().is_empty());
    let span = capture.span("endpoint");
    assert_eq!(
        (span.get("outcome"), span.get("error")),
        ("failure", "down")
    );
}

#[tokio::test(start_paused = true)]
async fn a_trail_is_kept_as_the_settings_say() {
    let trails = |keep: KeepTrail, level| async move {
        let (_capture, _guard) = Capture::of(level, "campanile::");
        let config = TraceConfig::default().with_trail(keep);
        let service = TraceLayer::stage("chat")
            .config(config)
            .unwrap()
            .calls()
            .layer(tower::service_fn(|call: Call<()>| async move {
                Ok::<_, BoxError>(call.context.trail.is_some())
            }));
        service.oneshot(Call::new(())).await.unwrap()
    };
    assert!(trails(KeepTrail::Always, LevelFilter::WARN).await);
    assert!(!trails(KeepTrail::Never, LevelFilter::WARN).await);
    assert!(
        !trails(KeepTrail::Always, LevelFilter::ERROR).await,
        "nobody reads it"
    );
}
