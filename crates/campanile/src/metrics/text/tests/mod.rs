//! What is written is what was gathered, in both formats.

use std::{sync::Arc, time::Duration};

use super::{parser::Parsed, *};
use crate::{
    collect::{Metric, Sink, Value},
    endpoint::{Endpoint, Reason},
    metrics::{
        Histogram, Reading, Refusals,
        gathered::{GatheredEndpoint, GatheredStage, Samples},
        histogram::slots::Slotted,
        recorder::Tallies,
    },
    rejection::RejectionKind,
    time::Timestamp,
};

mod attached;
mod grammar;
mod numbers;

const MS: Duration = Duration::from_millis(1);

fn seen(millis: impl IntoIterator<Item = u64>) -> Histogram {
    let mut histogram = Histogram::default();
    for millis in millis {
        histogram.record(MS * u32::try_from(millis).unwrap());
    }
    histogram
}

/// So many calls, that took 1 ms, 2 ms and so on.
fn reading(calls: u64) -> Reading {
    let mut reading = Reading {
        requests: calls + 2,
        in_flight: 2,
        last_used: Some(Timestamp::from_nanos(500)),
        ..Reading::default()
    };
    reading.outcomes.success = calls;
    reading.start.outcomes.success = calls;
    reading.start.total = seen(1..=calls);
    reading
}

fn labels(text: &str) -> Arc<str> {
    Arc::from(text)
}

fn stage(name: &str) -> GatheredStage {
    GatheredStage {
        name: labels(name),
        labels: labels(&format!("stage=\"{name}\"")),
        reading: reading(10),
        timed: Tallies::default(),
        samples: Vec::new(),
        endpoints: Vec::new(),
    }
}

fn endpoint(stage: &str, endpoint: &Endpoint, calls: u64) -> GatheredEndpoint {
    let key = endpoint.key();
    GatheredEndpoint {
        endpoint: endpoint.clone(),
        labels: labels(&format!("stage=\"{stage}\",endpoint=\"{key}\"")),
        reading: reading(calls),
        timed: Tallies::default(),
        gates: endpoint.gate().history(Timestamp::now()).collect(),
        samples: Vec::new(),
    }
}

/// Two stages, one with two endpoints.
fn gathered() -> Gathered {
    let (a, b) = (Endpoint::new("a"), Endpoint::new("b"));
    b.gate().close(Reason::Disabled);
    let mut chat = stage("chat");
    chat.endpoints = vec![endpoint("chat", &a, 3), endpoint("chat", &b, 0)];
    Gathered {
        now: Timestamp::from_nanos(2_000_000_500),
        unix: 1_700_000_000.0,
        stages: vec![chat, stage("embed")],
    }
}

fn text(gathered: &Gathered, format: Format) -> String {
    with(gathered, &MetricsConfig::default(), format)
}

fn with(gathered: &Gathered, config: &MetricsConfig, format: Format) -> String {
    let mut text = String::new();
    let bounds = Bounds::new(&config.buckets);
    let mut gathered = gathered.clone();
    for stage in &mut gathered.stages {
        stage.timed = slotted(&stage.reading, &bounds);
        for endpoint in &mut stage.endpoints {
            endpoint.timed = slotted(&endpoint.reading, &bounds);
        }
    }
    write(&gathered, config, &bounds, format, &mut text).unwrap();
    text
}

/// The times of a reading since its start, by bounds.
fn slotted(reading: &Reading, bounds: &Bounds) -> Tallies<Slotted> {
    let start = &reading.start;
    let [head, first_data, between_data, total, failed, wait] = [
        &start.head,
        &start.first_data,
        &start.between_data,
        &start.total,
        &start.failed,
        &start.wait,
    ]
    .map(|histogram| {
        let mut slotted = Slotted::default();
        for (bucket, count) in histogram.buckets() {
            slotted.add(&bounds.slots, bucket, count);
        }
        slotted
    });
    Tallies {
        head,
        first_data,
        between_data,
        total,
        failed,
        wait,
    }
}

fn parsed(gathered: &Gathered) -> Parsed {
    Parsed::of(&text(gathered, Format::Prometheus), Format::Prometheus)
}
