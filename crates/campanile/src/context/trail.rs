use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{
    Candidates, Explained, Place, Refused,
    explain::{EXPLAINED, Explaining, PLACES, REFUSALS},
};
use crate::{
    cost::Cost,
    endpoint::Endpoint,
    outcome::Outcome,
    sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock},
    time::Timestamp,
};

/// The attempts of one call, in order, and how many more it may make. A handle: clones share both.
///
/// Layers that send a call more than once (retry, hedge, fallback) [spend](Self::spend) one of its attempts each time,
/// so that three of them do not multiply. A call whose trail has no limit is bound by each layer's own settings.
///
/// ```
/// use campanile::context::Trail;
///
/// let trail = Trail::with_attempts(2);
/// assert!(trail.spend(), "a second attempt");
/// assert!(!trail.spend(), "and no third");
/// ```
///
/// **Branches.** What all attempts together have taken is [charged](Self::charge) to the trail. Who has to know what one of
/// several took, whatever happens beside it, gives that one a [branch](Self::branch).
///
/// **Who pays.** A [budget](crate::spend_limit) that has reserved the most that one attempt can take is asked before each further
/// one, and reserves what is missing; if there is no room for it, there is no attempt.
///
/// **Explanations.** A trail that is made to [explain](Self::explaining) keeps of each attempt also among whom it was picked,
/// who was closed and why, how long it waited, and what it took. Others keep nothing of that, and it costs them nothing.
#[derive(Clone, Default)]
pub struct Trail(pub(super) Arc<Shared>);

pub(super) struct Shared {
    /// The trail of which this is a branch. It has the attempts, and is charged what the branch is.
    parent: Option<Trail>,
    attempts: Mutex<Vec<Attempt>>,
    /// Whether there are any: what is lent again need not be locked where it has none.
    begun: AtomicU32,
    /// How many attempts may follow the first; [`UNLIMITED`].
    extra: AtomicU32,
    /// What all attempts together have taken so far.
    tokens: AtomicU64,
    nano_dollars: AtomicU64,
    /// What is kept besides, by a trail that explains.
    explaining: Option<Box<Explaining>>,
    /// Of a branch: the attempt that it is of, by its place.
    attempt: Option<usize>,
    /// Who pays for its attempts, and is to be asked before each that follows the first.
    pub(super) payer: OnceLock<Arc<dyn Payer>>,
}

/// Who pays for the attempts of a call, and has reserved what the first can take.
pub(crate) trait Payer: Send + Sync {
    /// Whether there is enough reserved for one more attempt, or can be: after those before it, or `beside` them, while they are
    /// under way. All of them have taken `charged` so far.
    fn affords(&self, charged: Cost, beside: bool) -> bool;
}

const UNLIMITED: u32 = u32::MAX;

/// One attempt of a call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// Where it went.
    pub endpoint: Endpoint,
    /// How it ended; `None` while it is under way.
    pub outcome: Option<Outcome>,
    /// How long it took, to the end of its body; `None` while it is under way.
    pub elapsed: Option<Duration>,
    /// Why it went there, and what it has come to; where the trail [explains](Trail::explaining).
    pub explained: Option<Box<Explained>>,
}

/// An entry in a trail, to be completed when its attempt ends.
#[derive(Debug)]
pub struct TrailEntry {
    trail: Trail,
    index: usize,
    explains: bool,
}

// ===== impl Trail =====

