//! What was counted and timed of calls.

use std::fmt::{self, Write};

use super::{
    Bounds,
    writer::{Kind, Number, Writer},
};
use crate::{
    metrics::{Reading, gathered::Gathered, histogram::slots::Slotted, recorder::Tallies},
    outcome::FailureKind,
};

/// A number of calls, or the like, that a reading has exactly once.
struct Plain {
    name: &'static str,
    unit: Option<&'static str>,
    help: &'static str,
    kind: Kind,
    number: fn(&Reading) -> Number,
}

struct Timed {
    name: &'static str,
    help: &'static str,
    histogram: fn(&Tallies<Slotted>) -> &Slotted,
    /// Written also before anything was seen: where it never applies, a family of zeros would be most of the text.
    always: bool,
}

const fn counter(name: &'static str, help: &'static str, number: fn(&Reading) -> Number) -> Plain {
    Plain {
        name,
        unit: None,
        help,
        kind: Kind::Counter,
        number,
    }
}

const fn measured(unit: &'static str, mut plain: Plain) -> Plain {
    plain.unit = Some(unit);
    plain
}

static PLAIN: [Plain; 11] = [
    counter("requests", "Calls that have begun.", |reading| {
        Number::Whole(reading.requests)
    }),
    Plain {
        name: "requests_in_flight",
        unit: None,
        help: "Calls that have begun and not ended, to the last byte.",
        kind: Kind::Gauge,
        number: |reading| Number::Whole(reading.in_flight),
    },
    counter("retries", "Attempts that were retries.", |reading| {
        Number::Whole(reading.retries)
    }),
    counter("hedges", "Attempts that were hedges.", |reading| {
        Number::Whole(reading.hedges)
    }),
    counter(
        "fallbacks",
        "Attempts at another service than the one that failed.",
        |reading| Number::Whole(reading.fallbacks),
    ),
    counter(
        "input_tokens",
        "Tokens read, as far as upstreams reported them.",
        |reading| Number::Whole(reading.input_tokens),
    ),
    counter("output_tokens", "Tokens written.", |reading| {
        Number::Whole(reading.output_tokens)
    }),
    counter(
        "cached_input_tokens",
        "Tokens read that came from an upstream's cache; part of those read.",
        |reading| Number::Whole(reading.cached_tokens),
    ),
    measured(
        "dollars",
        counter("cost", "Money spent, in dollars.", |reading| {
            Number::Billionths(reading.nano_dollars)
        }),
    ),
    measured(
        "bytes",
        counter(
            "sent",
            "Bytes of requests, where their length was known beforehand.",
            |reading| Number::Whole(reading.sent_bytes),
        ),
    ),
    measured(
        "bytes",
        counter("received", "Bytes of the bodies of answers.", |reading| {
            Number::Whole(reading.received_bytes)
        }),
    ),
];

static TIMED: [Timed; 6] = [
    Timed {
        name: "duration",
        help: "Time from the begin of a call to its end, of calls that did their work.",
        histogram: |times| &times.total,
        always: true,
    },
    Timed {
        name: "failed_duration",
        help: "Time from the begin of a call to its end, of calls that failed, were throttled or overloaded.",
        histogram: |times| &times.failed,
        always: false,
    },
    Timed {
        name: "head",
        help: "Time from the begin of a call to the head of its answer.",
        histogram: |times| &times.head,
        always: false,
    },
    Timed {
        name: "first_data",
        help: "Time from the begin of a call to its first data.",
        histogram: |times| &times.first_data,
        always: false,
    },
    Timed {
        name: "between_data",
        help: "Time between one piece of data and the next.",
        histogram: |times| &times.between_data,
        always: false,
    },
    Timed {
        name: "wait",
        help: "Time in queues, before a call reached this layer.",
        histogram: |times| &times.wait,
        always: false,
    },
];

/// Whose calls: all stages, or all endpoints.
struct Scope<'a> {
    name: &'static str,
    readings: Vec<(&'a str, &'a Reading)>,
    times: Vec<&'a Tallies<Slotted>>,
}

pub(super) fn write<W: Write>(
    gathered: &Gathered,
    bounds: &Bounds,
    writer: &mut Writer<'_, W>,
) -> fmt::Result {
    let stages = gathered.stages.iter();
    let endpoints = stages.clone().flat_map(|stage| &stage.endpoints);
    let scopes = [
        Scope {
            name: "stage",
            times: stages.clone().map(|stage| &stage.timed).collect(),
            readings: stages
                .map(|stage| (&*stage.labels, &stage.reading))
                .collect(),
        },
        Scope {
            name: "endpoint",
            times: endpoints.clone().map(|it| &it.timed).collect(),
            readings: endpoints.map(|it| (&*it.labels, &it.reading)).collect(),
        },
    ];
    let outcomes = Outcomes::new();
    for scope in scopes.iter().filter(|scope| !scope.readings.is_empty()) {
        for plain in &PLAIN {
            writer.family(scope.name, plain.name, plain.unit, plain.help, plain.kind)?;
            for (labels, reading) in &scope.readings {
                writer.sample("", labels, "", (plain.number)(reading))?;
            }
        }
        outcomes.write(scope, writer)?;
        scope.refusals(writer)?;
        scope.last_used(gathered, writer)?;
        for timed in &TIMED {
            scope.histogram(timed, bounds, writer)?;
        }
    }
    queued(gathered, writer)
}

