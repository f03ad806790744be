//! What a connection is doing, since when, and how long it may.

use std::{
    sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use campanile::time::Timestamp;

use super::present::Present;

/// What a connection is doing. Its transport, its service and its task tell each other by it; all run in the same task, so
/// nothing needs an order.
#[derive(Debug)]
pub(super) struct Clocks {
    stage: AtomicU8,
    /// Since when it is in this stage; 0 while nobody has asked. Most stages are over before anybody does, and the clock is not
    /// read for them.
    since: AtomicU64,
    /// Since when nothing of an answer could be written; 0 while something can.
    blocked: AtomicU64,
    /// Whether the client may still be sending what nobody will read.
    unread: AtomicBool,
    /// Whether something was written that is not flushed.
    dirty: AtomicBool,
    /// Whether the present call was handed on, so that somebody may have been asked to answer it.
    sent: AtomicBool,
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
            sent: AtomicBool::new(false),
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

    /// Enters a stage, in which it is from the next look at the clock on.
    pub(super) fn enter(&self, stage: Stage) {
        self.stage.store(stage as u8, Relaxed);
        self.since.store(0, Relaxed);
    }

    /// Enters a stage, in which it has been since then.
    pub(super) fn enter_at(&self, stage: Stage, since: Timestamp) {
        self.stage.store(stage as u8, Relaxed);
        self.since.store(since.as_nanos(), Relaxed);
    }

    /// Since when it is in this stage.
    pub(super) fn since(&self) -> Timestamp {
        match self.since.load(Relaxed) {
            0 => {
                let now = Timestamp::now();
                self.since.store(now.as_nanos(), Relaxed);
                now
            }
            since => Timestamp::from_nanos(since),
        }
    }

    /// A call begins.
    pub(super) fn begin_call(&self) {
        self.enter(Stage::Call);
        self.sent.store(false, Relaxed);
    }

    /// The call is handed on.
    pub(super) fn sent(&self) {
        self.sent.store(true, Relaxed);
    }

    pub(super) fn was_sent(&self) -> bool {
        self.sent.load(Relaxed)
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
        present: &Present,
        has_buffers: bool,
    ) -> Option<(Timestamp, Expired)> {
        let blocked = self.blocked.load(Relaxed);
        if blocked != 0 {
            let blocked = Timestamp::from_nanos(blocked);
            return Some((blocked.after(present.write()), Expired::Write));
        }
        let (limit, expired) = match self.stage() {
            Stage::Idle => {
                let idle = present.idle();
                // Not later than a head has to be there: hyper may hold the begin of one, which is seen when it dozes.
                let awake = AWAKE.min(present.head());
                match has_buffers && awake < idle {
                    true => (awake, Expired::Doze),
                    false => (idle, Expired::Idle),
                }
            }
            Stage::Head => (present.head(), Expired::Head),
            Stage::Closing => (CLOSING, Expired::Closing),
            Stage::Call => return None,
        };
        Some((self.since().after(limit), expired))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_stage_has_its_time() {
        let config = Present::new(&Config::default());
        let at = |seconds| Timestamp::from_nanos(1).after(Duration::from_secs(seconds));
        let clocks = Clocks::new(at(0));
        assert_eq!(clocks.next(&config, false), Some((at(120), Expired::Idle)));
        assert_eq!(clocks.next(&config, true), Some((at(5), Expired::Doze)));
        clocks.enter_at(Stage::Head, at(7));
        assert_eq!(clocks.next(&config, false), Some((at(17), Expired::Head)));
        clocks.begin_call();
        assert_eq!(clocks.next(&config, false), None);
        clocks.enter_at(Stage::Closing, at(9));
        assert_eq!(
            clocks.next(&config, false),
            Some((at(11), Expired::Closing))
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_nothing_is_waited_for_from_the_first_byte_that_did_not_go() {
        let config = Present::new(&Config::default());
        let clocks = Clocks::new(Timestamp::now());
        clocks.begin_call();
        clocks.written(false);
        let first = Timestamp::now();
        tokio::time::advance(Duration::from_secs(30)).await;
        clocks.written(false);
        let expected = first.after(config.write());
        assert_eq!(
            clocks.next(&config, false),
            Some((expected, Expired::Write))
        );
        clocks.written(true);
        assert_eq!(clocks.next(&config, false), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stage_begins_when_its_end_is_asked_for_first() {
        let config = Present::new(&Config::default());
        let clocks = Clocks::new(Timestamp::now());
        tokio::time::advance(Duration::from_secs(3)).await;
        clocks.enter(Stage::Idle);
        let begun = Timestamp::now();
        for _ in 0..2 {
            let expected = begun.after(config.idle());
            assert_eq!(clocks.next(&config, false), Some((expected, Expired::Idle)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    }
}