impl Trail {
    /// How many hold it.
    #[cfg(test)]
    #[cfg_attr(
        any(campanile_loom, not(all(feature = "retry", feature = "testing"))),
        allow(dead_code)
    )]
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// An empty trail without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty trail of a call that may be sent `attempts` times in all, the first time included.
    #[must_use]
    pub fn with_attempts(attempts: u32) -> Self {
        let trail = Self::new();
        trail.limit(attempts);
        trail
    }

    /// An empty trail without a limit, which keeps why its attempts went where they went: see [`Explained`]. Bounded: 32
    /// attempts are explained, and of a pool's members 16 that are closed are named.
    ///
    /// ```
    /// use campanile::{Endpoint, Outcome, context::Trail};
    /// use std::time::Duration;
    ///
    /// let trail = Trail::explaining();
    /// trail.at("stage", &"chat".into());
    /// // What a pool does.
    /// trail.begin(&Endpoint::new("eu-1")).end(Outcome::Success, Duration::from_millis(5));
    /// let explained = trail.attempts()[0].explained.clone().unwrap();
    /// assert_eq!(&*explained.places[0].name, "chat");
    /// ```
    #[must_use]
    pub fn explaining() -> Self {
        Self(Arc::new(Shared {
            explaining: Some(Box::new(Explaining::new())),
            ..Shared::default()
        }))
    }

    /// Whether it keeps why attempts went where they went.
    #[must_use]
    pub fn explains(&self) -> bool {
        self.root().explaining.is_some()
    }

    /// Notes where the call is from now on, for the attempts that follow: `what` is `stage`, `pool` or the like. Another name
    /// for the same takes the place of the one before. Only of trails that explain, and of 8 at most.
    pub fn at(&self, what: &'static str, name: &Arc<str>) {
        let Some(explaining) = &self.root().explaining else {
            return;
        };
        let places = &mut lock(&explaining.notes).places;
        if let Some(place) = places.iter_mut().find(|place| place.what == what) {
            place.name = Arc::clone(name);
        } else if places.len() < PLACES {
            let name = Arc::clone(name);
            places.push(Place { what, name });
        }
    }

    /// Notes that a pool had nobody for the call.
    #[cfg_attr(not(feature = "balance"), allow(dead_code))]
    pub(crate) fn refuse(&self, candidates: Candidates, now: Timestamp) {
        let Some(explaining) = &self.root().explaining else {
            return;
        };
        let notes = &mut *lock(&explaining.notes);
        if notes.refusals.len() < REFUSALS {
            notes.refusals.push(Refused {
                places: notes.places.clone(),
                at: now.since(explaining.began),
                candidates,
            });
        }
    }

    /// The pools that had nobody for the call, in order, 8 at most; where the trail [explains](Self::explaining).
    #[must_use]
    pub fn refusals(&self) -> Vec<Refused> {
        let explaining = self.root().explaining.as_ref();
        explaining.map_or_else(Vec::new, |explaining| {
            lock(&explaining.notes).refusals.clone()
        })
    }

    /// Since when it has been kept, if it explains.
    #[must_use]
    pub fn began(&self) -> Option<Timestamp> {
        let explaining = self.root().explaining.as_ref();
        explaining.map(|explaining| explaining.began)
    }

    /// A part of this trail that adds up on its own what its attempts take. All else it shares: it has the same attempts
    /// and the same limit, and what is charged to it is charged to the whole as well.
    ///
    /// ```
    /// use campanile::{Cost, context::Trail};
    ///
    /// let trail = Trail::new();
    /// let branch = trail.branch();
    /// trail.charge(Cost::tokens(5));
    /// branch.charge(Cost::tokens(2));
    /// assert_eq!((trail.charged().tokens, branch.charged().tokens), (7, 2));
    /// ```
    #[must_use]
    pub fn branch(&self) -> Self {
        Self(Arc::new(Shared {
            parent: Some(self.clone()),
            ..Shared::default()
        }))
    }

    /// The trail that has the attempts.
    #[inline]
    fn root(&self) -> &Shared {
        let mut trail = self;
        while let Some(parent) = &trail.0.parent {
            trail = parent;
        }
        &trail.0
    }

    /// Limits the call to `attempts` in all, the first included, unless a layer further out has set a limit.
    pub fn limit(&self, attempts: u32) {
        let extra = attempts.saturating_sub(1);
        // Refused when there is a limit: that one stands.
        let _ = self.root().extra.compare_exchange(
            UNLIMITED,
            extra,
            Ordering::Relaxed,
            Ordering::Relaxed,
        );
    }

    /// Takes one of the attempts that may follow the first, once the one before it is over; `false` when none is left, or a
    /// budget has no room for it.
    #[must_use]
    pub fn spend(&self) -> bool {
        self.take(false)
    }

    /// Takes one of the attempts that may follow the first, beside those under way, as [`spend`](Self::spend) does after them:
    /// a budget must have room for all of them.
    #[must_use]
    pub fn spend_beside(&self) -> bool {
        self.take(true)
    }

    fn take(&self, beside: bool) -> bool {
        let spent = self
            .root()
            .extra
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |extra| match extra {
                0 => None,
                UNLIMITED => Some(UNLIMITED),
                extra => Some(extra - 1),
            });
        if spent.is_err() {
            return false;
        }
        let affords = self.is_afforded(beside);
        if !affords {
            self.give_back();
        }
        affords
    }

    /// Whether all who pay for the call pay for one more attempt. What one of them has reserved for it, when the next refuses,
    /// is reserved until the call ends.
    fn is_afforded(&self, beside: bool) -> bool {
        let mut next = Some(self);
        while let Some(trail) = next {
            if let Some(payer) = trail.0.payer.get()
                && !payer.affords(trail.charged(), beside)
            {
                return false;
            }
            next = trail.0.parent.as_ref();
        }
        true
    }

    /// Says who pays for its attempts. The first who says so does.
    #[cfg_attr(not(feature = "spend_limit"), allow(dead_code))]
    pub(crate) fn paid_by(&self, payer: Arc<dyn Payer>) {
        // Refused when there is one.
        let _ = self.0.payer.set(payer);
    }

    /// Gives an attempt back that was [taken](Self::spend) and not made.
    pub fn give_back(&self) {
        // Refused when there is no limit.
        let _ = self
            .root()
            .extra
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |extra| {
                (extra < UNLIMITED - 1).then(|| extra + 1)
            });
    }

    /// How many attempts may still be made after those under way; `None` without a limit.
    #[must_use]
    pub fn left(&self) -> Option<u32> {
        let extra = self.root().extra.load(Ordering::Relaxed);
        (extra != UNLIMITED).then_some(extra)
    }

    /// Notes that an attempt goes to `endpoint`.
    #[must_use]
    pub fn begin(&self, endpoint: &Endpoint) -> TrailEntry {
        let root = self.root();
        let explaining = root.explaining.as_deref();
        let places = explaining.map(|explaining| lock(&explaining.notes).places.clone());
        let mut attempts = lock(&root.attempts);
        root.begun.store(1, Ordering::Relaxed);
        let places = places.filter(|_| attempts.len() < EXPLAINED);
        let explains = places.is_some();
        attempts.push(Attempt {
            endpoint: endpoint.clone(),
            outcome: None,
            elapsed: None,
            explained: places.map(|places| {
                Box::new(Explained {
                    places,
                    ..Explained::default()
                })
            }),
        });
        TrailEntry {
            trail: self.clone(),
            index: attempts.len() - 1,
            explains,
        }
    }

    /// Whether an attempt went to `endpoint`.
    #[must_use]
    pub fn tried(&self, endpoint: &Endpoint) -> bool {
        lock(&self.root().attempts)
            .iter()
            .any(|attempt| attempt.endpoint == *endpoint)
    }

    /// Adds to what all attempts of the call together have taken: tokens and money. Who accounts for an attempt charges it
    /// as it goes on, so that those who settle the call know also of attempts that were given up.
    pub fn charge(&self, taken: Cost) {
        let mut next = Some(self);
        while let Some(Self(trail)) = next {
            add(&trail.tokens, taken.tokens);
            add(&trail.nano_dollars, taken.nano_dollars);
            if let Some(index) = trail.attempt {
                self.explain(index, |explained| {
                    let charged = &mut explained.charged;
                    charged.tokens = charged.tokens.saturating_add(taken.tokens);
                    charged.nano_dollars = charged.nano_dollars.saturating_add(taken.nano_dollars);
                });
            }
            next = trail.parent.as_ref();
        }
    }

    /// Takes back what was [charged](Self::charge) by an estimate that turned out too high. Never more than the attempt was
    /// charged before.
    pub fn refund(&self, charged: Cost) {
        let mut next = Some(self);
        while let Some(Self(trail)) = next {
            subtract(&trail.tokens, charged.tokens);
            subtract(&trail.nano_dollars, charged.nano_dollars);
            if let Some(index) = trail.attempt {
                self.explain(index, |explained| {
                    explained.charged = explained.charged - charged
                });
            }
            next = trail.parent.as_ref();
        }
    }

    /// Adds to what is explained of an attempt.
    #[cold]
    fn explain(&self, index: usize, change: impl FnOnce(&mut Explained)) {
        let mut attempts = lock(&self.root().attempts);
        let attempt = attempts.get_mut(index);
        if let Some(explained) = attempt.and_then(|attempt| attempt.explained.as_deref_mut()) {
            change(explained);
        }
    }

    /// What all attempts of the call together have taken so far: tokens and money, as far as somebody accounts for them.
    #[must_use]
    pub fn charged(&self) -> Cost {
        Cost {
            requests: 0,
            tokens: self.0.tokens.load(Ordering::Relaxed),
            nano_dollars: self.0.nano_dollars.load(Ordering::Relaxed),
        }
    }

    /// How many attempts there have been.
    #[cfg_attr(not(any(feature = "fallback", feature = "trace")), allow(dead_code))]
    pub(crate) fn made(&self) -> u32 {
        u32::try_from(lock(&self.root().attempts).len()).unwrap_or(u32::MAX)
    }

    /// The attempts so far.
    #[must_use]
    pub fn attempts(&self) -> Vec<Attempt> {
        lock(&self.root().attempts).clone()
    }
}

