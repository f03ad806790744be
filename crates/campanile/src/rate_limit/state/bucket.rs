use std::{array, cell::Cell};

use super::{Gauge, UNITS};
use crate::{
    sync::{AtomicU64, Ordering},
    time::Timestamp,
};

/// So much of each unit, in parts.
pub(crate) type Amounts = [u64; UNITS];

/// What the meters are set to; `None` where a unit is not limited.
pub(crate) type Gauges = [Option<Gauge>; UNITS];

/// Where a bucket finds what its meters are set to.
pub trait Dials {
    fn gauge(&self, unit: usize) -> Option<Gauge>;
}

/// The state of one bucket: for each unit what the meter will show when it is full again (the theoretical arrival time of
/// GCRA, in units), and the time until which it is parked.
pub trait Cells {
    fn get(&self, cell: usize) -> u64;

    /// Writes `new` if `old` is still there.
    fn replace(&self, cell: usize, old: u64, new: u64) -> Result<(), u64>;

    fn subtract(&self, cell: usize, amount: u64);
}

/// The cell of the time until which a bucket is parked, in nanoseconds.
const PARKED: usize = UNITS;

/// How many cells a bucket has.
pub(crate) const CELLS: usize = UNITS + 1;

/// A bucket that anyone may use at once.
pub(crate) type Shared = [AtomicU64; CELLS];

/// A bucket behind a lock.
pub(crate) type Locked = [Cell<u64>; CELLS];

/// Nobody owes more than this: it is a bucket that has lain untouched until its meter came round.
const MOST_OWED: u64 = 1 << 62;

/// A bucket that is full, for anyone.
pub(crate) fn shared() -> Shared {
    array::from_fn(|_| AtomicU64::new(0))
}

/// A bucket that is full, to be kept behind a lock.
pub(crate) const fn locked() -> Locked {
    [const { Cell::new(0) }; CELLS]
}

/// What a bucket owes when its meter shows `value`: what has been given out and is not due yet. 0 when it is full.
#[inline]
pub(crate) const fn owed(until: u64, value: u64) -> u64 {
    let owed = until.wrapping_sub(value);
    if owed <= MOST_OWED { owed } else { 0 }
}

/// When the bucket is no longer parked.
#[inline]
pub(crate) fn parked(cells: &(impl Cells + ?Sized)) -> Timestamp {
    Timestamp::from_nanos(cells.get(PARKED))
}

/// Parks the bucket until `until`, or longer where it is already; says whether that is later than before.
pub(crate) fn park(cells: &(impl Cells + ?Sized), until: Timestamp) -> bool {
    let mut old = cells.get(PARKED);
    while old < until.as_nanos() {
        match cells.replace(PARKED, old, until.as_nanos()) {
            Ok(()) => return true,
            Err(now) => old = now,
        }
    }
    false
}

/// Ends the park at `now`, if it lasts longer.
pub(crate) fn unpark(cells: &(impl Cells + ?Sized), now: Timestamp) {
    let mut old = cells.get(PARKED);
    while old > now.as_nanos() {
        match cells.replace(PARKED, old, now.as_nanos()) {
            Ok(()) => return,
            Err(now) => old = now,
        }
    }
}

/// What a call takes, and how.
#[derive(Debug, Clone, Copy)]
pub struct Order<'a> {
    pub(crate) cost: &'a Amounts,
    /// The least that any call takes.
    pub(crate) least: &'a Amounts,
    /// What takes more than a full bucket holds goes when it is full.
    pub(crate) oversize: bool,
    pub(crate) now: Timestamp,
}

/// Takes the cost in all units or in none. `Ok` says whether what is left is too little for any other call; `None` that
/// there was too little.
#[inline]
pub(crate) fn take(
    cells: &(impl Cells + ?Sized),
    dials: &impl Dials,
    order: &Order<'_>,
) -> Option<bool> {
    if cells.get(PARKED) > order.now.as_nanos() {
        return None;
    }
    let mut empty = false;
    for unit in 0..UNITS {
        let Some(gauge) = dials.gauge(unit) else {
            continue;
        };
        match take_unit(cells, unit, &gauge, order) {
            Some(owed) => empty |= owed + order.least[unit] > gauge.burst,
            None => {
                put_back(cells, order.cost, unit);
                return None;
            }
        }
    }
    Some(empty)
}

/// Takes the cost in one unit; returns what the bucket owes then.
#[inline]
fn take_unit(
    cells: &(impl Cells + ?Sized),
    unit: usize,
    gauge: &Gauge,
    order: &Order<'_>,
) -> Option<u64> {
    let cost = order.cost[unit];
    let needs = if order.oversize {
        cost.min(gauge.burst)
    } else {
        cost
    };
    let value = gauge.value(order.now);
    let mut until = cells.get(unit);
    loop {
        let owed = owed(until, value);
        // Neither is above 2^62.
        if owed + needs > gauge.burst {
            return None;
        }
        let owes = owed + cost;
        if cost == 0 {
            return Some(owes);
        }
        match cells.replace(unit, until, value.wrapping_add(owes)) {
            Ok(()) => return Some(owes),
            Err(now) => until = now,
        }
    }
}

/// Puts back what was taken of the units before `unit`. Of a unit that is not limited the cost is 0.
#[cold]
fn put_back(cells: &(impl Cells + ?Sized), cost: &Amounts, unit: usize) {
    for (taken, cost) in cost[..unit].iter().enumerate() {
        give_back(cells, taken, *cost);
    }
}

