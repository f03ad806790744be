//! What lanes have passed on.

use super::{
    compact::Compact,
    latest::Latest,
    pages::Pages,
    record::{self, GAPS, KINDS, Record, Tick, ticks},
    tallies::Tallies,
};
use crate::metrics::{
    Distributions, Histogram, OutcomeCounts, Refusals,
    histogram::slots::{Slots, Slotted},
};

/// How many turns make the last minute, the present one included.
const TURNS: usize = 6;
/// How long one is: ten seconds, less a thousandth.
const TURN: Tick = ticks(10_000_000_000);

/// Everything that was passed on.
#[derive(Debug)]
pub(super) struct Aggregate {
    ended: u64,
    /// Of turns that are over for a minute.
    counts: [u64; KINDS],
    past: Tallies<Compact>,
    /// The last minute's, each at its number's place.
    turns: [Option<Box<Turn>>; TURNS],
    /// Recorded more than a minute ago, and passed on only now.
    late: Option<Box<Turn>>,
    latest: Latest,
    /// Refusals that the table has no place for.
    pub(super) refusals: Vec<Refusals>,
}

/// What was recorded in ten seconds. In no turn and in the past as well: what is known since the start is both together.
#[derive(Debug)]
struct Turn {
    number: Tick,
    counts: [u64; KINDS],
    tallies: Tallies<Pages>,
}

/// What there is to tell at one moment, copied and not yet worked out: calls may wait for whoever copies. Its memory can be
/// used again.
#[derive(Debug)]
pub(in crate::metrics) struct Told {
    counts: [u64; KINDS],
    past: Tallies<Compact>,
    minute_counts: [u64; KINDS],
    /// Of the turns of the last minute, so many of which there are.
    turns: [Tallies<Pages>; TURNS],
    live: usize,
    /// When the last minute began.
    pub(super) minute_from: Tick,
    /// `None` where nobody asks for the latest.
    pub(super) latest: Option<Latest>,
    pub(super) refusals: Vec<Refusals>,
}

// ===== impl Aggregate =====

impl Aggregate {
    pub(super) const fn new(latest: usize) -> Self {
        Self {
            ended: 0,
            counts: [0; KINDS],
            past: Tallies::<Compact>::NONE,
            turns: [const { None }; TURNS],
            late: None,
            latest: Latest::new(latest),
            refusals: Vec::new(),
        }
    }

    /// Takes a record; `now` is the present.
    #[inline]
    pub(super) fn take(&mut self, record: Record, now: Tick) {
        let tick = record.tick(now);
        let number = tick / TURN;
        match &mut self.turns[place(number)] {
            Some(turn) if turn.number == number => turn.count(record),
            _ => self.turn(number).count(record),
        }
        if record.kind() < GAPS {
            self.ended += 1;
            self.latest.push(record, tick);
        }
    }

    /// The turn of that number, which begins, or is over for long.
    #[cold]
    fn turn(&mut self, number: Tick) -> &mut Turn {
        let turn = &mut self.turns[place(number)];
        if turn.as_ref().is_some_and(|turn| turn.number > number) {
            return self.late.get_or_insert_with(|| Turn::new(number));
        }
        let turn = turn.get_or_insert_with(|| Turn::new(number));
        if turn.number < number {
            turn.settle(&mut self.counts, &mut self.past);
            turn.number = number;
        }
        turn
    }

    /// Moves to the past what was recorded more than a minute ago, and gives its memory back.
    fn settle(&mut self, now: Tick) {
        for turn in &mut self.turns {
            if turn
                .as_ref()
                .is_some_and(|turn| turn.number + TURNS as Tick <= now / TURN)
                && let Some(mut turn) = turn.take()
            {
                turn.settle(&mut self.counts, &mut self.past);
            }
        }
        if let Some(mut late) = self.late.take() {
            late.settle(&mut self.counts, &mut self.past);
        }
    }

    /// Calls that ended.
    pub(super) const fn ended(&self) -> u64 {
        self.ended
    }

