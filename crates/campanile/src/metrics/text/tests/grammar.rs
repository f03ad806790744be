use super::*;

#[test]
fn both_formats_have_the_same_series() {
    let gathered = gathered();
    let [one, two] = [Format::Prometheus, Format::OpenMetrics]
        .map(|format| Parsed::of(&text(&gathered, format), format));
    assert_eq!(one.series(), two.series());
    assert!(one.series().len() > 100);
    let counter = two.family("campanile_stage_requests").unwrap();
    assert_eq!((counter.kind.as_str(), &counter.unit), ("counter", &None));
    assert!(one.family("campanile_stage_requests").is_none());
    let bytes = two.family("campanile_stage_sent_bytes").unwrap();
    assert_eq!(bytes.unit.as_deref(), Some("bytes"));
}

#[test]
fn nothing_is_well_formed() {
    let nothing = Gathered {
        now: Timestamp::ZERO,
        unix: 0.0,
        stages: Vec::new(),
    };
    assert_eq!(text(&nothing, Format::Prometheus), "");
    assert_eq!(text(&nothing, Format::OpenMetrics), "# EOF\n");
}

#[test]
fn counts_are_those_of_the_reading() {
    let mut gathered = gathered();
    let reading = &mut gathered.stages[0].reading;
    reading.retries = 7;
    reading.nano_dollars = 1_000_000_001;
    reading.outcomes.failure = [1, 2, 3, 4, 5, 6];
    reading.outcomes.cancelled = 9;
    reading.refusals = vec![Refusals {
        layer: "rate_limit",
        kind: RejectionKind::RateLimited,
        count: 4,
    }];
    let parsed = parsed(&gathered);
    let chat = ("stage", "chat");
    let value =
        |name: &str, more: &[(&str, &str)]| parsed.value(&format!("campanile_stage_{name}"), more);
    assert_eq!(value("requests_total", &[chat]), 12.0);
    assert_eq!(value("requests_in_flight", &[chat]), 2.0);
    assert_eq!(value("retries_total", &[chat]), 7.0);
    assert_eq!(value("cost_dollars_total", &[chat]), 1.000000001);
    assert_eq!(
        value(
            "outcomes_total",
            &[chat, ("outcome", "success"), ("kind", "")]
        ),
        10.0
    );
    assert_eq!(
        value(
            "outcomes_total",
            &[chat, ("outcome", "failure"), ("kind", "timeout")]
        ),
        3.0
    );
    assert_eq!(
        value("outcomes_total", &[chat, ("outcome", "cancelled")]),
        9.0
    );
    let refused = [chat, ("layer", "rate_limit"), ("kind", "rate_limited")];
    assert_eq!(value("refusals_total", &refused), 4.0);
    assert_eq!(
        value("last_used_timestamp_seconds", &[chat]),
        1_699_999_998.0
    );
    let all = parsed.find("campanile_stage_outcomes_total", &[chat]);
    assert_eq!(all.iter().sum::<f64>(), 10.0 + 21.0 + 9.0, "each call once");
}

#[test]
fn what_waits_is_in_the_stage_and_at_no_endpoint() {
    let mut gathered = gathered();
    gathered.stages[0].reading.in_flight = 7;
    let queued = |gathered: &Gathered| {
        parsed(gathered).value("campanile_stage_requests_queued", &[("stage", "chat")])
    };
    assert_eq!(queued(&gathered), 3.0, "two are at each of two endpoints");
    gathered.stages[0].reading.in_flight = 1;
    assert_eq!(queued(&gathered), 0.0, "calls end while it is read");
}

#[test]
fn every_reason_is_told_whether_it_holds_or_not() {
    let parsed = parsed(&gathered());
    for reason in Reason::ALL {
        let labels = [("endpoint", "b"), ("reason", reason.name())];
        let disabled = f64::from(u8::from(reason == Reason::Disabled));
        assert_eq!(parsed.value("campanile_endpoint_closed", &labels), disabled);
        assert_eq!(
            parsed.value("campanile_endpoint_closings_total", &labels),
            disabled
        );
        parsed.value("campanile_endpoint_closed_seconds_total", &labels);
    }
}

#[test]
fn buckets_are_cumulative_and_end_with_all() {
    let config = MetricsConfig::default().with_buckets([MS * 5, MS * 100, MS * 1_000]);
    let mut gathered = gathered();
    gathered.stages[0].reading.start.total = seen([1, 2, 50, 60, 70, 5_000]);
    let text = with(&gathered, &config, Format::Prometheus);
    let parsed = Parsed::of(&text, Format::Prometheus);
    let bucket = |le| {
        let labels = [("stage", "chat"), ("le", le)];
        parsed.value("campanile_stage_duration_seconds_bucket", &labels)
    };
    assert_eq!(
        [bucket("0.005"), bucket("0.1"), bucket("1.0")],
        [2.0, 5.0, 5.0]
    );
    assert_eq!(bucket("+Inf"), 6.0);
    let sum = parsed.value("campanile_stage_duration_seconds_sum", &[("stage", "chat")]);
    assert!((sum - 5.183).abs() < 0.05, "{sum}");
}

/// An endpoint of which one kind of time was never seen has no series of it; that of calls is there from the first.
#[test]
fn times_that_were_never_seen_take_no_room() {
    let mut gathered = gathered();
    let empty = ("endpoint", "b");
    gathered.stages[0].endpoints[0].reading.start.first_data = seen([4]);
    let parsed = parsed(&gathered);
    let count = |name: &str, label| {
        parsed.find(
            &format!("campanile_endpoint_{name}_seconds_count"),
            &[label],
        )
    };
    assert_eq!(count("duration", empty), [0.0]);
    assert_eq!(count("first_data", empty), [0.0; 0]);
    assert_eq!(count("first_data", ("endpoint", "a")), [1.0]);
    assert!(
        parsed
            .family("campanile_endpoint_between_data_seconds")
            .is_none()
    );
}

#[test]
fn the_prefix_is_as_set() {
    let gathered = gathered();
    for (prefix, begin) in [("", "stage_"), ("shop", "shop_stage_")] {
        let config = MetricsConfig::default().with_prefix(prefix);
        let text = with(&gathered, &config, Format::OpenMetrics);
        let parsed = Parsed::of(&text, Format::OpenMetrics);
        assert!(parsed.names().any(|name| name.starts_with(begin)));
    }
}

#[test]
fn what_the_collector_accepts() {
    for (accept, format) in [
        ("", Format::Prometheus),
        ("text/plain", Format::Prometheus),
        ("application/openmetrics-text", Format::OpenMetrics),
        (
            "text/plain;q=0.5, Application/OpenMetrics-Text; version=1.0.0",
            Format::OpenMetrics,
        ),
        ("application/openmetrics-text;q=0", Format::Prometheus),
    ] {
        assert_eq!(Format::accepted(accept), format, "{accept}");
    }
    assert!(
        Format::OpenMetrics
            .content_type()
            .starts_with("application/openmetrics-text")
    );
    assert!(Format::Prometheus.content_type().contains("0.0.4"));
}
