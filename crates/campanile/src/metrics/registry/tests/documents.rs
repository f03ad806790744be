use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::*;
use crate::metrics::MetricsSnapshot;

/// A stage with two endpoints: ten calls of 10 ms, seven of them at the first; the other is closed.
async fn snapshot() -> MetricsSnapshot {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let a = Endpoint::builder("a")
        .weight(2.0)
        .label("zone", "eu")
        .build()
        .unwrap();
    let b = Endpoint::new("b");
    b.gate().close(Reason::Health);
    let [one, two] = [&a, &b].map(|endpoint| {
        let service = stage.endpoint(endpoint).layer().layer(script().service());
        stage.layer().layer(service)
    });
    stage.endpoint(&a).collect_as("own", Breaker(f64::NAN));
    for _ in 0..7 {
        call(&one).await.unwrap();
    }
    for _ in 0..3 {
        call(&two).await.unwrap();
    }
    tokio::time::advance(Duration::from_secs(2)).await;
    metrics.snapshot()
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_calls_times_and_shares() {
    let snapshot = snapshot().await;
    let chat = snapshot.stage("chat").unwrap();
    assert_eq!(chat.figures.requests, 10);
    assert_eq!(chat.figures.success_rate, Some(1.0));
    assert_eq!((chat.figures.in_flight, chat.queued), (0, 0));
    let (a, b) = (chat.endpoint("a").unwrap(), chat.endpoint("b").unwrap());
    assert_eq!((a.share, b.share), (Some(0.7), Some(0.3)));
    assert_eq!(a.minute_share, Some(0.7));
    assert_eq!((a.weight, a.labels["zone"].as_str()), (2.0, "eu"));
    assert!(a.open && !b.open);
    assert_eq!(b.closed().collect::<Vec<_>>(), [Reason::Health]);
    assert_eq!(b.gate.len(), Reason::ALL.len());
    let health = b.gate.iter().find(|gate| gate.closed).unwrap();
    assert!(health.closings == 1 && health.seconds > 2.0);

    for window in [Window::Start, Window::Minute, Window::Latest] {
        let window = a.figures.window(window);
        assert_eq!(window.calls, 7, "{window:?}");
        let total = window.total;
        for seconds in [
            total.min, total.mean, total.p50, total.p90, total.p95, total.p99, total.p999,
            total.max,
        ] {
            let seconds = seconds.unwrap();
            assert!((seconds - 0.010).abs() < 0.000_1, "{seconds}");
        }
        let throughput = window.throughput.unwrap();
        assert!((throughput * window.span - 7.0).abs() < 1e-9);
    }
    assert!(a.figures.idle.unwrap() > 2.0 && a.figures.age > 2.0);
    assert_eq!(snapshot.total.requests, 10);
    assert_eq!(snapshot.total.minute.total.count, 10);
}

#[tokio::test(start_paused = true)]
async fn it_is_read_as_it_was_written() {
    let snapshot = snapshot().await;
    let value = serde_json::to_value(&snapshot).unwrap();
    let back: MetricsSnapshot = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(&back).unwrap(), value);
    assert_eq!(back, snapshot);
    let text = serde_json::to_string(&snapshot).unwrap();
    let again: MetricsSnapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(again.stages[0].figures.requests, 10);
}

/// Dashboards read it: what is there stays there.
#[tokio::test(start_paused = true)]
async fn its_shape_is_stable() {
    let value = serde_json::to_value(snapshot().await).unwrap();
    let keys =
        |value: &Value| -> Vec<String> { value.as_object().unwrap().keys().cloned().collect() };
    assert_eq!(keys(&value), ["at", "stages", "total"]);
    let stage = &value["stages"][0];
    assert_eq!(
        keys(stage),
        ["endpoints", "figures", "name", "queued", "samples"]
    );
    let endpoint = &stage["endpoints"][0];
    let names = [
        "figures",
        "gate",
        "key",
        "labels",
        "minute_share",
        "open",
        "samples",
        "share",
        "weight",
    ];
    assert_eq!(keys(endpoint), names);
    let names = [
        "age",
        "cached_tokens",
        "dollars",
        "fallbacks",
        "hedges",
        "idle",
        "in_flight",
        "input_tokens",
        "latest",
        "minute",
        "nano_dollars",
        "outcomes",
        "output_tokens",
        "received_bytes",
        "refusals",
        "requests",
        "retries",
        "sent_bytes",
        "start",
        "success_rate",
    ];
    assert_eq!(keys(&stage["figures"]), names);
    let window = &stage["figures"]["minute"];
    let names = [
        "between_data",
        "calls",
        "failed",
        "first_data",
        "head",
        "outcomes",
        "span",
        "success_rate",
        "throughput",
        "total",
        "wait",
    ];
    assert_eq!(keys(window), names);
    let names = [
        "count", "max", "mean", "min", "p50", "p90", "p95", "p99", "p999",
    ];
    assert_eq!(keys(&window["total"]), names);
    let failures: BTreeMap<String, u64> =
        serde_json::from_value(window["outcomes"]["failures"].clone()).unwrap();
    assert_eq!(failures.len(), 6);
    // No number: neither as a value nor as a text.
    assert_eq!(
        endpoint["samples"],
        json!([{ "metric": "breaker_trips", "name": "own" }])
    );
    assert_eq!(endpoint["gate"][1]["reason"], "health");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_absent_and_not_0() {
    let metrics = Metrics::default();
    let _ = metrics.stage("chat");
    let chat = &metrics.snapshot().stages[0];
    let window = &chat.figures.minute;
    assert_eq!((chat.figures.success_rate, window.total.mean), (None, None));
    assert_eq!((window.total.p99, chat.figures.idle), (None, None));
}

/// What ended more than a minute ago is in no window of the last minute.
#[tokio::test(start_paused = true)]
async fn the_last_minute_passes() {
    let metrics = Metrics::default();
    let stage = metrics.stage("chat");
    let service = stage.layer().layer(script().service());
    call(&service).await.unwrap();
    tokio::time::advance(Duration::from_secs(90)).await;
    let figures = metrics.snapshot().stages[0].figures.clone();
    assert_eq!(
        (
            figures.start.calls,
            figures.minute.calls,
            figures.latest.calls
        ),
        (1, 0, 1)
    );
    assert_eq!(figures.minute.throughput, Some(0.0));
}

/// All stages together: counts are added, and times are those of all calls.
#[tokio::test(start_paused = true)]
async fn the_total_is_of_all_stages() {
    let metrics = Metrics::default();
    for (name, calls) in [("chat", 3), ("embed", 4)] {
        let service = metrics.stage(name).layer().layer(script().service());
        for _ in 0..calls {
            call(&service).await.unwrap();
        }
    }
    let failing = metrics
        .stage("embed")
        .layer()
        .layer(Script::<&str>::new(Step::error("broken")).service());
    assert!(call(&failing).await.is_err());
    let snapshot = metrics.snapshot();
    let total = &snapshot.total;
    assert_eq!(
        (
            total.requests,
            total.outcomes.success,
            total.outcomes.failure
        ),
        (8, 7, 1)
    );
    assert_eq!(total.success_rate, Some(7.0 / 8.0));
    assert_eq!((total.start.total.count, total.start.failed.count), (7, 1));
    assert!((total.minute.total.max.unwrap() - 0.010).abs() < 0.000_1);
    assert!(total.idle.is_some() && total.age > 0.0);
    let names: Vec<_> = snapshot
        .stages
        .iter()
        .map(|stage| stage.name.as_str())
        .collect();
    assert_eq!(names, ["chat", "embed"]);
    assert!(snapshot.to_string().contains("all stages"));
}
