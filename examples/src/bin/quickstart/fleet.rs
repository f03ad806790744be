//! The processors, and the roster that they are members of.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use campanile::{Endpoint, discover::Roster};

/// A processor: works for a while and answers, or fails at once. Counts the calls that reach it, by itself, so that the
/// pool's own counts can be checked.
#[derive(Debug, Clone)]
pub(crate) struct Processor {
    latency: Duration,
    fails: bool,
    calls: Arc<AtomicU64>,
}

/// A processor with its place in the pool.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) processor: Processor,
    /// `None` before it joins.
    pub(crate) endpoint: Option<Endpoint>,
}

#[derive(Debug)]
pub(crate) struct Fleet {
    pub(crate) roster: Roster<Processor>,
    pub(crate) seats: [Seat; 6],
    drain: Option<Draining>,
}

/// How the drain goes.
#[derive(Debug)]
pub(crate) struct Draining {
    /// The calls that had reached the member when the drain began.
    pub(crate) calls: u64,
    /// Whether the member has left.
    over: Arc<AtomicBool>,
}

/// The seat of the one that fails.
pub(crate) const FAILS: usize = 4;
/// The seat of the one that joins.
pub(crate) const JOINS: usize = 5;
/// The seat of the one that is drained.
pub(crate) const LEAVES: usize = 1;

// ===== impl Draining =====

impl Draining {
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

// ===== impl Processor =====

impl Processor {
    fn new(millis: u64, fails: bool) -> Self {
        Self {
            latency: Duration::from_millis(millis),
            fails,
            calls: Arc::default(),
        }
    }

    /// The calls that have reached it.
    pub(crate) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    pub(crate) fn work(self, request: u64) -> impl Future<Output = io::Result<u64>> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        async move {
            // From half to one and a half of its usual time.
            tokio::time::sleep(self.latency.mul_f64(0.5 + fastrand::f64())).await;
            if self.fails {
                return Err(io::Error::other("the disk is full"));
            }
            Ok(request)
        }
    }
}

/// The roster asks whether a member that is inserted again is still the same.
impl PartialEq for Processor {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.calls, &other.calls)
    }
}

// ===== impl Fleet =====

impl Fleet {
    /// Five of the six are members from the start.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let seat = |name, what, millis, fails| Seat {
            name,
            what,
            processor: Processor::new(millis, fails),
            endpoint: None,
        };
        let mut fleet = Self {
            roster: Roster::new(),
            seats: [
                seat("alpha", "8 ms", 8, false),
                seat("bravo", "8 ms, drained", 8, false),
                seat("charlie", "16 ms", 16, false),
                seat("delta", "64 ms", 64, false),
                seat("foxtrot", "fails in 1 ms", 1, true),
                seat("echo", "16 ms, joins", 16, false),
            ],
            drain: None,
        };
        for index in 0..JOINS {
            fleet.insert(index)?;
        }
        Ok(fleet)
    }

    fn insert(&mut self, index: usize) -> anyhow::Result<()> {
        let Seat {
            name,
            processor,
            endpoint,
            ..
        } = &mut self.seats[index];
        *endpoint = Some(self.roster.insert(*name, processor.clone())?);
        Ok(())
    }

    /// The sixth joins; says whether it had not before.
    pub(crate) fn join(&mut self) -> anyhow::Result<bool> {
        if self.seats[JOINS].endpoint.is_some() {
            return Ok(false);
        }
        self.insert(JOINS)?;
        Ok(true)
    }

    /// One is drained; says whether it had not been before.
    pub(crate) fn drain(&mut self) -> anyhow::Result<bool> {
        if self.drain.is_some() {
            return Ok(false);
        }
        let seat = &self.seats[LEAVES];
        let drain = self.roster.drain(seat.name, Duration::from_secs(5))?;
        let over = Arc::new(AtomicBool::new(false));
        self.drain = Some(Draining {
            calls: seat.processor.calls(),
            over: Arc::clone(&over),
        });
        tokio::task::spawn(async move {
            drain.await;
            over.store(true, Ordering::Relaxed);
        });
        Ok(true)
    }

    /// How the drain went, once it has begun.
    pub(crate) const fn drained(&self) -> Option<&Draining> {
        self.drain.as_ref()
    }
}
