use std::{hint::black_box, time::Duration};

use campanile::{
    Endpoint, Outcome,
    completion::Completion,
    metrics::{Format, Metrics, MetricsConfig, Recorder},
    time::Timestamp,
};
use futures_util::FutureExt;
use metrics_exporter_prometheus::PrometheusBuilder;
use prometheus_client::{
    encoding::text::encode,
    metrics::{counter::Counter, family::Family, histogram},
    registry::Registry,
};
use tower::{Layer, Service};

use super::{CALLS, ENDPOINTS, Shape, Subject};
use crate::{Instant0, recorders::BOUNDS};

type Labels = Vec<(&'static str, String)>;

/// Ours, with everything that calls can bring.
pub(super) fn ours(format: Format) -> Subject {
    let metrics = Metrics::new(MetricsConfig::default()).expect("the settings are valid");
    let stage = metrics.stage("chat");
    let from = Timestamp::now();
    let mut services = Vec::new();
    let mut endpoints = Vec::new();
    for number in 0..ENDPOINTS {
        let endpoint = Endpoint::new(format!("endpoint-{number}"));
        let measured = stage.endpoint(&endpoint);
        record(measured.recorder(), from);
        services.push(measured.layer().layer(Instant0));
        endpoints.push((endpoint, measured));
    }
    Subject {
        whose: match format {
            Format::OpenMetrics => "**campanile**, OpenMetrics",
            _ => "**campanile**, Prometheus",
        },
        text: Box::new(move || {
            black_box(&endpoints);
            metrics.text(format)
        }),
        call: Box::new(move |number| {
            black_box(services[number].call(0).now_or_never());
        }),
    }
}

/// Calls of different lengths, with all that can be recorded.
fn record(recorder: &Recorder, from: Timestamp) {
    for number in 0..CALLS {
        let begin = from.after(Duration::from_millis(10) * number);
        let mut recording = recorder.begin(begin);
        recording.waited(from);
        let mut call = Completion::new(recording);
        for piece in 0..4 {
            let now = begin.after(Duration::from_millis(7) * number * piece);
            match piece {
                0 => call.head(now),
                _ => call.data(now, 1),
            }
        }
        call.end(
            begin.after(Duration::from_millis(30) * number),
            Outcome::Success,
        );
    }
}

/// As many series of the Prometheus project's client.
pub(super) fn prometheus_client(shape: &Shape) -> Subject {
    let mut registry = Registry::default();
    let counters: Vec<_> = (0..shape.numbers)
        .map(|number| {
            let family = Family::<Labels, Counter>::default();
            registry.register(format!("counter_{number}"), "Counts.", family.clone());
            family
        })
        .collect();
    let histograms: Vec<_> = (0..shape.histograms)
        .map(|number| {
            let make: fn() -> histogram::Histogram = || histogram::Histogram::new(BOUNDS);
            let family = Family::<Labels, histogram::Histogram, _>::new_with_constructor(make);
            registry.register(format!("histogram_{number}"), "Times.", family.clone());
            family
        })
        .collect();
    let bound: Vec<_> = (0..ENDPOINTS)
        .map(|number| {
            let labels = vec![
                ("stage", "chat".to_owned()),
                ("endpoint", format!("endpoint-{number}")),
            ];
            let counters: Vec<Counter> = counters
                .iter()
                .map(|family| family.get_or_create_owned(&labels))
                .collect();
            let histograms: Vec<histogram::Histogram> = histograms
                .iter()
                .map(|family| family.get_or_create_owned(&labels))
                .collect();
            for call in 0..CALLS {
                counters.iter().for_each(|counter| {
                    counter.inc();
                });
                for histogram in &histograms {
                    histogram.observe(f64::from(call) * 0.03);
                }
            }
            (counters[0].clone(), histograms[0].clone())
        })
        .collect();
    Subject {
        whose: "prometheus-client",
        text: Box::new(move || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("a string takes everything");
            text
        }),
        call: Box::new(move |number| {
            let (calls, took) = &bound[number];
            let begin = Timestamp::now();
            calls.inc();
            took.observe(Timestamp::now().since(begin).as_secs_f64());
        }),
    }
}

/// As many series of the `metrics` crate's exporter.
pub(super) fn metrics_exporter(shape: &Shape) -> Subject {
    let recorder = PrometheusBuilder::new()
        .set_buckets(&BOUNDS)
        .expect("there are buckets")
        .build_recorder();
    let handle = recorder.handle();
    let bound: Vec<_> = metrics::with_local_recorder(&recorder, || {
        let endpoint = |number| {
            let labels = [
                ("stage", "chat".to_owned()),
                ("endpoint", format!("endpoint-{number}")),
            ];
            let counters: Vec<_> = (0..shape.numbers)
                .map(|number| metrics::counter!(format!("counter_{number}"), &labels))
                .collect();
            let histograms: Vec<_> = (0..shape.histograms)
                .map(|number| metrics::histogram!(format!("histogram_{number}"), &labels))
                .collect();
            for call in 0..CALLS {
                counters.iter().for_each(|counter| counter.increment(1));
                for histogram in &histograms {
                    histogram.record(f64::from(call) * 0.03);
                }
            }
            (counters[0].clone(), histograms[0].clone())
        };
        (0..ENDPOINTS).map(endpoint).collect()
    });
    Subject {
        whose: "metrics-exporter-prometheus",
        text: Box::new(move || handle.render()),
        call: Box::new(move |number| {
            let (calls, took) = &bound[number];
            let begin = Timestamp::now();
            calls.increment(1);
            took.record(Timestamp::now().since(begin).as_secs_f64());
        }),
    }
}
