use std::{
    fmt,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use campanile::metrics::{Metrics, MetricsConfig};
use campanile_llm::{
    account::{Ledger, LedgerConfig},
    price::Prices,
    tokens::{Calibrated, OutputLengths},
};
use serde::Serialize;

use crate::{
    build::{BuildError, Live, Reloaded},
    config::{Config, Digest, Warning},
    operate::Standing,
    serve::Present,
};

/// The gateway: everything but its listener. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What outlives a change of the settings, and what the settings make.
struct Shared {
    live: ArcSwap<Live>,
    /// One change at a time.
    changing: Mutex<()>,
    last: ArcSwapOption<LastReload>,
    reloads: AtomicU64,
    refused: AtomicU64,
    /// What the files were like that settings were read from last, whether or not they were put into force.
    digest: Mutex<Option<Digest>>,
    kept: Kept,
    present: Present,
    stopping: AtomicBool,
}

/// How a change of the settings went.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub(crate) struct LastReload {
    /// What was changed, or why nothing was.
    pub(crate) result: Result<Reloaded, String>,
    /// When that was.
    pub(crate) at: SystemTime,
    /// When settings were put into force last.
    pub(crate) last_success: Option<SystemTime>,
}

/// What outlives a change of the settings.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
    pub(crate) prices: Prices,
    /// What is learned of bytes and tokens.
    pub(crate) ratios: Calibrated,
    /// What is learned of the lengths of answers.
    pub(crate) lengths: OutputLengths,
    /// What operators are told of the program itself.
    pub(crate) standing: Arc<Standing>,
}

// ===== impl Gateway =====

impl Gateway {
    /// A gateway with these settings, which are complete: see [`config::load`](crate::config).
    ///
    /// Must be called within a tokio runtime: pools run in tasks.
    ///
    /// # Errors
    ///
    /// When something that the settings name is not there, or cannot be.
    pub fn new(config: Config) -> Result<Self, BuildError> {
        let kept = Kept {
            ledger: Ledger::new(LedgerConfig::default())?,
            metrics: Metrics::new(MetricsConfig::default())?,
            prices: Prices::default(),
            ratios: Calibrated::default(),
            lengths: OutputLengths::default(),
            standing: Arc::default(),
        };
        let (live, _) = Live::plan(config, &kept, None)?.commit();
        let present = Present::new(&live.config);
        let live = ArcSwap::from_pointee(live);
        Ok(Self {
            shared: Arc::new(Shared {
                live,
                changing: Mutex::default(),
                last: ArcSwapOption::empty(),
                reloads: AtomicU64::new(0),
                refused: AtomicU64::new(0),
                digest: Mutex::default(),
                kept,
                present,
                stopping: AtomicBool::new(false),
            }),
        })
    }

    /// Goes on with these settings. Calls under way end by the old ones. What is equal in both keeps its state: pools and their
    /// members, breakers, limits and budgets, what is measured and learned. What is not equal keeps what can be kept, and the
    /// rest is [told](Reloaded::anew).
    ///
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then nothing has changed.
    pub fn reload(&self, config: Config) -> Result<Reloaded, BuildError> {
        let done = self.try_reload(config);
        if let Err(error) = &done {
            self.refuse(&error.to_string());
        }
        done
    }

    /// The same, but that a refusal is not noted.
    pub(crate) fn try_reload(&self, config: Config) -> Result<Reloaded, BuildError> {
        let changing = self.shared.changing.lock();
        let _changing = changing.unwrap_or_else(PoisonError::into_inner);
        let before = self.shared.live.load_full();
        let planned = Live::plan(config, &self.shared.kept, Some(&before))?;
        let (live, told) = planned.commit();
        self.shared.present.set(&live.config);
        self.shared.live.store(Arc::new(live));
        self.shared.reloads.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now();
        self.shared.last.store(Some(Arc::new(LastReload {
            result: Ok(told.clone()),
            at: now,
            last_success: Some(now),
        })));
        Ok(told)
    }

    /// Notes that settings were refused, and why.
    pub(crate) fn refuse(&self, why: &str) {
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        let before = self.last_reload();
        self.shared.last.store(Some(Arc::new(LastReload {
            result: Err(why.to_owned()),
            at: SystemTime::now(),
            last_success: before.and_then(|before| before.last_success),
        })));
    }

    /// Tells operators what is to be said of the settings in force.
    #[must_use]
    pub fn with_warnings(self, warnings: Vec<Warning>) -> Self {
        self.shared.kept.standing.warn(warnings);
        self
    }

    /// Tells from which file the settings were read, and are read again when an operator asks for it.
    #[must_use]
    pub fn with_file(self, file: &Path) -> Self {
        self.shared.kept.standing.read_from(file);
        self
    }

    /// Tells what the files were like that its settings were read from, so that an edit is noticed that came since.
    #[must_use]
    pub fn with_digest(self, digest: Digest) -> Self {
        self.note(digest);
        self
    }

    /// Notes what was read last.
    pub(crate) fn note(&self, digest: Digest) {
        let known = self.shared.digest.lock();
        *known.unwrap_or_else(PoisonError::into_inner) = Some(digest);
    }

    /// What was read last.
    pub(crate) fn digest(&self) -> Option<Digest> {
        let known = self.shared.digest.lock();
        known.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How often settings were put into force while it ran, and how often they were refused.
    pub(crate) fn reloads(&self) -> (u64, u64) {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        (read(&self.shared.reloads), read(&self.shared.refused))
    }

    /// How the latest change of the settings went; `None` before there was one.
    pub(crate) fn last_reload(&self) -> Option<Arc<LastReload>> {
        self.shared.last.load_full()
    }

    /// Takes no new calls from now on, and says so to those who ask whether it is ready. Calls under way go on.
    pub fn stop(&self) {
        self.shared.stopping.store(true, Ordering::Release);
    }

    /// Whether it takes no new calls any more.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Acquire)
    }

    /// What calls go by now.
    pub(crate) fn live(&self) -> Guard<Arc<Live>> {
        self.shared.live.load()
    }

    /// What is looked at so often that it is kept apart.
    pub(crate) fn present(&self) -> &Present {
        &self.shared.present
    }

    pub(crate) fn kept(&self) -> &Kept {
        &self.shared.kept
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
