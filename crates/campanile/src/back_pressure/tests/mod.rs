//! The contracts of the layer. Each is a test, by subject.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tower::ServiceExt;
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError,
    control::Dial,
    protocol::{Followed, Unary},
    testing::{Script, Scripted, Step},
};

mod collect;
mod contract;
mod endings;
mod peers;
mod rule;
mod scenario;
mod streaming;
mod threads;
mod windows;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

/// A dial from 1 to 100.
#[derive(Debug)]
struct Knob {
    value: Mutex<f64>,
    whole: bool,
    gone: AtomicBool,
}

impl Knob {
    fn real(value: f64) -> Arc<Self> {
        Self::new(value, false)
    }

    /// Whole numbers only: the fraction is cut off.
    fn whole(value: f64) -> Arc<Self> {
        Self::new(value, true)
    }

    fn new(value: f64, whole: bool) -> Arc<Self> {
        Arc::new(Self {
            value: Mutex::new(value),
            whole,
            gone: AtomicBool::new(false),
        })
    }
}

impl Dial for Knob {
    fn value(&self) -> f64 {
        *self.value.lock().unwrap()
    }

    fn set(&self, value: f64) -> f64 {
        let value = if self.whole { value.floor() } else { value };
        let value = value.clamp(1.0, 100.0);
        *self.value.lock().unwrap() = value;
        value
    }

    fn is_alive(&self) -> bool {
        !self.gone.load(Ordering::Relaxed)
    }
}

type Service<S = Scripted<&'static str>> = BackPressure<S, Unary>;

/// A service by script, with a capacity of 40 and a rate of 80.
struct Scene {
    script: Script<&'static str>,
    service: Service,
    capacity: Arc<Knob>,
    rate: Arc<Knob>,
}

impl Scene {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: BackPressureConfig) -> Self {
        let script = Script::answering("well");
        let (capacity, rate) = (Knob::whole(40.0), Knob::real(80.0));
        let layer = BackPressureLayer::new(config.build().unwrap())
            .unwrap()
            .capacity(capacity.clone())
            .rate(rate.clone());
        Self {
            service: layer.layer(script.service()),
            script,
            capacity,
            rate,
        }
    }

    /// So many calls with this step, at once.
    async fn calls(&self, count: usize, step: Step<&'static str>) {
        self.script.set(step);
        let calls = (0..count).map(|_| self.service.clone().oneshot(()));
        let _ = futures_util::future::join_all(calls).await;
    }

    /// Lets the window pass; the first call after it says what it meant.
    async fn close(&self) -> Decision {
        tokio::time::advance(SEC * 10).await;
        self.judge().await
    }

    async fn judge(&self) -> Decision {
        self.script.set(Step::stall());
        let mut service = self.service.clone();
        let call = ServiceExt::<()>::ready(&mut service).await.unwrap();
        drop(tower_service::Service::call(call, ()));
        self.latest().expect("nothing was decided")
    }

    fn latest(&self) -> Option<Decision> {
        self.service.handle().snapshot().latest
    }

    fn dials(&self) -> (f64, f64) {
        (self.capacity.value(), self.rate.value())
    }
}

fn config() -> BackPressureConfig {
    BackPressureConfig::default()
}

fn well() -> Step<&'static str> {
    Step::answer("well")
}

fn broken() -> Step<&'static str> {
    Step::error("broken")
}
