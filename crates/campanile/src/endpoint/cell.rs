//! The few bytes of an endpoint that every pick reads.
//!
//! They lie beside those of the other members, so that a sampling pick in a pool of 100,000 reads a table that fits a
//! second-level cache and not 100,000 scattered objects. The cells of a pool's first members are kept a pair of cache
//! lines apart, since in a small pool every core writes them.

use std::{
    collections::BTreeSet,
    fmt,
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

/// How many cells of an arena are kept apart. A power of two, like the next, so that an index is masked and not
/// checked.
const APART: usize = 64;
/// How many cells any later chunk has.
const PACKED: usize = 1024;

/// What a pick reads of an endpoint: where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Cell<'a> {
    load: &'a AtomicU64,
    rank: &'a AtomicU32,
    weight: &'a AtomicU32,
}

/// What a pick reads of an endpoint.
#[derive(Default)]
struct Words {
    /// From the low end: calls in flight (24 bits), reasons why the gate is closed (16), successes (24, the top one of
    /// which is moved elsewhere once it is set). One word, so that counting a call in also reads the gate, counting it
    /// out also counts its success, and no reason can be lost between two words.
    load: AtomicU64,
    /// Belongs to the strategy: the bits of an `f32`.
    rank: AtomicU32,
    /// The bits of an `f32`.
    weight: AtomicU32,
}

/// The cells of an arena up to some moment, by slot.
pub(crate) struct Cells {
    apart: Arc<Apart>,
    packed: Box<[Arc<Packed>]>,
}

/// The first cells of an arena, a pair of cache lines apart.
struct Apart([Padded; APART]);

/// Later ones, side by side, and the words of a kind together: a pick that compares loads reads nothing else.
struct Packed {
    loads: [AtomicU64; PACKED],
    ranks: [AtomicU32; PACKED],
    weights: [AtomicU32; PACKED],
}

#[derive(Default)]
#[repr(align(128))]
struct Padded(Words);

/// Where the cells of one pool come from.
pub(crate) struct Arena {
    inner: Mutex<Allotment>,
}

#[derive(Default)]
struct Allotment {
    apart: Option<Arc<Apart>>,
    packed: Vec<Arc<Packed>>,
    next: u32,
    free: BTreeSet<u32>,
}

/// An endpoint's own cell. Goes back to its arena when the endpoint is dropped.
pub(crate) struct CellRef {
    place: Place,
    slot: u32,
    arena: Weak<Arena>,
}

enum Place {
    Apart(Arc<Apart>),
    Packed(Arc<Packed>),
    Single(Box<Padded>),
}

// ===== impl Cell =====

