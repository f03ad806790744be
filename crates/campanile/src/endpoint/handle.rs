use super::{Cell, Endpoint, Gate, GateHistory, Reason};
use crate::time::Timestamp;

/// The gate of one endpoint, with the endpoint it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct GateHandle<'a> {
    endpoint: &'a Endpoint,
}

// ===== impl GateHandle =====

impl<'a> GateHandle<'a> {
    pub(super) const fn of(endpoint: &'a Endpoint) -> Self {
        Self { endpoint }
    }

    fn parts(self) -> (&'a Gate, Cell<'a>) {
        (&self.endpoint.inner.gate, self.endpoint.cell())
    }

    /// The present, read when the gate changes.
    fn clock() -> Timestamp {
        // What loom runs must not depend on a clock: it stands still there, before all that tests tell of.
        if cfg!(campanile_loom) {
            return Timestamp::from_nanos(1);
        }
        Timestamp::now()
    }

    /// Closes it for `reason` until [`open`](Self::open) is called with the same reason.
    pub fn close(&self, reason: Reason) {
        self.close_until(reason, Timestamp::MAX);
    }

    /// Closes it for `reason` until `until`; it opens by itself then. Closing again moves the time.
    pub fn close_until(&self, reason: Reason, until: Timestamp) {
        let (gate, cell) = self.parts();
        if gate.close(cell, reason, until, Self::clock()) {
            // It may open earlier than waiting calls believe.
            self.endpoint.notify();
        }
    }

    /// Closes it for `reason` until [`open`](Self::open) is called, and not beyond `until`. Unlike with
    /// [`close_until`](Self::close_until), calls wait for it as long as they have patience, and are not told to come again
    /// at that time.
    pub fn close_at_most_until(&self, reason: Reason, until: Timestamp) {
        let (gate, cell) = self.parts();
        if gate.close_as(cell, reason, until, Self::clock(), true) {
            self.endpoint.notify();
        }
    }

    /// Withdraws `reason`. Waiting calls are woken.
    pub fn open(&self, reason: Reason) {
        if self.open_as_of(reason, Self::clock) {
            self.endpoint.notify();
        }
    }

    /// Withdraws `reason` at a time that is asked for if it was there; says whether anyone is to be woken.
    pub(crate) fn open_as_of(&self, reason: Reason, now: impl FnOnce() -> Timestamp) -> bool {
        let (gate, cell) = self.parts();
        // Nobody else sets it. Whoever finds that its time is over meanwhile notes that it has reopened.
        let starts_again = reason.restarts() && cell.reasons() & reason.bit() != 0;
        let mut at = Timestamp::ZERO;
        let opened = gate.open(cell, reason, || {
            at = now();
            at
        });
        if opened && starts_again {
            self.endpoint.note_reopened(at);
        }
        opened
    }

    /// Whether the endpoint may be picked at `now`. Reasons whose time is over are forgotten here.
    #[must_use]
    pub fn is_open(&self, now: Timestamp) -> bool {
        let (gate, cell) = self.parts();
        !cell.is_closed() || self.expire(gate, cell, now)
    }

    fn expire(&self, gate: &Gate, cell: Cell<'_>, now: Timestamp) -> bool {
        let before = cell.reasons();
        let open = gate.expire(cell, now);
        if before & !cell.reasons() & Reason::RESTARTS != 0 {
            self.endpoint.note_reopened(now);
        }
        open
    }

    /// When the last of the present reasons ends: `None` when it is open, [`Timestamp::MAX`] when nobody knows.
    #[must_use]
    pub fn reopens_at(&self, now: Timestamp) -> Option<Timestamp> {
        let (gate, cell) = self.parts();
        gate.reopens_at(cell, now)
    }

    /// Whether it may open before [`reopens_at`](Self::reopens_at): whoever closed it last did so
    /// [at most](Self::close_at_most_until) until then.
    #[must_use]
    pub fn may_reopen_earlier(&self, now: Timestamp) -> bool {
        let (gate, cell) = self.parts();
        gate.may_reopen_earlier(cell, now)
    }

    /// Whether it is closed for `reason`, among others perhaps.
    #[must_use]
    pub fn is_closed_for(&self, reason: Reason, now: Timestamp) -> bool {
        let (gate, cell) = self.parts();
        gate.until(cell, reason).is_some_and(|until| until > now)
    }

    /// The present reasons, with the time at which each ends.
    pub fn reasons(self, now: Timestamp) -> impl Iterator<Item = (Reason, Timestamp)> + 'a {
        let (gate, cell) = self.parts();
        Reason::ALL.into_iter().filter_map(move |reason| {
            let until = gate.until(cell, reason).filter(|until| *until > now)?;
            Some((reason, until))
        })
    }

    /// Withdraws `reason` without waking anyone, for a caller that holds a lock; says whether
    /// [`Endpoint::notify`](super::Endpoint::notify) has to follow.
    #[cfg(feature = "discover")]
    #[must_use]
    pub(crate) fn open_quietly(&self, reason: Reason) -> bool {
        self.open_as_of(reason, Self::clock)
    }

    /// [`close_until`](Self::close_until) without waking anyone, like [`open_quietly`](Self::open_quietly).
    #[cfg(feature = "health")]
    #[must_use]
    pub(crate) fn close_quietly(&self, reason: Reason, until: Timestamp) -> bool {
        let (gate, cell) = self.parts();
        gate.close(cell, reason, until, Self::clock())
    }

    /// How often, and for how long, it has been closed for each reason up to `now`, which is the present. A closing that
    /// nobody ended counts to the end of its time; to move that time is not another closing. Every reason is told, also
    /// those that never were.
    pub fn history(self, now: Timestamp) -> impl Iterator<Item = GateHistory> + 'a {
        let (gate, cell) = self.parts();
        Reason::ALL
            .into_iter()
            .map(move |reason| gate.history(cell, reason, now))
    }
}
