use crate::waiters::Ticket;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    time::Duration,
};

use super::*;
use crate::{
    cost::{Cost, Usage},
    outcome::FailureKind,
};

mod counts;
mod failing;
mod gates;
mod history;
mod makers;

/// A moment far from the origin.
const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

fn at(millis: u64) -> Timestamp {
    NOW.after(Duration::from_millis(millis))
}

/// Counts how often it is woken.
#[derive(Debug, Default)]
struct Bell(AtomicUsize);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

/// A task that waits for changes of an endpoint.
struct Watcher {
    bell: Arc<Bell>,
    listener: Listener,
    ticket: Ticket,
}

impl Watcher {
    fn of(endpoint: &Endpoint) -> Self {
        let mut listener = Listener::default();
        listener.leaving = Arc::clone(&listener.waiters);
        endpoint.listen(listener.clone());
        let mut watcher = Self {
            bell: Arc::default(),
            listener,
            ticket: Ticket::default(),
        };
        watcher.register();
        watcher
    }

    fn register(&mut self) {
        let waker = Waker::from(Arc::clone(&self.bell));
        self.listener.waiters.register(&mut self.ticket, &waker);
    }

    /// How often it was woken since it last looked; it waits again.
    fn rings(&mut self) -> usize {
        self.register();
        self.bell.0.swap(0, SeqCst)
    }
}
