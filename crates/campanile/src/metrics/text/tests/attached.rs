use super::*;

static LEFT: Metric = Metric::new(
    "rate_limit_left",
    "What is left of the \"limit\".\nBy \\ unit.",
);
static LEFT_TOO: Metric = Metric::new("rate_limit_left", "Another of that name.");
static STATE: Metric = Metric::new("breaker_state", "The state.");
static TRIPS: Metric = Metric::new("breaker_trips", "Trips.");
static TIME: Metric = Metric::new("own_delay", "A delay.").with_unit("seconds");
static TWICE: Metric =
    Metric::new("own_delay_seconds_total", "With all that is added.").with_unit("seconds");
static OURS: Metric = Metric::new("endpoint_requests", "Has the name of one of the library's.");
static STRANGE: Metric = Metric::new("größe in m²", "A name that cannot be.");

fn told(samples: Samples, at: usize, gathered: &mut Gathered) {
    gathered.stages[0].endpoints[at].samples = samples.all;
}

#[test]
fn samples_carry_the_labels_of_their_endpoint() {
    let mut gathered = gathered();
    for at in 0..2 {
        let mut samples = Samples::default();
        samples.sample(&LEFT, Some(("unit", "tokens")), Value::Gauge(-0.5));
        samples.sample(&LEFT, Some(("unit", "requests")), Value::Gauge(f64::NAN));
        samples.counter(&TRIPS, 3.0);
        told(samples, at, &mut gathered);
    }
    let parsed = parsed(&gathered);
    let labels = [("stage", "chat"), ("endpoint", "b"), ("unit", "tokens")];
    assert_eq!(parsed.value("campanile_rate_limit_left", &labels), -0.5);
    assert!(parsed.find("campanile_rate_limit_left", &[("unit", "requests")])[0].is_nan());
    assert_eq!(
        parsed.value("campanile_breaker_trips_total", &[("endpoint", "a")]),
        3.0
    );
    let help = &parsed.family("campanile_rate_limit_left").unwrap().help;
    assert_eq!(help, r#"What is left of the "limit".\nBy \\ unit."#);
    let open = Parsed::of(&text(&gathered, Format::OpenMetrics), Format::OpenMetrics);
    let help = &open.family("campanile_rate_limit_left").unwrap().help;
    assert_eq!(help, r#"What is left of the \"limit\".\nBy \\ unit."#);
}

/// tower-resilience leaves the states of the past at 1.
#[test]
fn of_all_states_one_is_1() {
    let mut gathered = gathered();
    for (present, other) in [(0, 1), (1, 0)] {
        let mut samples = Samples::default();
        samples.state(&STATE, &["closed", "open"], present);
        told(samples, 0, &mut gathered);
        let parsed = parsed(&gathered);
        let state = |place: usize| {
            let state = ["closed", "open"][place];
            parsed.value("campanile_breaker_state", &[("state", state)])
        };
        assert_eq!((state(present), state(other)), (1.0, 0.0));
    }
}

#[test]
fn a_series_that_is_told_twice_is_written_once() {
    let mut gathered = gathered();
    let mut samples = Samples::default();
    samples.gauge(&LEFT, 1.0);
    samples.gauge(&LEFT_TOO, 2.0);
    samples.counter(&LEFT_TOO, 3.0);
    samples.name = "other";
    samples.gauge(&LEFT, 4.0);
    told(samples, 0, &mut gathered);
    let mut samples = Samples::default();
    samples.counter(&LEFT_TOO, 5.0);
    told(samples, 1, &mut gathered);
    let parsed = parsed(&gathered);
    assert_eq!(parsed.find("campanile_rate_limit_left", &[]), [1.0, 4.0]);
    assert_eq!(
        parsed.value("campanile_rate_limit_left", &[("name", "other")]),
        4.0
    );
}

/// What users tell may have any name: the text stays well formed.
#[test]
fn names_that_cannot_be_do_no_harm() {
    let mut gathered = gathered();
    let mut samples = Samples::default();
    samples.counter(&TIME, 1.0);
    samples.counter(&TWICE, 2.0);
    samples.gauge(&OURS, 3.0);
    samples.sample(&STRANGE, Some(("zone", "a\"b\\c\nd")), Value::Gauge(4.0));
    samples.sample(&STRANGE, Some(("endpoint", "x")), Value::Gauge(5.0));
    told(samples, 0, &mut gathered);
    let config = MetricsConfig::default().with_labels(["zone"]);
    gathered.stages[0].endpoints[0].labels = labels(r#"stage="chat",endpoint="a",zone="eu""#);
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let parsed = Parsed::of(&with(&gathered, &config, format), format);
        let strange = |label| parsed.value("campanile_gr__e_in_m_", &[("zone", "eu"), label]);
        assert_eq!(strange(("exported_zone", "a\"b\\c\nd")), 4.0);
        assert_eq!(strange(("exported_endpoint", "x")), 5.0);
        assert_eq!(
            parsed.value("campanile_own_delay_seconds_total", &[("endpoint", "a")]),
            1.0
        );
    }
}
