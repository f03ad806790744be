use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::{ArcSwap, ArcSwapOption};
use campanile::time::Timestamp;

use super::{Refusals, admin::Token};
use crate::config::Warning;

/// What operators are told of the program itself. It outlives changes of the settings.
#[derive(Debug)]
pub(crate) struct Standing {
    began: Timestamp,
    started: SystemTime,
    warnings: ArcSwap<Vec<Warning>>,
    file: ArcSwapOption<PathBuf>,
    /// The operators' token, as the present settings have it.
    pub(super) token: ArcSwapOption<Token>,
    /// Names that have series of their own. They keep them: a counter that went into another would fall.
    names: Mutex<BTreeSet<(&'static str, String)>>,
    pub(crate) connections: Connections,
    /// What callers were answered with that was an error.
    pub(crate) refusals: Refusals,
    /// Where it listens, which a command line may say otherwise than the settings.
    listens_at: OnceLock<SocketAddr>,
}

/// Connections of clients.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    accepted: AtomicU64,
    closed: AtomicU64,
}

/// A connection that is open, until it is dropped.
#[derive(Debug)]
#[must_use = "the connection counts as closed once this is dropped"]
pub(crate) struct Open(Arc<Standing>);

/// How many names of each kind have series of their own.
const NAMES: usize = 200;
/// What others are told as, together.
const OTHER: &str = "(other)";

// ===== impl Standing =====

impl Default for Standing {
    fn default() -> Self {
        Self {
            began: Timestamp::now(),
            started: SystemTime::now(),
            warnings: ArcSwap::default(),
            file: ArcSwapOption::empty(),
            token: ArcSwapOption::empty(),
            names: Mutex::default(),
            connections: Connections::default(),
            refusals: Refusals::default(),
            listens_at: OnceLock::new(),
        }
    }
}

impl Standing {
    pub(crate) fn uptime(&self) -> Duration {
        Timestamp::now().since(self.began)
    }

    pub(crate) const fn started(&self) -> SystemTime {
        self.started
    }

    /// What is to be said of the settings in force.
    pub(crate) fn warnings(&self) -> Arc<Vec<Warning>> {
        self.warnings.load_full()
    }

    pub(crate) fn warn(&self, warnings: Vec<Warning>) {
        self.warnings.store(Arc::new(warnings));
    }

    /// The file that the settings are read from.
    pub(crate) fn file(&self) -> Option<Arc<PathBuf>> {
        self.file.load_full()
    }

    pub(crate) fn read_from(&self, file: &Path) {
        self.file.store(Some(Arc::new(file.to_owned())));
    }

    /// Where it listens; `None` without a listener of ours.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listens_at.get().copied()
    }

    pub(crate) fn listens_at(&self, address: SocketAddr) {
        // There is one listener.
        let _ = self.listens_at.set(address);
    }

    /// The name by which something that clients may have named is told: its own, for the first 200 of a kind.
    pub(super) fn name(&self, kind: &'static str, name: &str) -> String {
        let mut names = self.names();
        let known = (kind, name.to_owned());
        if names.contains(&known) {
            return known.1;
        }
        if names.iter().filter(|(other, _)| *other == kind).count() >= NAMES {
            return OTHER.to_owned();
        }
        names.insert(known.clone());
        known.1
    }

    fn names(&self) -> MutexGuard<'_, BTreeSet<(&'static str, String)>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a connection, for as long as what is returned lives.
    pub(crate) fn connect(self: &Arc<Self>) -> Open {
        self.connections.accepted.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }
}

// ===== impl Connections =====

impl Connections {
    /// How many there have been.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// How many are open.
    pub(super) fn open(&self) -> u64 {
        // Closed ones first: none that is counted there is missing among the accepted.
        let closed = self.closed.load(Ordering::Acquire);
        self.accepted().saturating_sub(closed)
    }
}

// ===== impl Open =====

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.closed.fetch_add(1, Ordering::Release);
    }
}
