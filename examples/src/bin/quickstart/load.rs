//! The callers.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use campanile::{BoxError, Rejection};
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};

/// Callers at work: each makes its next call when the one before has been answered.
#[derive(Debug)]
pub(crate) struct Load {
    tally: Arc<Tally>,
    callers: JoinSet<()>,
}

/// What the callers have seen, counted by themselves.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    stop: AtomicBool,
    answered: AtomicU64,
    failed: AtomicU64,
    refused: AtomicU64,
}

// ===== impl Load =====

impl Load {
    pub(crate) fn start<S>(callers: usize, pool: &S) -> Self
    where
        S: Service<u64, Response = u64, Error = BoxError, Future: Send> + Clone + Send + 'static,
    {
        let tally = Arc::new(Tally::default());
        let mut set = JoinSet::new();
        for caller in 0..callers {
            let mut pool = pool.clone();
            let tally = Arc::clone(&tally);
            set.spawn(async move {
                // A request has a number, so that an answer to another one would be seen.
                let request = caller as u64;
                while !tally.stop.load(Ordering::Relaxed) {
                    let called = match pool.ready().await {
                        Ok(pool) => pool.call(request).await,
                        Err(error) => Err(error),
                    };
                    tally.count(called, request);
                }
            });
        }
        Self {
            tally,
            callers: set,
        }
    }

    /// Lets every caller finish its last call.
    pub(crate) async fn finish(mut self) -> Arc<Tally> {
        self.tally.stop.store(true, Ordering::Relaxed);
        while self.callers.join_next().await.is_some() {}
        self.tally
    }
}

impl std::ops::Deref for Load {
    type Target = Tally;

    fn deref(&self) -> &Tally {
        &self.tally
    }
}

// ===== impl Tally =====

impl Tally {
    fn count(&self, called: Result<u64, BoxError>, request: u64) {
        let counter = match called {
            Ok(answer) if answer == request => &self.answered,
            Err(error) if Rejection::find(&*error).is_some() => &self.refused,
            _ => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls that were answered.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Calls that an endpoint failed.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Calls that the pool refused: they reached no endpoint.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
