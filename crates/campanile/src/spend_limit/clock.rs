use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::time::{Timestamp, nanos};

/// The wall clock as it was read once, and goes on by the clock of calls since. A wall clock that is set, or jumps, changes
/// nothing for a budget that is spent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    offset: u64,
}

/// A wall clock that shows a later year than 2150 is taken to show that one: so that no period ends, and no process runs, beyond
/// what nanoseconds since 1970 can say, which is until 2554.
const LATEST: Duration = Duration::from_secs(180 * 31_556_952);

// ===== impl Clock =====

impl Clock {
    /// It is `wall` at `now`.
    pub(super) fn new(wall: SystemTime, now: Timestamp) -> Self {
        let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since = since.min(LATEST);
        Self {
            offset: nanos(since).wrapping_sub(now.as_nanos()),
        }
    }

    /// Nanoseconds since the beginning of 1970, UTC.
    #[inline]
    pub(super) const fn wall(self, now: Timestamp) -> u64 {
        now.as_nanos().wrapping_add(self.offset)
    }
}

/// A moment of the wall clock, for people; `None` for never.
pub(super) fn moment(end: u64) -> Option<SystemTime> {
    if super::account::Admitted::is_forever(end) {
        return None;
    }
    UNIX_EPOCH.checked_add(Duration::from_nanos(end))
}
