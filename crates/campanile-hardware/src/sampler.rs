use std::{fmt, sync::Arc, time::Duration};

use campanile::{control::Dial, time::Timestamp};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use crate::{
    config::CeilingConfig,
    hardware::Hardware,
    source::{Source, System},
    state::{Ceiling, CeilingSnapshot, Change},
};

/// Reads the machine in a task of its own, and moves the ceilings of the stages; without a stage it only tells what it
/// reads. See the [crate](crate).
#[must_use = "a sampler does nothing until it is spawned"]
pub struct Sampler<S = System> {
    source: S,
    interval: Duration,
    stages: Vec<(String, CeilingConfig, Arc<dyn Dial>)>,
}

/// Keeps a sampler's task running; the task ends when this is dropped.
#[must_use = "a sampler ends when its handle is dropped"]
pub struct SamplerHandle {
    task: JoinHandle<()>,
    latest: watch::Receiver<Sample>,
}

/// What a sampler saw last, and what it made of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// The machine.
    pub hardware: Hardware,
    /// The stages, in the order in which they were added.
    pub stages: Vec<StageSnapshot>,
}

/// The ceiling of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageSnapshot {
    /// The stage's name.
    pub stage: String,
    /// Its ceiling.
    #[serde(flatten)]
    pub ceiling: CeilingSnapshot,
    /// Where its dial stands: what the owner made of the ceiling.
    pub dial: f64,
}

/// A sampler at work.
struct Running<S> {
    source: S,
    stages: Vec<Stage>,
    latest: watch::Sender<Sample>,
}

struct Stage {
    name: String,
    ceiling: Ceiling,
    dial: Arc<dyn Dial>,
}

// ===== impl Sampler =====

impl Sampler {
    /// Reads this machine, once a second.
    pub fn new() -> Self {
        Self::with_source(System::new())
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Sampler<S> {
    /// Reads `source`, once a second.
    pub fn with_source(source: S) -> Self {
        Self {
            source,
            interval: Duration::from_secs(1),
            stages: Vec::new(),
        }
    }

    /// How often it reads; 1 s by default, and never more often than every millisecond.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(Duration::from_millis(1));
        self
    }

    /// Moves `dial` as the ceiling of this stage. `config` is one that was [checked](CeilingConfig::build).
    pub fn stage(
        mut self,
        name: impl Into<String>,
        config: CeilingConfig,
        dial: impl Dial + 'static,
    ) -> Self {
        self.stages.push((name.into(), config, Arc::new(dial)));
        self
    }
}

impl<S: Source + Send + 'static> Sampler<S> {
    /// Reads once and sets every dial, then goes on in a task.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn spawn(self) -> SamplerHandle {
        let period = self.interval;
        let (running, latest) = self.begin(Timestamp::now());
        let task = tokio::spawn(running.run(period));
        SamplerHandle { task, latest }
    }

    fn begin(mut self, now: Timestamp) -> (Running<S>, watch::Receiver<Sample>) {
        let hardware = self.source.read();
        if !hardware.missing.is_empty() {
            tracing::debug!(missing = ?hardware.missing, "not everything of the machine can be read");
        }
        let stages: Vec<_> = self
            .stages
            .into_iter()
            .map(|(name, config, dial)| Stage {
                name,
                ceiling: config.ceiling(&hardware, now),
                dial,
            })
            .collect();
        for stage in &stages {
            stage.turn();
        }
        let (latest, receiver) = watch::channel(sample(&stages, hardware));
        let running = Running {
            source: self.source,
            stages,
            latest,
        };
        (running, receiver)
    }
}

impl<S> fmt::Debug for Sampler<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.stages.iter().map(|(name, config, _)| (name, config));
        f.debug_struct("Sampler")
            .field("interval", &self.interval)
            .field("stages", &stages.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

// ===== impl Running =====

impl<S: Source> Running<S> {
    async fn run(mut self, period: Duration) {
        let mut ticks = interval(period);
        // Readings close together say nothing new.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        // Without a stage from the start it only tells what it reads.
        let moves = !self.stages.is_empty();
        loop {
            ticks.tick().await;
            self.stages.retain(|stage| stage.dial.is_alive());
            if moves && self.stages.is_empty() {
                return;
            }
            self.step(Timestamp::now());
        }
    }

    fn step(&mut self, now: Timestamp) {
        let hardware = self.source.read();
        for stage in &mut self.stages {
            stage.step(&hardware, now);
        }
        let sample = sample(&self.stages, hardware);
        self.latest.send_replace(sample);
    }
}

fn sample(stages: &[Stage], hardware: Hardware) -> Sample {
    Sample {
        hardware,
        stages: stages.iter().map(Stage::snapshot).collect(),
    }
}

// ===== impl Stage =====

impl Stage {
    fn step(&mut self, hardware: &Hardware, now: Timestamp) {
        let change = self.ceiling.step(hardware, now);
        if change == Change::Held {
            return;
        }
        let ceiling = self.turn();
        match change {
            Change::Cut(cause) => {
                tracing::warn!(
                    stage = &*self.name,
                    ?cause,
                    ceiling,
                    "a ceiling was lowered"
                );
            }
            _ => tracing::info!(
                stage = &*self.name,
                ?change,
                ceiling,
                "a ceiling was changed"
            ),
        }
    }

    fn turn(&self) -> f64 {
        self.dial.set(self.ceiling.value())
    }

    fn snapshot(&self) -> StageSnapshot {
        StageSnapshot {
            stage: self.name.clone(),
            ceiling: self.ceiling.snapshot(),
            dial: self.dial.value(),
        }
    }
}

// ===== impl SamplerHandle =====

impl SamplerHandle {
    /// What was seen last.
    #[must_use]
    pub fn latest(&self) -> Sample {
        self.latest.borrow().clone()
    }

    /// Tells of each reading. Its sender is gone when the sampler has ended.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Sample> {
        self.latest.clone()
    }

    /// Whether the sampler has ended by itself: nothing of what it was to move is left.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for SamplerHandle {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for SamplerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplerHandle")
            .field("latest", &*self.latest.borrow())
            .field("finished", &self.is_finished())
            .finish()
    }
}
