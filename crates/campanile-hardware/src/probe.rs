use std::{
    fmt,
    future::{Future, ready},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use campanile::{
    config::Invalid,
    health::{Check, Probe, Report},
    time::Timestamp,
};
use tokio::sync::watch;

use crate::{
    hardware::Memory,
    sampler::{Sample, SamplerHandle},
    source::{Source, System},
};

/// Looks how much memory is in use where this program runs: of the machine, or of its container where that has less. A
/// health probe for processors that run here, in this process or beside it; what others have is theirs to report.
///
/// It is unhealthy where more is in use than a share. Pages of files that the kernel can drop are not in use. Where nothing
/// is known of the memory the report is [`Unknown`](campanile::health::Verdict::Unknown). Metrics: `memory_used`, from 0 to
/// 1, and `memory_available_bytes`.
///
/// Memory is read at most once a second, however many endpoints are probed, which takes about a tenth of a millisecond; or
/// [by a sampler](Self::watching) that reads it anyhow. Clones share the reading.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), campanile::config::Invalid> {
/// use campanile::{Endpoint, health::{Check, Probe}};
/// use campanile_hardware::MemoryProbe;
///
/// let probe = MemoryProbe::new(0.9)?;
/// let report = probe.check(Check::new(Endpoint::new("local"), ())).await;
/// println!("{:?} {}", report.verdict, report.message);
///
/// let error = MemoryProbe::with_free(0.0).unwrap_err();
/// assert_eq!(error.to_string(), "memory_probe.min_free is 0.0: it must be above 0 and below 1");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct MemoryProbe {
    max_used: f64,
    reading: Reading,
}

#[derive(Clone)]
enum Reading {
    Own(Arc<Mutex<Own>>),
    Sampled(watch::Receiver<Sample>),
}

struct Own {
    /// An object, so that a probe is of one type whatever it reads.
    source: Box<dyn Source + Send>,
    latest: Option<(Timestamp, Memory)>,
}

/// Readings closer together say nothing new.
const INTERVAL: Duration = Duration::from_secs(1);

// ===== impl MemoryProbe =====

impl MemoryProbe {
    /// Unhealthy where more than this share of the memory is in use, read from this machine.
    ///
    /// # Errors
    ///
    /// When it is not above 0 and below 1.
    pub fn new(max_used: f64) -> Result<Self, Invalid> {
        Self::assemble("max_used", max_used, max_used, own(System::new()))
    }

    /// Unhealthy where less than this share of the memory is free, read from this machine.
    ///
    /// # Errors
    ///
    /// When it is not above 0 and below 1.
    pub fn with_free(min_free: f64) -> Result<Self, Invalid> {
        Self::assemble("min_free", min_free, 1.0 - min_free, own(System::new()))
    }

    /// Unhealthy where more than this share of the memory was in use when this sampler read it last. When the sampler has
    /// ended it cannot tell.
    ///
    /// # Errors
    ///
    /// When it is not above 0 and below 1.
    pub fn watching(max_used: f64, sampler: &SamplerHandle) -> Result<Self, Invalid> {
        let reading = Reading::Sampled(sampler.watch());
        Self::assemble("max_used", max_used, max_used, reading)
    }

    /// Reads from there, and not from this machine or a sampler.
    #[must_use]
    pub fn with_source(mut self, source: impl Source + Send + 'static) -> Self {
        self.reading = own(source);
        self
    }

    fn assemble(
        field: &'static str,
        share: f64,
        max_used: f64,
        reading: Reading,
    ) -> Result<Self, Invalid> {
        let kept = share > 0.0 && share < 1.0;
        let rule = "it must be above 0 and below 1";
        Invalid::unless(kept, "memory_probe", field, &share, rule)?;
        Ok(Self { max_used, reading })
    }

    fn report(&self) -> Report {
        let Some(memory) = self.reading.memory() else {
            return Report::unknown("the sampler has ended");
        };
        let Some(used) = memory.used() else {
            return Report::unknown("nothing is known of the memory");
        };
        let report = if used > self.max_used {
            let mib = memory.usable() >> 20;
            let (percent, most) = (100.0 * used, 100.0 * self.max_used);
            Report::unhealthy(format!(
                "{percent:.1} % of {mib} MiB in use, more than {most:.1} %"
            ))
        } else {
            Report::healthy()
        };
        report
            .with_metric("memory_used", used)
            .with_metric("memory_available_bytes", memory.available as f64)
    }
}

impl<T> Probe<T> for MemoryProbe {
    fn check(&self, _check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        ready(self.report())
    }
}

impl fmt::Debug for MemoryProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sampled = matches!(self.reading, Reading::Sampled(_));
        f.debug_struct("MemoryProbe")
            .field("max_used", &self.max_used)
            .field("sampled", &sampled)
            .finish_non_exhaustive()
    }
}

// ===== impl Reading =====

fn own(source: impl Source + Send + 'static) -> Reading {
    Reading::Own(Arc::new(Mutex::new(Own {
        source: Box::new(source),
        latest: None,
    })))
}

impl Reading {
    fn memory(&self) -> Option<Memory> {
        match self {
            Self::Own(own) => {
                // A source that panicked once may be read again.
                let mut own = own.lock().unwrap_or_else(PoisonError::into_inner);
                Some(own.memory(Timestamp::now()))
            }
            // It only errs when the sender is gone: the reading is an old one and stays so.
            Self::Sampled(sampled) => {
                sampled.has_changed().ok()?;
                Some(sampled.borrow().hardware.memory)
            }
        }
    }
}

// ===== impl Own =====

impl Own {
    fn memory(&mut self, now: Timestamp) -> Memory {
        if let Some((read_at, memory)) = self.latest
            && now.since(read_at) < INTERVAL
        {
            return memory;
        }
        let memory = self.source.read().memory;
        self.latest = Some((now, memory));
        memory
    }
}
