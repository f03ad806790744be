//! The few bytes of an endpoint that every pick reads.
//!
//! They lie beside those of the other members, so that a sampling pick in a pool of 100,000 reads a table that fits a
//! second-level cache and not 100,000 scattered objects. The cells of a pool's first members are kept a pair of cache
//! lines apart, since in a small pool every core writes them.

use std::{
    collections::BTreeSet,
    fmt,
    ops::Deref,
    sync::{Arc, Weak},
};

use super::Weight;
use crate::sync::{AtomicU32, AtomicU64, Mutex, Ordering, lock};

const IN_FLIGHT_BITS: u32 = 24;
const IN_FLIGHT: u64 = (1 << IN_FLIGHT_BITS) - 1;
const REASON_BITS: u32 = 16;
const REASONS: u64 = ((1 << REASON_BITS) - 1) << IN_FLIGHT_BITS;
const SUCCESS: u64 = 1 << (IN_FLIGHT_BITS + REASON_BITS);
const SPILL: u64 = 1 << 63;
const SPILLED: u64 = SPILL / SUCCESS;

/// Far fewer than the field holds, so that racing callers cannot carry into the reasons.
const MOST_IN_FLIGHT: u64 = IN_FLIGHT / 2;

/// How many cells of an arena are kept apart.
const APART: usize = 64;
/// The distance of those, in cells: 128 bytes, a pair of cache lines.
const STRIDE: usize = 8;
/// How many cells any later chunk has.
const CHUNK: usize = 1024;

/// What a pick reads.
#[derive(Default)]
pub(crate) struct Cell {
    /// From the low end: calls in flight (24 bits), reasons why the gate is closed (16), successes (24, the top one of
    /// which is moved elsewhere once it is set). One word, so that counting a call in also reads the gate, counting it
    /// out also counts its success, and no reason can be lost between two words.
    load: AtomicU64,
    /// Belongs to the strategy: the bits of an `f32`.
    rank: AtomicU32,
    /// The bits of an `f32`.
    weight: AtomicU32,
}

/// A run of cells.
pub(crate) struct Chunk {
    cells: Box<[Cell]>,
    stride: usize,
}

/// Where the cells of one pool come from.
pub(crate) struct Arena {
    inner: Mutex<Allotment>,
}

#[derive(Default)]
struct Allotment {
    chunks: Vec<Arc<Chunk>>,
    next: u32,
    free: BTreeSet<u32>,
}

/// An endpoint's own cell. Goes back to its arena when the endpoint is dropped.
pub(crate) struct CellRef {
    chunk: Arc<Chunk>,
    offset: usize,
    slot: u32,
    arena: Weak<Arena>,
}

// ===== impl Cell =====

impl Cell {
    #[inline]
    pub(crate) fn in_flight(&self) -> u32 {
        (self.load.load(Ordering::Relaxed) & IN_FLIGHT) as u32
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.load.load(Ordering::Relaxed) & REASONS != 0
    }

    /// Calls in flight, or `None` while a reason is set.
    #[inline]
    pub(crate) fn open_load(&self) -> Option<u32> {
        let load = self.load.load(Ordering::Relaxed);
        (load & REASONS == 0).then_some((load & IN_FLIGHT) as u32)
    }

    #[inline]
    pub(crate) fn successes(&self) -> u64 {
        self.load.load(Ordering::Relaxed) / SUCCESS
    }

    #[inline]
    pub(crate) fn rank(&self) -> f32 {
        f32::from_bits(self.rank.load(Ordering::Relaxed))
    }

    #[inline]
    pub(crate) fn set_rank(&self, rank: f32) {
        self.rank.store(rank.to_bits(), Ordering::Relaxed);
    }

    #[inline]
    pub(crate) fn weight(&self) -> f32 {
        f32::from_bits(self.weight.load(Ordering::Relaxed))
    }

    pub(crate) fn set_weight(&self, weight: Weight) {
        self.weight
            .store((weight.get() as f32).to_bits(), Ordering::Relaxed);
    }

    /// Counts a call in, unless a reason is set or far too many are in already. On an error nothing is counted; it says
    /// for which reasons the caller was, for a moment, the last call in.
    #[inline(always)]
    pub(crate) fn enter(&self) -> Result<(), u16> {
        let before = self.load.fetch_add(1, Ordering::SeqCst);
        if before & REASONS == 0 && before & IN_FLIGHT < MOST_IN_FLIGHT {
            return Ok(());
        }
        Err(self.leave(false))
    }

