use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use campanile::metrics::{Metrics, MetricsConfig};
use campanile_llm::account::{Ledger, LedgerConfig};
use serde::Serialize;

use crate::{
    build::{BuildError, Live, Reloaded},
    config::Config,
};

/// The gateway: everything but its listener. Clones are the same gateway.
#[derive(Clone)]
pub struct Gateway {
    shared: Arc<Shared>,
}

/// What outlives a change of the settings, and what the settings make.
struct Shared {
    live: ArcSwap<Live>,
    last: ArcSwapOption<LastReload>,
    kept: Kept,
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
}

/// What outlives a change of the settings.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Metrics,
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
        };
        let live = Live::new(config, &kept, None)?;
        let live = ArcSwap::from_pointee(live);
        Ok(Self {
            shared: Arc::new(Shared {
                live,
                last: ArcSwapOption::empty(),
                kept,
                stopping: AtomicBool::new(false),
            }),
        })
    }

    /// Goes on with these settings. Calls under way end by the old ones. What is equal in both keeps its state: members their
    /// breakers and measurements, keys their budgets.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); then nothing has changed.
    pub fn reload(&self, config: Config) -> Result<Reloaded, BuildError> {
        let before = self.shared.live.load_full();
        let live = Live::new(config, &self.shared.kept, Some(&before))?;
        self.shared.live.store(Arc::new(live));
        Ok(Reloaded::default())
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

    pub(crate) fn kept(&self) -> &Kept {
        &self.shared.kept
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
