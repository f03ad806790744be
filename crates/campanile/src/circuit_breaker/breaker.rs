//! What all clones of a breaker share: the state machine under a lock, and a word that says what a call that goes well
//! needs to know, so that it never takes the lock.
//!
//! # Correctness
//!
//! The machine changes under the lock only, and whoever changes it publishes the word before letting go. A call that
//! reads an older word is a call that came, or ended, before the change. Gates, watchers, events and wakers are told
//! outside of the lock, since they may run anything; those who do so look again afterwards, or number what they say, so
//! that the latest state is what remains.

use std::sync::Arc;

use tokio::sync::watch;

use super::{
    config::CircuitBreakerConfig,
    lane::Fine,
    state::{Machine, Pass, Refusal},
    status::{BreakerSnapshot, BreakerState, BreakerStatus},
    word::Word,
};
use crate::{
    endpoint::Endpoint,
    outcome::Outcome,
    rejection::RejectionKind,
    sync::{AtomicU64, Mutex, MutexGuard, Ordering, lock},
    time::{Timestamp, nanos},
    waiters::Waiters,
};

mod gates;

use gates::Shut;

/// The state of a breaker.
pub(super) struct Breaker {
    word: AtomicU64,
    /// Until when an open breaker lets nobody in, so that refusals need no lock.
    until: AtomicU64,
    /// When the window's newest bucket ends.
    rolls_at: AtomicU64,
    /// From how many nanoseconds on a call is slow.
    slow_call: AtomicU64,
    pub(super) waiters: Waiters,
    locked: Mutex<Locked>,
    status: watch::Sender<BreakerStatus>,
}

struct Locked {
    machine: Machine,
    fines: Vec<Arc<Fine>>,
    /// What those counted who are gone.
    retired: u64,
    /// How many of all have been told to the machine.
    told: u64,
    gates: Vec<Endpoint>,
    shut: Shut,
    name: Option<String>,
    status: BreakerStatus,
    entered: Entered,
}

/// How often each state was entered, by its place in [`BreakerState::ALL`].
pub(super) type Entered = [u64; BreakerState::ALL.len()];

/// What has to be told to others after a change.
#[derive(Default)]
struct News {
    status: Option<(BreakerStatus, BreakerStatus)>,
    gates: bool,
    wake: bool,
}

// ===== impl Breaker =====

impl Breaker {
    pub(super) fn new(config: CircuitBreakerConfig) -> Self {
        let machine = Machine::new(config);
        let breaker = Self {
            word: AtomicU64::new(0),
            until: AtomicU64::new(0),
            rolls_at: AtomicU64::new(0),
            slow_call: AtomicU64::new(0),
            waiters: Waiters::default(),
            status: watch::Sender::new(BreakerStatus::default()),
            locked: Mutex::new(Locked {
                machine,
                fines: Vec::new(),
                retired: 0,
                told: 0,
                gates: Vec::new(),
                shut: Shut::default(),
                name: None,
                status: BreakerStatus::default(),
                entered: Entered::default(),
            }),
        };
        breaker.publish(&breaker.locked().machine);
        breaker
    }

