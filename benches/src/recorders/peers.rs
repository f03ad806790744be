use std::{sync::Arc, time::Duration};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use opentelemetry::{KeyValue, metrics::MeterProvider};
use opentelemetry_sdk::metrics::{ManualReader, SdkMeterProvider};
use prometheus_client::metrics::{counter, gauge, histogram};
use tower::Layer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

use super::{
    BOUNDS, GUARDS, UNARY, prometheus,
    recording::{Record, Recording},
};
use crate::{Instant0, case::Case, guards};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(UNARY, "metrics, its Prometheus exporter", || {
            prometheus();
            Recording::new(Arc::new(Bound::new()))
        }),
        Case::numbers(UNARY, "metrics, handles looked up at each call", || {
            prometheus();
            Recording::new(LookedUp(Arc::from("a")))
        }),
        Case::numbers(UNARY, "opentelemetry_sdk", || {
            Recording::new(Arc::new(Telemetry::new()))
        }),
        Case::numbers(UNARY, "prometheus-client", || {
            Recording::new(Arc::new(Client::new()))
        }),
        Case::numbers(GUARDS, "tower-resilience, breaker", || {
            prometheus();
            CircuitBreakerLayer::builder()
                .build()
                .expect("the defaults are valid")
                .layer(Instant0)
        }),
        Case::numbers(GUARDS, "tower-resilience, six", || {
            prometheus();
            guards::six()
        }),
    ]
}

/// The `metrics` crate's, bound once.
struct Bound {
    calls: Counter,
    in_flight: Gauge,
    took: Histogram,
}

/// The `metrics` crate's, looked up by a label that is known only while running, as its macros are mostly used.
#[derive(Clone)]
struct LookedUp(Arc<str>);

/// OpenTelemetry's instruments, read by nobody but a reader that waits to be asked.
struct Telemetry {
    calls: opentelemetry::metrics::Counter<u64>,
    in_flight: opentelemetry::metrics::UpDownCounter<i64>,
    took: opentelemetry::metrics::Histogram<f64>,
    labels: [KeyValue; 1],
    // Ends the instruments when it is dropped.
    _provider: SdkMeterProvider,
}

/// The Rust client of the Prometheus project.
pub(super) struct Client {
    pub(super) calls: counter::Counter,
    pub(super) in_flight: gauge::Gauge,
    pub(super) took: histogram::Histogram,
}

// ===== impl Bound =====

impl Bound {
    fn new() -> Self {
        Self {
            calls: counter!("bound_calls", "endpoint" => "a"),
            in_flight: gauge!("bound_in_flight", "endpoint" => "a"),
            took: histogram!("bound_took_seconds", "endpoint" => "a"),
        }
    }
}

impl Record for Arc<Bound> {
    fn begin(&self) {
        self.calls.increment(1);
        self.in_flight.increment(1.0);
    }

    fn end(&self, took: Duration) {
        self.in_flight.decrement(1.0);
        self.took.record(took.as_secs_f64());
    }
}

// ===== impl LookedUp =====

impl Record for LookedUp {
    fn begin(&self) {
        counter!("calls", "endpoint" => self.0.clone()).increment(1);
        gauge!("in_flight", "endpoint" => self.0.clone()).increment(1.0);
    }

    fn end(&self, took: Duration) {
        gauge!("in_flight", "endpoint" => self.0.clone()).decrement(1.0);
        histogram!("took_seconds", "endpoint" => self.0.clone()).record(took.as_secs_f64());
    }
}

// ===== impl Telemetry =====

impl Telemetry {
    fn new() -> Self {
        let provider = SdkMeterProvider::builder()
            .with_reader(ManualReader::builder().build())
            .build();
        let meter = provider.meter("bench");
        Self {
            calls: meter.u64_counter("calls").build(),
            in_flight: meter.i64_up_down_counter("in_flight").build(),
            took: meter
                .f64_histogram("took")
                .with_boundaries(BOUNDS.to_vec())
                .build(),
            labels: [KeyValue::new("endpoint", "a")],
            _provider: provider,
        }
    }
}

impl Record for Arc<Telemetry> {
    fn begin(&self) {
        self.calls.add(1, &self.labels);
        self.in_flight.add(1, &self.labels);
    }

    fn end(&self, took: Duration) {
        self.in_flight.add(-1, &self.labels);
        self.took.record(took.as_secs_f64(), &self.labels);
    }
}

// ===== impl Client =====

impl Client {
    pub(super) fn new() -> Self {
        Self {
            calls: counter::Counter::default(),
            in_flight: gauge::Gauge::default(),
            took: histogram::Histogram::new(BOUNDS),
        }
    }
}

impl Record for Arc<Client> {
    fn begin(&self) {
        self.calls.inc();
        self.in_flight.inc();
    }

    fn end(&self, took: Duration) {
        self.in_flight.dec();
        self.took.observe(took.as_secs_f64());
    }
}
