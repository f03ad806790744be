//! What was told by whatever is attached.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
};

use super::{
    MetricsConfig, calls,
    writer::{Kind, Number, Writer, escape, sound},
};
use crate::{
    collect::{Metric, Value},
    metrics::gathered::{Gathered, Sample},
};

/// Samples of one metric, with the labels of whom they were told for.
struct Family<'a> {
    metric: &'static Metric,
    kind: Shape,
    samples: Vec<(&'a str, &'a Sample)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Counter,
    Gauge,
    State,
}

pub(super) fn write<W: Write>(
    gathered: &Gathered,
    config: &MetricsConfig,
    writer: &mut Writer<'_, W>,
) -> fmt::Result {
    let families = group(gathered);
    let mut more = String::new();
    for family in families.values() {
        let Metric { help, unit, .. } = *family.metric;
        let name = base(family.metric);
        let kind = if family.kind == Shape::Counter {
            Kind::Counter
        } else {
            Kind::Gauge
        };
        writer.family("", name, unit, help, kind)?;
        for (labels, sample) in &family.samples {
            more.clear();
            if !sample.name.is_empty() {
                more.push_str("name=\"");
                escape(&mut more, sample.name)?;
                more.push('"');
            }
            if let Some((name, value)) = sample.label {
                label(&mut more, name, value, config)?;
            }
            match sample.value {
                Value::Counter(value) | Value::Gauge(value) => {
                    writer.sample("", labels, &more, Number::Float(value))?;
                }
                // One series for each state, so that the state of the past falls to 0.
                Value::State { states, present } => {
                    let before = more.len();
                    for (place, state) in states.iter().enumerate() {
                        more.truncate(before);
                        label(&mut more, "state", state, config)?;
                        let holds = Number::Whole((place == present).into());
                        writer.sample("", labels, &more, holds)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// By the name of the series. Of metrics that want the same name and are something else, the first has it.
fn group(gathered: &Gathered) -> BTreeMap<String, Family<'_>> {
    // By the address of the name first: there are many samples of few metrics.
    let mut names: BTreeMap<(&str, Option<&str>), String> = BTreeMap::new();
    let mut families: BTreeMap<String, Family<'_>> = BTreeMap::new();
    for stage in &gathered.stages {
        let own = stage.samples.iter().map(|sample| (&*stage.labels, sample));
        let endpoints = stage.endpoints.iter().flat_map(|endpoint| {
            let samples = endpoint.samples.iter();
            samples.map(|sample| (&*endpoint.labels, sample))
        });
        for (labels, sample) in own.chain(endpoints) {
            let metric = sample.metric;
            let name = names
                .entry((metric.name, metric.unit))
                .or_insert_with(|| exposed(metric));
            if calls::is_ours(name) {
                continue;
            }
            let kind = Shape::of(&sample.value);
            match families.get_mut(name.as_str()) {
                Some(family) => family.push(kind, labels, sample),
                None => {
                    let family = Family {
                        metric,
                        kind,
                        samples: vec![(labels, sample)],
                    };
                    families.insert(name.clone(), family);
                }
            }
        }
    }
    families
}

/// The name without unit and `_total`, which its author may have added all the same.
fn base(metric: &Metric) -> &'static str {
    let name = metric.name;
    let name = name.strip_suffix("_total").unwrap_or(name);
    let unit = metric.unit.and_then(|unit| name.strip_suffix(unit));
    unit.and_then(|name| name.strip_suffix('_')).unwrap_or(name)
}

fn exposed(metric: &Metric) -> String {
    let unit = metric.unit.unwrap_or_default();
    let gap = if unit.is_empty() { "" } else { "_" };
    let name = base(metric).chars().chain(gap.chars());
    name.chain(unit.chars()).map(sound).collect()
}

/// One label more. Where an endpoint has a label of that name, which came first, this one is told from it as collectors do
/// it.
fn label(more: &mut String, name: &str, value: &str, config: &MetricsConfig) -> fmt::Result {
    if !more.is_empty() {
        more.push(',');
    }
    let taken = ["stage", "endpoint", "name", "le"];
    if taken.contains(&name) || config.labels.iter().any(|label| label == name) {
        more.push_str("exported_");
    }
    more.extend(name.chars().map(sound));
    more.push_str("=\"");
    escape(more, value)?;
    more.push('"');
    Ok(())
}

// ===== impl Family =====

impl<'a> Family<'a> {
    /// One sample more, if it is of the same kind, and of a series that is not there yet.
    fn push(&mut self, kind: Shape, labels: &'a str, sample: &'a Sample) {
        let before = self.samples.iter().rev();
        let mut same_owner = before.take_while(|(other, _)| std::ptr::eq(*other, labels));
        let known =
            same_owner.any(|(_, other)| (other.name, other.label) == (sample.name, sample.label));
        if kind == self.kind && !known {
            self.samples.push((labels, sample));
        }
    }
}

// ===== impl Shape =====

impl Shape {
    const fn of(value: &Value) -> Self {
        match value {
            Value::Counter(_) => Self::Counter,
            Value::Gauge(_) => Self::Gauge,
            Value::State { .. } => Self::State,
        }
    }
}