/// Whether the bucket never holds so much at once.
pub(crate) fn exceeds(gauges: &Gauges, cost: &Amounts) -> bool {
    (0..UNITS).any(|unit| {
        gauges[unit]
            .as_ref()
            .is_some_and(|gauge| cost[unit] > gauge.burst)
    })
}

/// Gives back what was taken and not used.
#[inline]
pub(crate) fn give_back(cells: &(impl Cells + ?Sized), unit: usize, amount: u64) {
    if amount != 0 {
        cells.subtract(unit, amount);
    }
}

/// Takes more than was there, if need be: the bucket owes it.
pub(crate) fn charge(
    cells: &(impl Cells + ?Sized),
    unit: usize,
    gauge: &Gauge,
    amount: u64,
    now: Timestamp,
) {
    let value = gauge.value(now);
    let mut until = cells.get(unit);
    loop {
        let owes = owed(until, value).saturating_add(amount).min(MOST_OWED);
        match cells.replace(unit, until, value.wrapping_add(owes)) {
            Ok(()) => return,
            Err(now) => until = now,
        }
    }
}

/// Leaves `left` at most; says whether there was more.
pub(crate) fn lower(
    cells: &(impl Cells + ?Sized),
    unit: usize,
    gauge: &Gauge,
    left: u64,
    now: Timestamp,
) -> bool {
    let value = gauge.value(now);
    let owes = gauge.burst.saturating_sub(left);
    let mut until = cells.get(unit);
    while owed(until, value) < owes {
        match cells.replace(unit, until, value.wrapping_add(owes)) {
            Ok(()) => return true,
            Err(now) => until = now,
        }
    }
    false
}

/// When `cost` is there behind `ahead` that others wait for, and nobody else comes.
pub(crate) fn when(
    cells: &(impl Cells + ?Sized),
    gauges: &Gauges,
    cost: &Amounts,
    ahead: &Amounts,
    now: Timestamp,
) -> Timestamp {
    let start = now.max(parked(cells));
    let mut at = start;
    for unit in 0..UNITS {
        let Some(gauge) = &gauges[unit] else { continue };
        let value = gauge.value(start);
        let needs = owed(cells.get(unit), value)
            .saturating_add(ahead[unit])
            .saturating_add(cost[unit].min(gauge.burst));
        if needs > gauge.burst {
            let due = value.wrapping_add((needs - gauge.burst).min(MOST_OWED));
            at = at.max(gauge.when(due, start));
        }
    }
    at
}

/// How late a call that waited may come and still count as having come in time: timers are as fine as a millisecond, and
/// at a thousand calls a second each would lose half a turn.
const LATENESS: u64 = 1_000_000;

/// Takes `cost` for the first of those who wait, who has waited from `since`; else says when to come again.
pub(crate) fn take_turn(
    cells: &(impl Cells + ?Sized),
    gauges: &Gauges,
    cost: &Amounts,
    since: Timestamp,
    now: Timestamp,
) -> Result<(), Timestamp> {
    'again: loop {
        let due = when(cells, gauges, cost, &[0; UNITS], since);
        if due > now {
            return Err(due);
        }
        let due = due.as_nanos().max(now.as_nanos().saturating_sub(LATENESS));
        let due = Timestamp::from_nanos(due);
        for unit in 0..UNITS {
            let Some(gauge) = &gauges[unit] else { continue };
            let until = cells.get(unit);
            // Others may have taken some meanwhile, without seeing that somebody waits.
            let enough = owed(until, gauge.value(now)) + cost[unit].min(gauge.burst) <= gauge.burst;
            let value = gauge.value(due);
            let owes = owed(until, value).saturating_add(cost[unit]);
            if !enough
                || cells
                    .replace(unit, until, value.wrapping_add(owes))
                    .is_err()
            {
                put_back(cells, cost, unit);
                continue 'again;
            }
        }
        return Ok(());
    }
}

/// What a bucket owes in one unit, in parts.
pub(crate) fn owed_in(
    cells: &(impl Cells + ?Sized),
    unit: usize,
    gauge: &Gauge,
    now: Timestamp,
) -> u64 {
    owed(cells.get(unit), gauge.value(now))
}

/// Whether nothing would be lost if the bucket were forgotten.
pub(crate) fn is_full(cells: &(impl Cells + ?Sized), gauges: &Gauges, now: Timestamp) -> bool {
    parked(cells) <= now
        && (0..UNITS).all(|unit| {
            gauges[unit]
                .as_ref()
                .is_none_or(|gauge| owed(cells.get(unit), gauge.value(now)) == 0)
        })
}

// ===== impl Dials =====

impl Dials for Gauges {
    #[inline]
    fn gauge(&self, unit: usize) -> Option<Gauge> {
        self[unit]
    }
}

// ===== impl Cells =====

impl Cells for Shared {
    #[inline]
    fn get(&self, cell: usize) -> u64 {
        self[cell].load(Ordering::SeqCst)
    }

    #[inline]
    fn replace(&self, cell: usize, old: u64, new: u64) -> Result<(), u64> {
        self[cell]
            .compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
    }

    #[inline]
    fn subtract(&self, cell: usize, amount: u64) {
        self[cell].fetch_sub(amount, Ordering::SeqCst);
    }
}

impl Cells for Locked {
    #[inline]
    fn get(&self, cell: usize) -> u64 {
        self[cell].get()
    }

    #[inline]
    fn replace(&self, cell: usize, _old: u64, new: u64) -> Result<(), u64> {
        self[cell].set(new);
        Ok(())
    }

    #[inline]
    fn subtract(&self, cell: usize, amount: u64) {
        self[cell].set(self[cell].get().wrapping_sub(amount));
    }
}
