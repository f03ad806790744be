use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::time::Instant;

use super::{Counts, Readiness, Scripted, Step, counts::Tally};
use crate::{BoxError, waiters::Waiters};

/// What a scripted endpoint does, and what it has seen. A handle: clones are the same script, and may be changed while
/// the endpoint runs.
///
/// [`service`](Self::service) makes the endpoint: a `tower::Service` of any request that answers `T`. For HTTP, `T` is
/// `http::Response<ScriptBody>`; for a streaming pool, a [`ScriptStream`](super::ScriptStream).
///
/// The steps of [`then`](Self::then) are taken by one call each, in order; calls beyond them do what the script was made
/// with.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use campanile::testing::{Script, Step};
/// use tower::ServiceExt;
///
/// let script = Script::answering("well").then(Step::error("first call fails"));
/// assert!(script.service().oneshot(()).await.is_err());
/// assert_eq!(script.service().oneshot(()).await.unwrap(), "well");
///
/// script.set(Step::error("sick from now on"));
/// assert!(script.service().oneshot(()).await.is_err());
/// assert_eq!(script.counts().calls, 3);
/// # }
/// ```
pub struct Script<T, E = BoxError> {
    pub(super) shared: Arc<Shared<T, E>>,
}

pub(super) struct Shared<T, E> {
    pub(super) tally: Tally,
    /// Instances that are not ready.
    pub(super) waiters: Waiters,
    plan: Mutex<Plan<T, E>>,
}

struct Plan<T, E> {
    steps: VecDeque<Step<T, E>>,
    otherwise: Arc<dyn Fn(u64) -> Step<T, E> + Send + Sync>,
    readiness: Readiness<E>,
    /// When the readiness was told.
    since: Instant,
    panics_in_clone: bool,
}

// ===== impl Script =====

impl<T, E> Script<T, E> {
    /// Every call is this step.
    #[must_use]
    pub fn new(step: Step<T, E>) -> Self
    where
        T: 'static,
        E: 'static,
    {
        Self::rule(move |_| step.clone())
    }

    /// The step of each call is told by its number, from 0. Calls that take a step of [`then`](Self::then) count too.
    #[must_use]
    pub fn rule(step: impl Fn(u64) -> Step<T, E> + Send + Sync + 'static) -> Self {
        Self {
            shared: Arc::new(Shared {
                tally: Tally::default(),
                waiters: Waiters::default(),
                plan: Mutex::new(Plan {
                    steps: VecDeque::new(),
                    otherwise: Arc::new(step),
                    readiness: Readiness::Ready,
                    since: Instant::now(),
                    panics_in_clone: false,
                }),
            }),
        }
    }

    /// Adds a step for one call, after those added before.
    #[must_use]
    pub fn then(self, step: Step<T, E>) -> Self {
        self.push(step);
        self
    }

    /// Adds a step for one call, after those added before, while the endpoint runs.
    pub fn push(&self, step: Step<T, E>) {
        self.plan().steps.push_back(step);
    }

    /// From now on every call is this step, once the steps for single calls are used up.
    pub fn set(&self, step: Step<T, E>)
    where
        T: 'static,
        E: 'static,
    {
        self.plan().otherwise = Arc::new(move |_| step.clone());
    }

    /// What `poll_ready` says from now on. Instances that wait are woken.
    pub fn set_readiness(&self, readiness: Readiness<E>) {
        let mut plan = self.plan();
        plan.readiness = readiness;
        plan.since = Instant::now();
        drop(plan);
        self.shared.waiters.wake_all();
    }

    /// Whether the endpoint's service panics when it is cloned, from now on.
    pub fn set_panics_in_clone(&self, panics: bool) {
        self.plan().panics_in_clone = panics;
    }

    /// The endpoint.
    #[must_use]
    pub fn service(&self) -> Scripted<T, E> {
        Scripted::new(Arc::clone(&self.shared))
    }

    /// What it has seen up to now.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.tally.read()
    }

    fn plan(&self) -> MutexGuard<'_, Plan<T, E>> {
        self.shared.plan()
    }
}

impl<T: Clone + Send + Sync + 'static> Script<T> {
    /// Every call is answered at once with a clone of `answer`.
    #[must_use]
    pub fn answering(answer: T) -> Self {
        Self::new(Step::answer(answer))
    }
}

impl<T, E> Clone for Script<T, E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T, E> fmt::Debug for Script<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        f.debug_struct("Script")
            .field("steps", &plan.steps)
            .field("readiness", &plan.readiness)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

impl<T, E> Shared<T, E> {
    /// A script outlives the panics it is told to make.
    fn plan(&self) -> MutexGuard<'_, Plan<T, E>> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The step of the call of this number.
    pub(super) fn step(&self, call: u64) -> Step<T, E> {
        let otherwise = {
            let mut plan = self.plan();
            if let Some(step) = plan.steps.pop_front() {
                return step;
            }
            Arc::clone(&plan.otherwise)
        };
        // Outside of the lock: a rule may change the script.
        otherwise(call)
    }

    pub(super) fn readiness(&self) -> (Readiness<E>, Instant) {
        let plan = self.plan();
        (plan.readiness.clone(), plan.since)
    }

    pub(super) fn panics_in_clone(&self) -> bool {
        self.plan().panics_in_clone
    }
}
