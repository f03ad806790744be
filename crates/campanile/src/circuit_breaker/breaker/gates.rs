//! The gates that a breaker closes and opens.

use super::{Breaker, BreakerState, Locked};
use crate::{
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};

/// Until when the gates are to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Shut {
    pub(super) breaker: Timestamp,
    /// Whether that is because all places in half-open are taken, of which any may be given back earlier.
    pub(super) on_trial: bool,
    pub(super) quota: Timestamp,
    /// Until when the gates were closed for quota, where that was called off; zero if it was not.
    pub(super) called_off: Timestamp,
}

// ===== impl Breaker =====

impl Breaker {
    /// Sets the gates, and looks again: somebody else may have set them to something newer or older meanwhile.
    pub(super) fn set_gates(&self) {
        let mut seen = self.locked().gates();
        loop {
            for endpoint in &seen.1 {
                seen.0.apply(endpoint, Timestamp::now());
            }
            let again = self.locked().gates();
            for gone in seen.1.iter().filter(|gone| !holds(&again.1, gone)) {
                gone.gate().open(Reason::Breaker);
            }
            if again.0 == seen.0 && again.1.iter().all(|gate| holds(&seen.1, gate)) {
                return;
            }
            seen = again;
        }
    }

    /// Closes this endpoint's gate from now on.
    pub(in super::super) fn attach(&self, endpoint: &Endpoint) {
        let mut locked = self.locked();
        locked.gates.push(endpoint.clone());
        if locked.name.is_none() {
            locked.name = Some(endpoint.key().to_owned());
        }
        drop(locked);
        self.set_gates();
    }

    /// Leaves it alone again, and open.
    pub(in super::super) fn detach(&self, endpoint: &Endpoint) {
        let mut locked = self.locked();
        if let Some(at) = locked.gates.iter().position(|gate| gate.is(endpoint)) {
            locked.gates.swap_remove(at);
        }
        let left = !holds(&locked.gates, endpoint);
        let shut = locked.shut.breaker;
        drop(locked);
        // The breaker of a service in its place may have closed it meanwhile.
        if left && closed_until(endpoint, Reason::Breaker, Timestamp::now()) == Some(shut) {
            endpoint.gate().open(Reason::Breaker);
        }
    }
}

fn holds(gates: &[Endpoint], endpoint: &Endpoint) -> bool {
    gates.iter().any(|gate| gate.is(endpoint))
}

fn closed_until(endpoint: &Endpoint, reason: Reason, now: Timestamp) -> Option<Timestamp> {
    let gate = endpoint.gate();
    gate.reasons(now)
        .find_map(|(present, until)| (present == reason).then_some(until))
}

// ===== impl Locked =====

impl Locked {
    /// Notes how the gates should be; whether that is something new.
    pub(super) fn shut_changed(&mut self, now: Timestamp) -> bool {
        let breaker = self.machine.closed_until(now);
        let quota = self.machine.parked();
        let called_off = match self.shut {
            _ if quota > Timestamp::ZERO => Timestamp::ZERO,
            Shut { quota, .. } if quota > now => quota,
            Shut { called_off, .. } => called_off,
        };
        let shut = Shut {
            breaker,
            on_trial: breaker > Timestamp::ZERO && self.machine.state() == BreakerState::HalfOpen,
            quota,
            called_off,
        };
        let changed = shut != self.shut;
        self.shut = shut;
        changed && !self.gates.is_empty()
    }

    fn gates(&self) -> (Shut, Vec<Endpoint>) {
        (self.shut, self.gates.clone())
    }
}

// ===== impl Shut =====

impl Shut {
    fn apply(self, endpoint: &Endpoint, now: Timestamp) {
        let gate = endpoint.gate();
        if self.breaker > now && self.on_trial {
            gate.close_at_most_until(Reason::Breaker, self.breaker);
        } else if self.breaker > now {
            gate.close_until(Reason::Breaker, self.breaker);
        } else {
            gate.open(Reason::Breaker);
        }
        // A rate limit of the same endpoint may have parked it too: for longer is right, for shorter is not.
        let parked = closed_until(endpoint, Reason::Quota, now);
        if self.quota > now {
            if parked.is_none_or(|until| until < self.quota) {
                gate.close_until(Reason::Quota, self.quota);
            }
        } else if parked == Some(self.called_off) {
            gate.open(Reason::Quota);
        }
    }
}
