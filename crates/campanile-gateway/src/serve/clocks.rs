//! What a connection is doing, since when, and how long it may.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use campanile::time::Timestamp;

use crate::config::ServerConfig;

/// What a connection is doing. Its transport, its service and its task tell each other by it; all run in the same task, so
/// nothing needs an order.
#[derive(Debug)]
pub(super) struct Clocks {
    stage: AtomicU8,
    /// Since when it is in this stage.
    since: AtomicU64,
    /// Since when nothing of an answer could be written; 0 while something can.
    blocked: AtomicU64,
    /// Whether the client may still be sending what nobody will read.
    unread: AtomicBool,
    /// Whether something was written that is not flushed.
    dirty: AtomicBool,
    /// Whether an answer was cut.
    cut: AtomicBool,
}

/// A stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Stage {
    /// Nothing has come of the next request.
    Idle,
    /// A head has begun to come.
    Head,
    /// A request is worked on, or its answer is sent.
    Call,
    /// The last answer is sent; since then, or since the client sent something that was thrown away.
    Closing,
}

/// Which time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// It has been idle for as long as buffers are kept for it.
    Doze,
    Idle,
    Head,
    Write,
    Closing,
}

/// How long a client may be silent that has the last answer, before it closes: 2 s.
const CLOSING: Duration = Duration::from_secs(2);

/// How long buffers are kept for a connection that is idle: 5 s.
const AWAKE: Duration = Duration::from_secs(5);

// ===== impl Clocks =====

impl Clocks {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            stage: AtomicU8::new(Stage::Idle as u8),
            since: AtomicU64::new(now.as_nanos()),
            blocked: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            dirty: AtomicBool::new(false),
            cut: AtomicBool::new(false),
        }
    }

    pub(super) fn stage(&self) -> Stage {
        match self.stage.load(Relaxed) {
            0 => Stage::Idle,
            1 => Stage::Head,
            2 => Stage::Call,
            _ => Stage::Closing,
        }
    }

    pub(super) fn enter(&self, stage: Stage, now: Timestamp) {
        self.stage.store(stage as u8, Relaxed);
        self.since.store(now.as_nanos(), Relaxed);
    }

    /// Something was written, or nothing can be.
    pub(super) fn written(&self, could_be: bool) {
        let blocked = self.blocked.load(Relaxed);
        match (could_be, blocked) {
            (true, 0) => {}
            (true, _) => self.blocked.store(0, Relaxed),
            (false, 0) => self.blocked.store(Timestamp::now().as_nanos(), Relaxed),
            (false, _) => {}
        }
    }

    /// The client may be sending a body that nobody reads, or no more.
    pub(super) fn leaves_unread(&self, unread: bool) {
        self.unread.store(unread, Relaxed);
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// Something was written, or all of it is flushed.
    pub(super) fn flushed(&self, all: bool) {
        self.dirty.store(!all, Relaxed);
    }

    pub(super) fn is_flushed(&self) -> bool {
        !self.dirty.load(Relaxed)
    }

    /// An answer was cut.
    pub(super) fn cut(&self) {
        self.cut.store(true, Relaxed);
    }

    pub(super) fn was_cut(&self) -> bool {
        self.cut.load(Relaxed)
    }

    /// Which time runs out next, and when, for a connection that has buffers or none; `None` while a call is worked on, whose
    /// own limits hold.
    pub(super) fn next(
        &self,
        config: &ServerConfig,
        has_buffers: bool,
    ) -> Option<(Timestamp, Expired)> {
        let blocked = self.blocked.load(Relaxed);
        let (since, (limit, expired)) = match (blocked, self.stage()) {
            (0, stage) => {
                let since = self.since.load(Relaxed);
                let of_stage = match stage {
                    Stage::Idle if has_buffers && AWAKE < config.idle_timeout => {
                        (AWAKE, Expired::Doze)
                    }
                    Stage::Idle => (config.idle_timeout, Expired::Idle),
                    Stage::Head => (config.head_timeout, Expired::Head),
                    Stage::Closing => (CLOSING, Expired::Closing),
                    Stage::Call => return None,
                };
                (since, of_stage)
            }
            (blocked, _) => (blocked, (config.write_timeout, Expired::Write)),
        };
        Some((Timestamp::from_nanos(since).after(limit), expired))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_stage_has_its_time() {
        let config = ServerConfig::default();
        let at = |seconds| Timestamp::from_nanos(1).after(Duration::from_secs(seconds));
        let clocks = Clocks::new(at(0));
        assert_eq!(clocks.next(&config, false), Some((at(120), Expired::Idle)));
        assert_eq!(clocks.next(&config, true), Some((at(5), Expired::Doze)));
        clocks.enter(Stage::Head, at(7));
        assert_eq!(clocks.next(&config, false), Some((at(17), Expired::Head)));
        clocks.enter(Stage::Call, at(8));
        assert_eq!(clocks.next(&config, false), None);
        clocks.enter(Stage::Closing, at(9));
        assert_eq!(
            clocks.next(&config, false),
            Some((at(11), Expired::Closing))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_waited_for_from_the_first_byte_that_did_not_go() {
        let config = ServerConfig::default();
        let clocks = Clocks::new(Timestamp::now());
        clocks.enter(Stage::Call, Timestamp::now());
        clocks.written(false);
        let first = Timestamp::now();
        tokio::time::advance(Duration::from_secs(30)).await;
        clocks.written(false);
        let expected = first.after(config.write_timeout);
        assert_eq!(
            clocks.next(&config, false),
            Some((expected, Expired::Write))
        );
        clocks.written(true);
        assert_eq!(clocks.next(&config, false), None);
    }
}