/// Adds, and stays at the most: what an upstream reports may be any number, and must not come round to nothing.
fn add(sum: &AtomicU64, more: u64) {
    if more > 0 {
        // Always succeeds: there is always a next.
        let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
            Some(sum.saturating_add(more))
        });
    }
}

/// Subtracts, and stays at nothing.
fn subtract(sum: &AtomicU64, less: u64) {
    if less > 0 {
        let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| {
            Some(sum.saturating_sub(less))
        });
    }
}

impl Shared {
    /// Makes it as if it were new, but for who pays. Nobody else holds it.
    #[inline]
    pub(super) fn wipe(&self) {
        if self.begun.load(Ordering::Relaxed) != 0 {
            lock(&self.attempts).clear();
            self.begun.store(0, Ordering::Relaxed);
        }
        self.extra.store(UNLIMITED, Ordering::Relaxed);
        self.tokens.store(0, Ordering::Relaxed);
        self.nano_dollars.store(0, Ordering::Relaxed);
    }
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            parent: None,
            begun: AtomicU32::new(0),
            attempts: Mutex::default(),
            extra: AtomicU32::new(UNLIMITED),
            tokens: AtomicU64::new(0),
            nano_dollars: AtomicU64::new(0),
            explaining: None,
            attempt: None,
            payer: OnceLock::new(),
        }
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("attempts", &self.attempts())
            .field("left", &self.left())
            .finish()
    }
}

// ===== impl TrailEntry =====

impl TrailEntry {
    /// Whether it is to be explained.
    #[cfg_attr(not(feature = "balance"), allow(dead_code))]
    #[inline]
    pub(crate) const fn explains(&self) -> bool {
        self.explains
    }

    /// Adds to what is explained of the attempt.
    #[cfg_attr(not(feature = "balance"), allow(dead_code))]
    #[cold]
    pub(crate) fn explain(&self, change: impl FnOnce(&mut Explained)) {
        self.trail.explain(self.index, change);
    }

    /// A branch of the trail that knows of which attempt it is, so that what is charged to it is explained as that one's.
    #[cfg_attr(not(feature = "balance"), allow(dead_code))]
    pub(crate) fn branch(&self) -> Trail {
        Trail(Arc::new(Shared {
            parent: Some(self.trail.clone()),
            attempt: Some(self.index),
            ..Shared::default()
        }))
    }

    /// Notes how the attempt ended.
    pub fn end(self, outcome: Outcome, elapsed: Duration) {
        if let Some(attempt) = lock(&self.trail.root().attempts).get_mut(self.index) {
            attempt.outcome = Some(outcome);
            attempt.elapsed = Some(elapsed);
        }
    }
}