fn queued<W: Write>(gathered: &Gathered, writer: &mut Writer<'_, W>) -> fmt::Result {
    if gathered.stages.is_empty() {
        return Ok(());
    }
    let help = "Calls that have begun and are at none of the stage's endpoints.";
    writer.family("stage", "requests_queued", None, help, Kind::Gauge)?;
    for stage in &gathered.stages {
        writer.sample("", &stage.labels, "", Number::Whole(stage.queued()))?;
    }
    Ok(())
}

// ===== impl Scope =====

impl Scope<'_> {
    fn refusals<W: Write>(&self, writer: &mut Writer<'_, W>) -> fmt::Result {
        if self
            .readings
            .iter()
            .all(|(_, reading)| reading.refusals.is_empty())
        {
            return Ok(());
        }
        let help = "Calls that a layer further in refused, by layer and kind.";
        writer.family(self.name, "refusals", None, help, Kind::Counter)?;
        let mut more = String::new();
        for (labels, reading) in &self.readings {
            for refusals in &reading.refusals {
                more.clear();
                more.push_str("layer=\"");
                super::escape(&mut more, refusals.layer)?;
                write!(more, "\",kind=\"{}\"", refusals.kind.name())?;
                writer.sample("", labels, &more, Number::Whole(refusals.count))?;
            }
        }
        Ok(())
    }

    fn last_used<W: Write>(&self, gathered: &Gathered, writer: &mut Writer<'_, W>) -> fmt::Result {
        let used = |reading: &Reading| reading.last_used;
        if self
            .readings
            .iter()
            .all(|(_, reading)| used(reading).is_none())
        {
            return Ok(());
        }
        let help = "When the latest call began, in seconds since 1970.";
        let unit = Some("seconds");
        writer.family(self.name, "last_used_timestamp", unit, help, Kind::Gauge)?;
        for (labels, reading) in &self.readings {
            if let Some(used) = used(reading) {
                let at = gathered.unix - gathered.now.since(used).as_secs_f64();
                // To the millisecond: two clocks do not agree any better, and an idle endpoint's value is to stay.
                let at = (at * 1e3).round() / 1e3;
                writer.sample("", labels, "", Number::Float(at))?;
            }
        }
        Ok(())
    }

    fn histogram<W: Write>(
        &self,
        timed: &Timed,
        bounds: &Bounds,
        writer: &mut Writer<'_, W>,
    ) -> fmt::Result {
        let mut begun = false;
        for ((labels, _), times) in self.readings.iter().zip(&self.times) {
            let histogram = (timed.histogram)(times);
            let count = histogram.count();
            if count == 0 && !timed.always {
                continue;
            }
            if !begun {
                begun = true;
                let unit = Some("seconds");
                writer.family(self.name, timed.name, unit, timed.help, Kind::Histogram)?;
            }
            let buckets = histogram.cumulative(bounds.labels.len());
            for (bucket, more) in buckets.zip(&bounds.labels) {
                writer.sample("_bucket", labels, more, Number::Whole(bucket))?;
            }
            writer.sample("_bucket", labels, "le=\"+Inf\"", Number::Whole(count))?;
            writer.sample("_sum", labels, "", Number::Seconds(histogram.sum()))?;
            writer.sample("_count", labels, "", Number::Whole(count))?;
        }
        Ok(())
    }
}

/// The labels of outcomes, in the order in which they are written.
struct Outcomes {
    failures: [String; FailureKind::ALL.len()],
}

// ===== impl Outcomes =====

impl Outcomes {
    fn new() -> Self {
        Self {
            failures: FailureKind::ALL
                .map(|kind| format!(r#"outcome="failure",kind="{}""#, kind.name())),
        }
    }

    fn write<W: Write>(&self, scope: &Scope<'_>, writer: &mut Writer<'_, W>) -> fmt::Result {
        let help = "Calls that have ended, by outcome, failures by kind.";
        writer.family(scope.name, "outcomes", None, help, Kind::Counter)?;
        for (labels, reading) in &scope.readings {
            let outcomes = &reading.outcomes;
            for (more, count) in [
                (r#"outcome="success",kind="""#, outcomes.success),
                (r#"outcome="throttled",kind="""#, outcomes.throttled),
                (r#"outcome="overloaded",kind="""#, outcomes.overloaded),
                (r#"outcome="ignored",kind="""#, outcomes.ignored),
                (r#"outcome="cancelled",kind="""#, outcomes.cancelled),
            ] {
                writer.sample("", labels, more, Number::Whole(count))?;
            }
            for (more, count) in self.failures.iter().zip(outcomes.failure) {
                writer.sample("", labels, more, Number::Whole(count))?;
            }
        }
        Ok(())
    }
}

/// Whether a metric that is attached would meet the families of calls and gates.
pub(super) fn is_ours(name: &str) -> bool {
    name.starts_with("stage_") || name.starts_with("endpoint_")
}
