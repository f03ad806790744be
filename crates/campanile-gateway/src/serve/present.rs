use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use crate::config::{AccessLog, Config};

/// What is looked at for each request, or each time that a connection is woken, as the present settings have it: open connections
/// go by it too, and none of them keeps old settings.
#[derive(Debug)]
pub(crate) struct Present {
    /// As it was at the start, which the log goes by altogether.
    access: AccessLog,
    head: AtomicU64,
    idle: AtomicU64,
    write: AtomicU64,
}

// ===== impl Present =====

impl Present {
    pub(crate) fn new(config: &Config) -> Self {
        let present = Self {
            access: config.log.access,
            head: AtomicU64::new(0),
            idle: AtomicU64::new(0),
            write: AtomicU64::new(0),
        };
        present.set(config);
        present
    }

    /// Goes on with these settings. Who looks meanwhile finds some of them: each stands for itself.
    pub(crate) fn set(&self, config: &Config) {
        let server = &config.server;
        for (time, limit) in [
            (&self.head, server.head_timeout),
            (&self.idle, server.idle_timeout),
            (&self.write, server.write_timeout),
        ] {
            let nanos = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
            time.store(nanos, Relaxed);
        }
    }

    /// Which calls are logged.
    pub(crate) const fn access(&self) -> AccessLog {
        self.access
    }

    /// How long a head may take.
    pub(super) fn head(&self) -> Duration {
        Duration::from_nanos(self.head.load(Relaxed))
    }

    /// How long a connection may be idle.
    pub(super) fn idle(&self) -> Duration {
        Duration::from_nanos(self.idle.load(Relaxed))
    }

    /// How long an answer may be left unread.
    pub(super) fn write(&self) -> Duration {
        Duration::from_nanos(self.write.load(Relaxed))
    }
}
