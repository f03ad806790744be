use super::*;

#[tokio::test(start_paused = true)]
async fn forced_open_lets_nobody_in_until_it_is_set_back() {
    let scene = Scene::new(config());
    let early = scene.begin().unwrap();
    scene.handle.force_open();
    tokio::time::advance(100_000 * SEC).await;
    let refused = scene.refused();
    assert_eq!(refused.kind(), RejectionKind::CircuitOpen);
    assert_eq!(refused.retry_after(), None);
    end(early, Outcome::Success);
    assert_eq!(scene.state(), BreakerState::ForcedOpen);
    scene.handle.reset();
    scene.call(Outcome::Success);
}

#[tokio::test(start_paused = true)]
async fn forced_closed_nothing_trips_it_and_nothing_parks_it() {
    let scene = Scene::new(config());
    scene.calls([FAILED; 5]);
    scene.handle.force_close();
    scene.calls([FAILED; 100]);
    scene.call(Outcome::Throttled {
        retry_after: Some(SEC),
    });
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::ForcedClosed);
    assert_eq!(scene.handle.snapshot().failures_in_a_row, 0.0);
    scene.handle.reset();
    scene.calls([FAILED; 4]);
    assert_eq!(scene.state(), BreakerState::Closed);
    scene.call(FAILED);
    assert_eq!(scene.state(), BreakerState::Open);
}

#[tokio::test(start_paused = true)]
async fn set_back_it_is_as_new() {
    let scene = Scene::new(config());
    for _ in 0..3 {
        scene.half_open().await;
        scene.call(FAILED);
        scene.handle.reset();
        assert_eq!(scene.handle.snapshot().streak, 0);
        scene.calls([FAILED; 4]);
        scene.call(Outcome::Success);
        scene.call(Outcome::Throttled {
            retry_after: Some(100 * SEC),
        });
        scene.handle.reset();
        scene.call(Outcome::Success);
    }
    assert_eq!(scene.handle.snapshot().trips, 6, "which are not forgotten");
}

/// A peer's state metric never returns to 0 for old states.
#[tokio::test(start_paused = true)]
async fn each_transition_is_seen_with_its_cause() {
    let scene = Scene::new(config());
    let mut watch = scene.handle.watch();
    let mut seen = Vec::new();
    let mut look = || {
        assert!(watch.has_changed().unwrap());
        let status = *watch.borrow_and_update();
        seen.push((status.state, status.cause, status.revision));
    };
    scene.calls([FAILED; 5]);
    look();
    tokio::time::advance(30 * SEC).await;
    scene.call(FAILED);
    look();
    tokio::time::advance(60 * SEC).await;
    let probe = scene.begin().unwrap();
    look();
    end(probe, Outcome::Success);
    scene.calls([Outcome::Success; 2]);
    look();
    scene.handle.force_open();
    look();
    scene.handle.force_close();
    look();
    scene.handle.reset();
    look();
    use BreakerState::*;
    assert_eq!(
        seen,
        [
            (Open, Cause::FailuresInARow, 1),
            (Open, Cause::ProbeFailed, 3),
            (HalfOpen, Cause::TimeToProbe, 4),
            (Closed, Cause::ProbesSucceeded, 5),
            (ForcedOpen, Cause::ForcedOpen, 6),
            (ForcedClosed, Cause::ForcedClosed, 7),
            (Closed, Cause::Reset, 8),
        ]
    );
    scene.calls([Outcome::Success; 100]);
    scene.call(FAILED);
    assert!(!watch.has_changed().unwrap(), "nothing per call");
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_can_be_serialised() {
    let scene = Scene::new(config().with_failure_rate(Some(0.9)));
    scene.calls([Outcome::Success, FAILED]);
    let text = serde_json::to_value(scene.handle.snapshot()).unwrap();
    assert_eq!(text["state"], "closed");
    assert_eq!(text["cause"], "start");
    assert_eq!(text["failure_rate"], 0.5);
    for state in [
        "closed",
        "open",
        "half_open",
        "forced_open",
        "forced_closed",
    ] {
        let read: BreakerState = serde_json::from_value(state.into()).unwrap();
        assert_eq!(read.as_str(), state);
    }
    assert!(format!("{:?}", scene.handle).contains("Closed"));
}

/// Notes the fields of every event, as text.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().contains("circuit_breaker")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut line = event.metadata().level().to_string();
        event.record(
            &mut |field: &tracing::field::Field, value: &dyn std::fmt::Debug| {
                line += &format!(" {field}={value:?}");
            },
        );
        self.0.lock().unwrap().push(line);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test(start_paused = true)]
async fn each_transition_is_an_event_and_no_call_is() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let scene = Scene::new(config());
    scene.handle.breaker.set_name("chat".into());
    scene.calls(std::iter::repeat_n(Outcome::Success, 1_000));
    scene.calls([FAILED; 5]);
    scene.refused();
    scene.handle.reset();
    scene.call(Outcome::Throttled {
        retry_after: Some(SEC),
    });
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            r#"WARN message=circuit breaker breaker="chat" from="closed" to="open" cause="failures_in_a_row" open_for=30s streak=1"#,
            r#"INFO message=circuit breaker breaker="chat" from="open" to="closed" cause="reset""#,
            r#"INFO message=the upstream throttles breaker="chat" parked_for=1s"#,
        ]
    );
}
