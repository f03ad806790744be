//! Hears of a member that fails again and again, without a look at it meanwhile.

use std::{
    sync::Arc,
    task::{Wake, Waker},
};

use tokio::sync::mpsc;

use super::{detector::Sample, window::Calls};
use crate::{
    endpoint::{Endpoint, Listener},
    health::MemberId,
    waiters::{Ticket, Waiters},
};

/// A member, and whoever is told when too many of its calls fail in a row.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) endpoint: Endpoint,
    /// `None` when nobody asks for rows of failures.
    ear: Option<Ear>,
}

#[derive(Debug)]
struct Ear {
    /// Tells this listener from others of the same endpoint.
    name: Arc<Waiters>,
    failing: Arc<Waiters>,
    ticket: Ticket,
    waker: Waker,
    armed: bool,
}

/// Says who fails. A member says so once, and no more until it is armed again.
struct Knock {
    id: MemberId,
    tell: mpsc::UnboundedSender<MemberId>,
}

// ===== impl Watch =====

impl Watch {
    /// Watches for `row` failures in a row. Deaf until it is armed. `listener` is that of all members, but for the rows.
    pub(super) fn new(
        id: MemberId,
        endpoint: &Endpoint,
        row: Option<u32>,
        listener: &Listener,
        tell: &mpsc::UnboundedSender<MemberId>,
    ) -> Self {
        let ear = row.map(|row| {
            let failing = Arc::<Waiters>::default();
            endpoint.listen(Listener {
                failing: Some((row.into(), Arc::clone(&failing))),
                ..listener.clone()
            });
            let tell = tell.clone();
            Ear {
                name: Arc::clone(&listener.waiters),
                failing,
                ticket: Ticket::default(),
                waker: Waker::from(Arc::new(Knock { id, tell })),
                armed: false,
            }
        });
        Self {
            endpoint: endpoint.clone(),
            ear,
        }
    }

    /// It has said that it fails, and says so no more.
    pub(super) fn disarm(&mut self) {
        if let Some(ear) = &mut self.ear {
            ear.armed = false;
            ear.failing.deregister(&mut ear.ticket);
        }
    }

    /// Has it say so when it fails. Look at it once more afterwards.
    pub(super) fn arm(&mut self) {
        if let Some(ear) = &mut self.ear
            && !ear.armed
        {
            ear.armed = true;
            ear.failing.register(&mut ear.ticket, &ear.waker);
        }
    }

    /// What there is to be seen of it.
    pub(super) fn sample(&self) -> Sample {
        let outcomes = self.endpoint.outcomes();
        Sample {
            calls: Calls {
                good: outcomes.success,
                bad: outcomes.failure + outcomes.overloaded,
            },
            in_row: self.endpoint.failures_in_row(),
            latency: self.endpoint.measurements().total().average(),
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.disarm();
        if let Some(ear) = &self.ear {
            self.endpoint.unlisten(&ear.name);
        }
    }
}

// ===== impl Knock =====

impl Wake for Knock {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Whoever listened may be gone.
        let _ = self.tell.send(self.id);
    }
}
