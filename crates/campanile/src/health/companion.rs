//! Others who judge the members that a monitor looks after.

use std::task::Context;

use super::MemberId;
use crate::{endpoint::Endpoint, time::Timestamp};

/// Judges the members beside the probes, in the monitor's task; outlier detection is one. It writes its verdicts into the
/// fleet by itself, and does nothing that takes long.
pub(super) trait Companion: Send {
    /// A member joined; the fleet has it already.
    fn join(&mut self, id: MemberId, endpoint: &Endpoint, now: Timestamp);

    /// A member left; the fleet has let it go already.
    fn leave(&mut self, id: MemberId);

    /// Does what is to be done now, and registers the waker of `cx` for whatever comes next, timers included.
    fn poll(&mut self, cx: &mut Context<'_>);
}