    /// Copies what there is to tell at that moment.
    pub(super) fn tell(&mut self, now: Tick, latest: bool, told: &mut Told) {
        self.settle(now);
        told.counts = self.counts;
        told.past.copy(&self.past);
        told.minute_counts = [0; KINDS];
        told.live = 0;
        for turn in self.turns.iter().flatten() {
            add(&mut told.minute_counts, &turn.counts);
            told.turns[told.live].copy(&turn.tallies);
            told.live += 1;
        }
        told.minute_from = (now / TURN + 1).saturating_sub(TURNS as Tick) * TURN;
        told.latest = latest.then(|| self.latest.clone());
        told.refusals.clone_from(&self.refusals);
    }

    /// What lies elsewhere for it, in bytes.
    pub(super) fn memory(&self) -> usize {
        let turns = self.turns.iter().chain([&self.late]).flatten();
        let past = self.past.each().map(Compact::memory);
        turns.map(|turn| turn.memory()).sum::<usize>()
            + past.iter().sum::<usize>()
            + self.latest.memory()
            + self.refusals.capacity() * size_of::<Refusals>()
    }
}

const fn place(number: Tick) -> usize {
    (number % TURNS as Tick) as usize
}

fn add(sum: &mut [u64; KINDS], counts: &[u64; KINDS]) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

// ===== impl Turn =====

impl Turn {
    fn new(number: Tick) -> Box<Self> {
        Box::new(Self {
            number,
            counts: [0; KINDS],
            tallies: Tallies::new(),
        })
    }

    #[inline]
    fn count(&mut self, record: Record) {
        self.counts[usize::from(record.kind())] += 1;
        self.tallies.count(record);
    }

    /// Moves everything to the past.
    fn settle(&mut self, counts: &mut [u64; KINDS], past: &mut Tallies<Compact>) {
        add(counts, &self.counts);
        self.counts = [0; KINDS];
        for (past, pages) in past.each_mut().into_iter().zip(self.tallies.each_mut()) {
            past.add(pages);
            pages.clear();
        }
    }

    fn memory(&self) -> usize {
        let pages = self.tallies.each().map(Pages::memory);
        size_of::<Self>() + pages.iter().sum::<usize>()
    }
}

// ===== impl Told =====

impl Told {
    /// How the calls ended since the start.
    pub(super) fn outcomes(&self) -> OutcomeCounts {
        let mut counts = self.counts;
        add(&mut counts, &self.minute_counts);
        record::outcomes(&counts)
    }

    fn turns(&self, at: usize) -> impl Iterator<Item = &Pages> + Clone {
        self.turns[..self.live]
            .iter()
            .map(move |turn| turn.each()[at])
    }

    /// The times since the start, by bounds.
    pub(super) fn slotted(&self, slots: &Slots) -> Tallies<Slotted> {
        let mut start: Tallies<Slotted> = Tallies::default();
        for (at, start) in start.each_mut().into_iter().enumerate() {
            for (bucket, count) in self.past.each()[at].iter() {
                start.add(slots, bucket, count);
            }
            Pages::sum(self.turns(at), |bucket, count| {
                start.add(slots, bucket, count);
            });
        }
        start
    }

    /// The calls since the start, in the last minute, and the latest ones, but for their spans.
    pub(super) fn distributions(&self) -> [Distributions; 3] {
        let mut minute: Tallies<Histogram> = Tallies::default();
        for (at, histogram) in minute.each_mut().into_iter().enumerate() {
            Pages::sum(self.turns(at), |bucket, count| {
                histogram.push(bucket, count)
            });
        }
        let mut start: Tallies<Histogram> = Tallies::default();
        for (at, start) in start.each_mut().into_iter().enumerate() {
            for (bucket, count) in self.past.each()[at].iter() {
                start.push(bucket, count);
            }
            start.merge(minute.each()[at]);
        }
        let mut counts = self.counts;
        add(&mut counts, &self.minute_counts);
        [
            start.tell(&counts),
            minute.tell(&self.minute_counts),
            self.latest
                .as_ref()
                .map(Latest::distributions)
                .unwrap_or_default(),
        ]
    }
}

impl Default for Told {
    fn default() -> Self {
        Self {
            counts: [0; KINDS],
            past: Tallies::<Compact>::NONE,
            minute_counts: [0; KINDS],
            turns: [const { Tallies::<Pages>::new() }; TURNS],
            live: 0,
            minute_from: 0,
            latest: None,
            refusals: Vec::new(),
        }
    }
}