impl Cell<'_> {
    #[inline(always)]
    pub(crate) fn in_flight(self) -> u32 {
        (self.load.load(Ordering::Relaxed) & IN_FLIGHT) as u32
    }

    #[inline(always)]
    pub(crate) fn is_closed(self) -> bool {
        self.load.load(Ordering::Relaxed) & REASONS != 0
    }

    /// Calls in flight, or `None` while a reason is set.
    #[inline(always)]
    pub(crate) fn open_load(self) -> Option<u32> {
        let load = self.load.load(Ordering::Relaxed);
        (load & REASONS == 0).then_some((load & IN_FLIGHT) as u32)
    }

    #[inline(always)]
    pub(crate) fn successes(self) -> u64 {
        self.load.load(Ordering::Relaxed) / SUCCESS
    }

    #[inline(always)]
    pub(crate) fn rank(self) -> f32 {
        f32::from_bits(self.rank.load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub(crate) fn set_rank(self, rank: f32) {
        self.rank.store(rank.to_bits(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(crate) fn weight(self) -> f32 {
        f32::from_bits(self.weight.load(Ordering::Relaxed))
    }

    pub(crate) fn set_weight(self, weight: Weight) {
        self.weight
            .store((weight.get() as f32).to_bits(), Ordering::Relaxed);
    }

    /// Counts a call in, unless a reason is set or far too many are in already. On an error nothing is counted; it says
    /// for which reasons the caller was, for a moment, the last call in.
    #[inline(always)]
    pub(crate) fn enter(self) -> Result<(), u16> {
        let before = self.load.fetch_add(1, Ordering::SeqCst);
        if before & REASONS == 0 && before & IN_FLIGHT < MOST_IN_FLIGHT {
            return Ok(());
        }
        Err(self.leave(false))
    }

    /// Counts a call out; says for which reasons the endpoint is closed if it was the last call in, 0 if it was not.
    #[inline(always)]
    pub(crate) fn leave(self, success: bool) -> u16 {
        let change = if success {
            SUCCESS - 1
        } else {
            1_u64.wrapping_neg()
        };
        let before = self.load.fetch_add(change, Ordering::SeqCst);
        if before & IN_FLIGHT == 1 {
            ((before & REASONS) >> IN_FLIGHT_BITS) as u16
        } else {
            0
        }
    }

    /// Takes the highest bit of the count of successes, once it is set, for the caller to add elsewhere.
    #[inline(always)]
    pub(crate) fn spill(self) -> Option<u64> {
        if self.load.load(Ordering::Relaxed) & SPILL == 0 {
            return None;
        }
        self.spill_over()
    }

    #[cold]
    fn spill_over(self) -> Option<u64> {
        // Only one caller sees the bit set before its own `and`.
        let before = self.load.fetch_and(!SPILL, Ordering::AcqRel);
        (before & SPILL != 0).then_some(SPILLED)
    }

    pub(crate) fn reasons(self) -> u16 {
        ((self.load.load(Ordering::SeqCst) & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    /// Sets reasons; returns those that were set before.
    pub(crate) fn set_reasons(self, bits: u16) -> u16 {
        let before = self
            .load
            .fetch_or(u64::from(bits) << IN_FLIGHT_BITS, Ordering::SeqCst);
        ((before & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    /// Clears reasons; returns those that were set before.
    pub(crate) fn clear_reasons(self, bits: u16) -> u16 {
        let before = self
            .load
            .fetch_and(!(u64::from(bits) << IN_FLIGHT_BITS), Ordering::SeqCst);
        ((before & REASONS) >> IN_FLIGHT_BITS) as u16
    }

    /// As if so many calls were in flight and so many had succeeded.
    #[cfg(test)]
    pub(crate) fn preset(self, in_flight: u64, successes: u64) {
        self.load
            .store(successes * SUCCESS + in_flight, Ordering::SeqCst);
    }

    fn reset(self) {
        self.load.store(0, Ordering::Release);
        self.rank.store(0, Ordering::Release);
    }
}

// ===== impl Padded =====

impl Padded {
    #[inline(always)]
    const fn cell(&self) -> Cell<'_> {
        Cell {
            load: &self.0.load,
            rank: &self.0.rank,
            weight: &self.0.weight,
        }
    }
}

// ===== impl Packed =====

impl Packed {
    fn new() -> Self {
        Self {
            loads: std::array::from_fn(|_| AtomicU64::new(0)),
            ranks: std::array::from_fn(|_| AtomicU32::new(0)),
            weights: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    #[inline(always)]
    fn cell(&self, index: usize) -> Cell<'_> {
        let index = index % PACKED;
        Cell {
            load: &self.loads[index],
            rank: &self.ranks[index],
            weight: &self.weights[index],
        }
    }
}

// ===== impl Cells =====

impl Cells {
    /// The cell of a slot, which must have been allotted before the cells were listed.
    #[inline(always)]
    pub(crate) fn get(&self, slot: usize) -> Cell<'_> {
        if slot < APART {
            self.apart.0[slot].cell()
        } else {
            let rest = slot - APART;
            self.packed[rest / PACKED].cell(rest)
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

    /// The lowest free cell.
    pub(crate) fn allot(arena: &Arc<Self>) -> CellRef {
        let mut inner = lock(&arena.inner);
        let slot = inner.free.pop_first().unwrap_or_else(|| {
            let slot = inner.next;
            inner.next += 1;
            slot
        });
        CellRef {
            place: inner.place(slot as usize),
            slot,
            arena: Arc::downgrade(arena),
        }
    }

    /// All cells allotted up to now.
    pub(crate) fn cells(&self) -> Option<Cells> {
        let inner = lock(&self.inner);
        Some(Cells {
            apart: inner.apart.clone()?,
            packed: inner.packed.clone().into(),
        })
    }
}

impl Allotment {
    fn place(&mut self, slot: usize) -> Place {
        if slot < APART {
            let apart = self
                .apart
                .get_or_insert_with(|| Arc::new(Apart(std::array::from_fn(|_| Padded::default()))));
            return Place::Apart(Arc::clone(apart));
        }
        let chunk = (slot - APART) / PACKED;
        if chunk == self.packed.len() {
            self.packed.push(Arc::new(Packed::new()));
        }
        Place::Packed(Arc::clone(&self.packed[chunk]))
    }
}

// ===== impl CellRef =====

impl CellRef {
    /// A cell of no arena, for an endpoint that belongs to no roster.
    pub(crate) fn single() -> Self {
        Self {
            place: Place::Single(Box::default()),
            slot: 0,
            arena: Weak::new(),
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self) -> Cell<'_> {
        let slot = self.slot as usize;
        match &self.place {
            Place::Apart(apart) => apart.0[slot % APART].cell(),
            Place::Packed(packed) => packed.cell(slot.wrapping_sub(APART)),
            Place::Single(single) => single.cell(),
        }
    }

    pub(crate) const fn slot(&self) -> u32 {
        self.slot
    }

    /// Tells it from every other cell. Those of one arena are next to each other, in the order of their slots.
    pub(crate) fn place(&self) -> (usize, u32) {
        let home = match &self.place {
            Place::Single(single) => std::ptr::from_ref::<Padded>(single).addr(),
            Place::Apart(_) | Place::Packed(_) => self.arena.as_ptr().addr(),
        };
        (home, self.slot)
    }

    pub(crate) const fn arena(&self) -> &Weak<Arena> {
        &self.arena
    }
}

impl Drop for CellRef {
    fn drop(&mut self) {
        if let Some(arena) = self.arena.upgrade() {
            self.get().reset();
            lock(&arena.inner).free.insert(self.slot);
        }
    }
}

impl fmt::Debug for Cell<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cell")
            .field("in_flight", &self.in_flight())
            .field("reasons", &self.reasons())
            .field("rank", &self.rank())
            .finish()
    }
}