    /// Counts a call out; says for which reasons the endpoint is closed if it was the last call in, 0 if it was not.
    #[inline(always)]
    pub(crate) fn leave(&self, success: bool) -> u16 {
        let change = if success { SUCCESS - 1 } else { 1_u64.wrapping_neg() };
        let before = self.load.fetch_add(change, Ordering::SeqCst);
        if before & IN_FLIGHT == 1 {
            ((before & REASONS) >> IN_FLIGHT_BITS) as u16
        } else {
            0
        }
    }

    /// Takes the highest bit of the count of successes, once it is set, for the caller to add elsewhere.
    #[inline]
    pub(crate) fn spill(&self) -> Option<u64> {
        if self.load.load(Ordering::Relaxed) & SPILL == 0 {
            return None;
        }
        // Only one caller sees the bit set before its own `and`.
        let before = self.load.fetch_and(!SPILL, Ordering::AcqRel);
        (before & SPILL != 0).then_some(SPILLED)
    }

    pub(crate) fn reasons(&self) -> u16 {
        ((self.load.load(Ordering::SeqCst) & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    /// Sets reasons; returns those that were set before.
    pub(crate) fn set_reasons(&self, bits: u16) -> u16 {
        let before = self
            .load
            .fetch_or(u64::from(bits) << IN_FLIGHT_BITS, Ordering::SeqCst);
        ((before & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    /// Clears reasons; returns those that were set before.
    pub(crate) fn clear_reasons(&self, bits: u16) -> u16 {
        let before = self
            .load
            .fetch_and(!(u64::from(bits) << IN_FLIGHT_BITS), Ordering::SeqCst);
        ((before & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    fn reset(&self) {
        self.load.store(0, Ordering::Release);
        self.rank.store(0, Ordering::Release);
    }
}

// ===== impl Chunk =====

impl Chunk {
    fn new(len: usize, stride: usize) -> Self {
        Self {
            cells: (0..len * stride).map(|_| Cell::default()).collect(),
            stride,
        }
    }

    #[inline(always)]
    pub(crate) fn cell(&self, index: usize) -> &Cell {
        &self.cells[index * self.stride]
    }

    /// Which chunk of an arena a slot lies in, and where in it.
    #[inline(always)]
    pub(crate) const fn locate(slot: usize) -> (usize, usize) {
        if slot < APART {
            (0, slot)
        } else {
            let rest = slot - APART;
            (1 + rest / CHUNK, rest % CHUNK)
        }
    }
}

// ===== impl Arena =====

impl Arena {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Allotment::default()),
        })
    }

    /// An arena for one endpoint that belongs to no roster.
    pub(crate) fn single() -> Arc<Self> {
        Arc::new(Self {
            inner: Mutex::new(Allotment {
                chunks: vec![Arc::new(Chunk::new(1, STRIDE))],
                ..Allotment::default()
            }),
        })
    }

    /// The lowest free cell.
    pub(crate) fn allot(arena: &Arc<Self>) -> CellRef {
        let mut inner = lock(&arena.inner);
        let slot = inner.free.pop_first().unwrap_or_else(|| {
            let slot = inner.next;
            inner.next += 1;
            slot
        });
        let (chunk, index) = Chunk::locate(slot as usize);
        if chunk == inner.chunks.len() {
            inner.chunks.push(Arc::new(if chunk == 0 {
                Chunk::new(APART, STRIDE)
            } else {
                Chunk::new(CHUNK, 1)
            }));
        }
        let chunk = Arc::clone(&inner.chunks[chunk]);
        CellRef {
            offset: index * chunk.stride,
            chunk,
            slot,
            arena: Arc::downgrade(arena),
        }
    }

    /// All chunks up to now, in the order of slots.
    pub(crate) fn chunks(&self) -> Vec<Arc<Chunk>> {
        lock(&self.inner).chunks.clone()
    }
}

// ===== impl CellRef =====

impl CellRef {
    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    pub(crate) const fn arena(&self) -> &Weak<Arena> {
        &self.arena
    }
}

impl Deref for CellRef {
    type Target = Cell;

    #[inline]
    fn deref(&self) -> &Cell {
        &self.chunk.cells[self.offset]
    }
}

impl Drop for CellRef {
    fn drop(&mut self) {
        if let Some(arena) = self.arena.upgrade() {
            self.reset();
            lock(&arena.inner).free.insert(self.slot);
        }
    }
}

impl fmt::Debug for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("in_flight", &self.in_flight())
            .field("reasons", &self.reasons())
            .field("rank", &self.rank())
            .finish()
    }
}
