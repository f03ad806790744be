use super::*;
use crate::collect::{Collect, Metric, Sink, Value};

#[tokio::test(start_paused = true)]
async fn a_status_says_everything_and_can_be_serialised() {
    let mut scene = Scene::new(exact());
    let report = Report::unhealthy("memory is short")
        .with_metric("memory_free", 0.04)
        .with_metric("nonsense", f64::NAN);
    scene.probe.set("a", Act::After(2 * SEC, report));
    scene.join("a");
    let before = scene.health.status("a");
    assert_eq!(before, None, "the monitor has not run yet");
    pass(SEC).await;
    let status = scene.status("a");
    assert!(status.checking);
    assert_eq!((status.next_check, status.result), (None, None));
    pass(11 * SEC).await;

    let status = scene.status("a");
    assert_eq!(status.endpoint, "a");
    assert_eq!(status.state, HealthState::Unknown);
    assert_eq!(status.since.round(), 12.0);
    assert_eq!(status.last_check.map(f64::round), Some(10.0));
    assert_eq!(status.result, Some(CheckResult::Unhealthy));
    assert_eq!(status.message, "memory is short");
    assert_eq!(status.response_time.map(f64::round), Some(2.0));
    assert_eq!(
        status.metrics.iter().collect::<Vec<_>>(),
        [(&"memory_free".to_owned(), &0.04)]
    );
    assert_eq!(status.error_rate, Some(1.0));
    assert_eq!((status.failures, status.successes), (1, 0));
    assert_eq!(status.next_check.map(f64::round), Some(48.0));

    let snapshot = scene.health.snapshot();
    let text = serde_json::to_string(&snapshot).unwrap();
    assert!(text.contains(r#""state":"unknown""#), "{text}");
    assert_eq!(
        serde_json::from_str::<HealthSnapshot>(&text).unwrap(),
        snapshot
    );
    assert_eq!(scene.health.status("b"), None);
}

#[tokio::test(start_paused = true)]
async fn names_are_those_of_the_serialised_form() {
    for state in HealthState::ALL {
        assert_eq!(serde_json::to_value(state).unwrap(), state.name());
    }
    for result in CheckResult::ALL {
        assert_eq!(serde_json::to_value(result).unwrap(), result.name());
    }
}

#[tokio::test(start_paused = true)]
async fn an_operator_may_ask_for_a_check_before_its_time() {
    let mut scene = Scene::new(exact().with_max_concurrent(1));
    scene.join("a");
    scene.join("b");
    pass(10 * SEC).await;
    scene
        .probe
        .set("a", Act::After(SEC, Report::unhealthy("now")));
    let status = scene.health.check_now("a").await.unwrap();
    assert_eq!((status.checks, &*status.message), (2, "now"));
    assert_eq!(status.last_check, Some(0.0));
    assert_eq!(
        status.next_check.map(f64::round),
        Some(59.0),
        "from its begin"
    );
    assert_eq!(scene.health.check_now("c").await, None);

    // One under way is waited for, not doubled.
    let (first, second) = (scene.health.check_now("a"), scene.health.check_now("a"));
    let (first, second) = futures_util::future::join(first, second).await;
    assert_eq!((first.unwrap().checks, second.unwrap().checks), (3, 3));

    // Whoever asks may go away, and the endpoint may.
    assert!(scene.health.check_now("b").now_or_never().is_none());
    settle().await;
    assert_eq!(scene.status("b").checks, 2);
    scene.probe.set("b", Act::Never);
    let health = scene.health.clone();
    let asked = tokio::spawn(async move { health.check_now("b").await });
    pass(SEC).await;
    scene.remove("b");
    assert_eq!(asked.await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn transitions_can_be_watched() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    let mut watch = scene.health.watch();
    scene.join("a");
    scene.probe.set("b", Act::Say(Report::unhealthy("refused")));
    scene.join("b");
    settle().await;
    let summary = watch.borrow_and_update().clone();
    assert_eq!(
        (summary.unknown, summary.healthy, summary.unhealthy),
        (0, 1, 1)
    );
    assert_eq!(summary.transitions, 2);
    let latest = summary.latest.unwrap();
    assert_eq!(latest.endpoint, "b");
    assert_eq!(
        (latest.from, latest.to),
        (HealthState::Unknown, HealthState::Unhealthy)
    );
    assert_eq!((latest.checks, &*latest.message), (1, "refused"));

    pass(60 * SEC).await;
    assert!(
        !watch.has_changed().unwrap(),
        "checks that change nothing are no news"
    );
    scene.remove("b");
    settle().await;
    assert!(watch.has_changed().unwrap());
    assert_eq!(watch.borrow().unhealthy, 0);
}

#[derive(Default)]
struct Samples(Vec<(String, Value)>);

impl Sink for Samples {
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    ) {
        let label = label.map_or_else(String::new, |(name, value)| format!("{{{name}={value}}}"));
        self.0.push((format!("{}{label}", metric.name), value));
    }
}

#[tokio::test(start_paused = true)]
async fn it_tells_its_counts_and_states() {
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene.probe.set_healthy("b", false);
    scene.probe.set("c", Act::Panic);
    scene.probe.set("d", Act::Never);
    for name in ["a", "b", "c", "d"] {
        scene.join(name);
    }
    settle().await;
    let mut samples = Samples::default();
    scene.health.collect(&mut samples);
    use Value::{Counter, Gauge};
    let expected = [
        ("health_endpoints{state=unknown}", Gauge(1.0)),
        ("health_endpoints{state=healthy}", Gauge(1.0)),
        ("health_endpoints{state=unhealthy}", Gauge(2.0)),
        ("health_checks{result=healthy}", Counter(1.0)),
        ("health_checks{result=unhealthy}", Counter(1.0)),
        ("health_checks{result=unknown}", Counter(0.0)),
        ("health_checks{result=timed_out}", Counter(0.0)),
        ("health_checks{result=panicked}", Counter(1.0)),
        ("health_transitions{to=healthy}", Counter(1.0)),
        ("health_transitions{to=unhealthy}", Counter(2.0)),
        ("health_checks_skipped", Counter(0.0)),
        ("health_checks_running", Gauge(1.0)),
        ("health_checks_overdue", Gauge(0.0)),
        (
            "health_panicking",
            Gauge(f64::from(u8::from(scene.health.is_panicking()))),
        ),
    ];
    assert_eq!(
        samples.0,
        expected.map(|(name, value)| (name.to_owned(), value))
    );

    let health = scene.health.clone();
    drop(scene);
    settle().await;
    let mut samples = Samples::default();
    health.collect(&mut samples);
    let gauges = samples
        .0
        .iter()
        .filter(|(_, value)| matches!(value, Gauge(_)));
    assert!(gauges.clone().count() == 6);
    assert!(
        gauges.clone().all(|(_, value)| *value == Gauge(0.0)),
        "{samples:?}",
        samples = samples.0
    );
}

/// Notes the fields of every event, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().contains("health::shared")
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
async fn each_transition_is_an_event_and_no_check_is() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let mut scene = Scene::new(exact());
    scene.join("a");
    pass(600 * SEC).await;
    scene.probe.set("a", Act::Say(Report::unhealthy("refused")));
    pass(600 * SEC).await;
    assert_eq!(
        *log.0.lock().unwrap(),
        [
            r#"INFO message=health endpoint="a" from="unknown" to="healthy" checks=1 reason="""#,
            r#"WARN message=health endpoint="a" from="healthy" to="unhealthy" checks=3 reason="refused""#,
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn everything_has_a_debug_form() {
    let scene = Scene::new(exact());
    let layer = HealthLayer::new(scene.probe.clone()).unwrap();
    assert!(format!("{layer:?} {:?} {:?}", scene.health, scene.discover).contains("HealthHandle"));
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_a_check_is_bounded_whatever_a_probe_says() {
    let long = "é".repeat(10_000);
    let mut report = Report::unhealthy(long.clone());
    for number in 0..1_000 {
        report = report.with_metric(format!("{number}{long}"), 1.0);
    }
    let mut scene = Scene::new(exact().with_unhealthy_after(1));
    scene.probe.set("a", Act::Say(report));
    scene.join("a");
    settle().await;
    let status = scene.status("a");
    assert_eq!(status.message.chars().count(), 1_025, "and an ellipsis");
    assert_eq!(status.metrics.len(), 64);
    assert!(status.metrics.keys().all(|name| name.len() < 300));
    let latest = scene.health.summary().latest.unwrap();
    assert_eq!(latest.message, status.message);
}