    fn locked(&self) -> MutexGuard<'_, Locked> {
        lock(&self.locked)
    }

    #[inline(always)]
    pub(super) fn word(&self) -> Word {
        Word(self.word.load(Ordering::Acquire))
    }

    /// From when on a call that begins now is slow.
    pub(super) fn slow_at(&self, now: Timestamp) -> Timestamp {
        let slow_call = self.slow_call.load(Ordering::Relaxed);
        Timestamp::from_nanos(now.as_nanos().saturating_add(slow_call))
    }

    /// Moves the window on if it is time to. Before a call is counted.
    #[inline]
    pub(super) fn roll(&self, now: Timestamp) {
        if now.as_nanos() >= self.rolls_at.load(Ordering::Relaxed) {
            self.change(now, |machine| machine.roll(now));
        }
    }

    /// Lets a call in that has to ask.
    #[cold]
    pub(super) fn admit(&self, word: Word, now: Timestamp) -> Result<Pass, Refusal> {
        if word.is_shut() {
            let until = Timestamp::from_nanos(self.until.load(Ordering::Relaxed));
            if until > now {
                return Err(Refusal {
                    kind: RejectionKind::CircuitOpen,
                    until,
                    exact: true,
                });
            }
        }
        self.change(now, |machine| machine.admit(now))
    }

    /// Why a call would not be let in.
    pub(super) fn refusal(&self, now: Timestamp) -> Option<Refusal> {
        self.locked().machine.refusal(now)
    }

    /// A call is over that has something to tell.
    #[cold]
    pub(super) fn end(&self, pass: Pass, outcome: Outcome, slow: bool, now: Timestamp) {
        self.change(now, |machine| machine.end(pass, outcome, slow, now));
    }

    /// Changes the machine, and tells everyone of it.
    pub(super) fn change<T>(&self, now: Timestamp, change: impl FnOnce(&mut Machine) -> T) -> T {
        let mut locked = self.locked();
        locked.drain();
        let shut_before = locked.shut_until(now);
        let result = change(&mut locked.machine);
        self.publish(&locked.machine);
        let news = News {
            wake: locked.shut_until(now) < shut_before,
            status: locked.status_changed(now),
            gates: locked.shut_changed(now),
        };
        let name = news.status.and_then(|_| locked.name.clone());
        drop(locked);
        self.tell(news, name.as_deref(), now);
        result
    }

    /// The word last: whoever sees it sees the rest too.
    fn publish(&self, machine: &Machine) {
        let store = |place: &AtomicU64, value: u64, order| {
            if place.load(Ordering::Relaxed) != value {
                place.store(value, order);
            }
        };
        let rolls_at = machine
            .window()
            .map_or(Timestamp::MAX, |window| window.rolls_at());
        let until = match machine.state() {
            BreakerState::Open | BreakerState::ForcedOpen => machine.closed_until(Timestamp::ZERO),
            _ => Timestamp::ZERO,
        };
        // Refusals that have two reasons are worked out by the machine.
        let until = if machine.parked() > until {
            Timestamp::ZERO
        } else {
            until
        };
        let slow_call = machine.config().slow_call.map_or(u64::MAX, nanos);
        store(&self.rolls_at, rolls_at.as_nanos(), Ordering::Relaxed);
        store(&self.until, until.as_nanos(), Ordering::Relaxed);
        store(&self.slow_call, slow_call, Ordering::Relaxed);
        store(&self.word, Word::of(machine).0, Ordering::Release);
    }

    fn tell(&self, news: News, name: Option<&str>, now: Timestamp) {
        if news.gates {
            self.set_gates();
        }
        if news.wake {
            self.waiters.wake_all();
        }
        if let Some((before, after)) = news.status {
            self.status.send_if_modified(|status| {
                let newer = status.revision < after.revision;
                if newer {
                    *status = after;
                }
                newer
            });
            super::events::tell(name, &before, &after, now);
        }
    }

    /// A count of calls that go well.
    pub(super) fn counter(&self) -> Arc<Fine> {
        let fine = Arc::new(Fine::default());
        let mut locked = self.locked();
        // Those that nobody counts with any more are kept as a sum.
        let locked = &mut *locked;
        locked.fines.retain(|fine| {
            let used = Arc::strong_count(fine) > 1;
            if !used {
                locked.retired = locked.retired.wrapping_add(fine.get());
            }
            used
        });
        locked.fines.push(Arc::clone(&fine));
        fine
    }

    pub(super) fn set_name(&self, name: String) {
        self.locked().name = Some(name);
    }

    pub(super) fn watch(&self) -> watch::Receiver<BreakerStatus> {
        self.status.subscribe()
    }

    pub(super) fn config(&self) -> CircuitBreakerConfig {
        *self.locked().machine.config()
    }

    pub(super) fn snapshot(&self, now: Timestamp) -> BreakerSnapshot {
        self.look(now).0
    }

    /// Everything that is known, of one moment.
    pub(super) fn look(&self, now: Timestamp) -> (BreakerSnapshot, BreakerStatus, Entered) {
        let mut locked = self.locked();
        locked.drain();
        locked.machine.roll(now);
        // The window has moved, and the next call need not move it again.
        self.publish(&locked.machine);
        let snapshot = BreakerSnapshot::of(locked.name.clone(), &locked.machine, now);
        (snapshot, locked.status, locked.entered)
    }
}

// ===== impl Locked =====

impl Locked {
    /// Tells the machine of the calls that went well.
    fn drain(&mut self) {
        let counted = self.fines.iter().map(|fine| fine.get());
        let sum = counted.fold(self.retired, u64::wrapping_add);
        let fine = sum.wrapping_sub(self.told);
        if fine != 0 {
            self.told = sum;
            self.machine.absorb(fine);
        }
    }

    fn shut_until(&self, now: Timestamp) -> Timestamp {
        self.machine
            .refusal(now)
            .map_or(Timestamp::ZERO, |refusal| refusal.until)
    }

    /// Notes the status; the old and the new one, if there is something to say.
    fn status_changed(&mut self, now: Timestamp) -> Option<(BreakerStatus, BreakerStatus)> {
        let before = self.status;
        let after = BreakerStatus::of(&self.machine, now, before.revision + 1);
        if after.says_the_same_as(&before) {
            return None;
        }
        self.status = after;
        if before.state != after.state {
            self.entered[after.state as usize] += 1;
        }
        Some((before, after))
    }
}

impl std::fmt::Debug for Breaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Breaker")
            .field("status", &*self.status.borrow())
            .finish_non_exhaustive()
    }
}
