use std::{sync::Weak, time::Duration};

use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::{
    BoxError, Call, Endpoint,
    collect::{Collect, Metric, Sink},
    endpoint::Reason,
    metrics::{Window, text::parser::Parsed},
    testing::{Script, Step},
};

mod contract;
mod documents;

static TRIPS: Metric = Metric::new("breaker_trips", "Trips.");

/// Tells a number.
struct Breaker(f64);

impl Collect for Breaker {
    fn collect(&self, sink: &mut dyn Sink) {
        sink.counter(&TRIPS, self.0);
    }
}

fn read(metrics: &Metrics) -> Parsed {
    let open = Parsed::of(&metrics.open_metrics(), Format::OpenMetrics);
    let parsed = Parsed::of(&metrics.prometheus(), Format::Prometheus);
    assert_eq!(open.series().len(), parsed.series().len());
    parsed
}

/// Calls that answer after 10 ms.
fn script() -> Script<&'static str> {
    Script::new(Step::answer("well").after(Duration::from_millis(10)))
}

async fn call<S>(service: &S) -> Result<S::Response, S::Error>
where
    S: Service<()> + Clone,
{
    service.clone().oneshot(()).await
}
