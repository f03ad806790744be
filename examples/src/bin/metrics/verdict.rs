//! Whether what was recorded is what happened.

use campanile::metrics::{Format, Metrics, MetricsSnapshot, StageSnapshot};

use crate::{CALLS, GIVEN_UP};

/// What is not as it should be.
pub(crate) fn wrong(metrics: &Metrics, snapshot: &MetricsSnapshot) -> Vec<String> {
    let mut wrong = Vec::new();
    match snapshot.stage("double") {
        Some(stage) => figures(stage, &mut wrong),
        None => wrong.push("the stage is missing".to_owned()),
    }
    for (format, end) in [(Format::Prometheus, "\n"), (Format::OpenMetrics, "# EOF\n")] {
        let text = metrics.text(format);
        let broken =
            r#"campanile_breaker_state{stage="double",endpoint="broken",zone="us",state="open"} 1"#;
        if !text.contains(broken) || !text.ends_with(end) {
            wrong.push(format!(
                "{format:?} does not tell of the breaker that is open"
            ));
        }
    }
    wrong
}

fn figures(stage: &StageSnapshot, wrong: &mut Vec<String>) {
    let mut check = |right: bool, what: &str| {
        if !right {
            wrong.push(what.to_owned());
        }
    };
    let figures = &stage.figures;
    let outcomes = &figures.outcomes;
    check(
        figures.requests == CALLS + GIVEN_UP,
        "calls were lost, or counted twice",
    );
    check(
        outcomes.cancelled == GIVEN_UP,
        "not all that were given up are cancelled",
    );
    check(
        outcomes.success + outcomes.failure == CALLS,
        "ends were lost, or counted twice",
    );
    check(
        (figures.in_flight, stage.queued) == (0, 0),
        "calls are left",
    );
    let times = &figures.start.total;
    check(
        times.p50 <= times.p99 && times.p99 <= times.max,
        "quantiles do not rise",
    );

    let attempts: u64 = stage.endpoints.iter().map(|it| it.figures.requests).sum();
    let repeats: u64 = stage.endpoints.iter().map(|it| it.figures.retries).sum();
    check(
        attempts - repeats == CALLS + GIVEN_UP,
        "each call has one first attempt",
    );
    let shares: f64 = stage.endpoints.iter().filter_map(|it| it.share).sum();
    check(
        (shares - 1.0).abs() < 1e-9,
        "shares are not those of a whole",
    );
    for endpoint in &stage.endpoints {
        let figures = &endpoint.figures;
        check(figures.in_flight == 0, "attempts are left");
        let works = endpoint.key != "broken";
        check(
            works == (figures.success_rate == Some(1.0)),
            "a success rate is wrong",
        );
        check(works == endpoint.open, "a gate is wrong");
        let state = |name: &str| {
            let mut samples = endpoint.samples.iter();
            samples.find(|sample| sample.metric == name).cloned()
        };
        let state = state("breaker_state").and_then(|sample| sample.state);
        let expected = if works { "closed" } else { "open" };
        check(
            state.as_deref() == Some(expected),
            "a breaker's state is wrong",
        );
    }
}
