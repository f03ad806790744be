use std::{
    fmt,
    sync::{
        OnceLock,
        atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering},
    },
};

use campanile::{
    Call,
    balance::{
        Adapt, Adapter, Begin, Ebw, EbwState, End, LoadReport, Peer, Pick, Strategy, View,
        affinity_key,
    },
    config::Invalid,
    time::Timestamp,
};

use super::{
    PrefixConfig,
    chunks::Chunks,
    holders::Holders,
    index::Index,
    rank::{CHOICES, Ring},
};
use crate::route::{Routed, number::Number};

/// How many members' places are remembered. In a larger pool some are found only by load.
const PLACES: usize = 16_384;

/// What an answer is taken for before one has ended, in tokens, and the weight of the newest in the mean.
const OUTPUT: f64 = 200.0;
const NEWEST: f64 = 0.02;

/// To the member that has read the beginning of a prompt. See the [module](super).
///
/// ```
/// use campanile::balance::BalanceLayer;
/// use campanile_llm::{Chat, route::{PrefixAware, PrefixConfig}};
///
/// let layer = BalanceLayer::new(PrefixAware::new(PrefixConfig::default())?).protocol(Chat);
/// # let _ = layer;
/// # Ok::<(), campanile::config::Invalid>(())
/// ```
pub struct PrefixAware {
    config: PrefixConfig,
    load: Ebw,
    index: Index,
    ring: Ring,
    /// The next member's number.
    next: AtomicU16,
    /// Where members stand, by their numbers: found there, or not.
    places: Box<[AtomicU32]>,
    /// One more than the version of the members whose places these are; 0 before there are any.
    placed: AtomicU64,
    /// Mean tokens of an answer; 0 before the first.
    output: Number,
}

/// What [`PrefixAware`] keeps of an endpoint.
#[derive(Debug, Default)]
pub struct PrefixState {
    load: EbwState,
    member: OnceLock<(u16, u64)>,
}

struct ByLoad;

// ===== impl PrefixAware =====

impl PrefixAware {
    /// With these constants.
    ///
    /// # Errors
    ///
    /// When one is out of range.
    pub fn new(config: PrefixConfig) -> Result<Self, Invalid> {
        let config = config.build()?;
        Ok(Self {
            load: Ebw::default(),
            index: Index::new(config.entries, config.forget),
            ring: Ring::default(),
            next: AtomicU16::new(0),
            places: (0..PLACES).map(|_| AtomicU32::new(u32::MAX)).collect(),
            placed: AtomicU64::new(0),
            output: Number::default(),
            config,
        })
    }

    /// Weighs load by another [`Ebw`].
    #[must_use]
    pub fn with_load(mut self, load: Ebw) -> Self {
        self.load = load;
        self
    }

    /// Notes where members stand. They move when one joins or leaves: those behind it all do.
    #[cold]
    fn place<V: View<PrefixState>>(&self, view: &V, version: u64) {
        // Others need not do the same.
        self.placed.store(version, Ordering::Relaxed);
        for index in 0..view.len() {
            let member = view.state(index).number();
            self.places[usize::from(member) % PLACES].store(index as u32, Ordering::Relaxed);
        }
    }

    /// Where a member of this number stands.
    fn index_of<V: View<PrefixState>>(&self, view: &V, member: u16) -> Option<usize> {
        let place = self.places[usize::from(member) % PLACES].load(Ordering::Relaxed) as usize;
        (place < view.len() && view.state(place).number() == member).then_some(place)
    }

    fn holders(&self, chunks: &Chunks, now: Timestamp) -> Holders {
        let mut holders = Holders::default();
        for (nth, hash) in chunks.hashes().iter().enumerate() {
            let mut found = false;
            self.index.holders(*hash, now, |member| {
                found = true;
                holders.set(member, nth + 1);
            });
            // Who has read more has read this.
            if !found {
                break;
            }
        }
        holders
    }

    fn output(&self) -> f64 {
        let mean = self.output.get();
        if mean > 0.0 { mean } else { OUTPUT }
    }

    fn weigh<V: View<PrefixState>>(&self, view: &V, chunks: &Chunks, by_load: usize) -> usize {
        let Some(least) = view.glance(by_load) else {
            return by_load;
        };
        let prompt = chunks.bytes as f64 / 4.0 * self.config.prefill;
        let output = self.output();
        let room = self.config.overload * f64::from(least.load + 1) / f64::from(least.weight)
            + f64::from(self.config.floor);
        let score = |index: usize, hit: f64| {
            let seen = view.glance(index)?;
            let queue = f64::from(seen.load + 1) / f64::from(seen.weight);
            // One that has joined just now is like the one that load alone would pick.
            let slowness = if seen.rank > 0.0 {
                seen.rank
            } else {
                least.rank
            };
            let slowness = if slowness > 0.0 {
                f64::from(slowness)
            } else {
                1.0
            };
            let work = (1.0 - hit) * prompt + output;
            (hit == 0.0 || queue <= room).then_some(slowness * queue * work)
        };
        let holders = self.holders(chunks, view.now());
        let held = |index: usize| {
            let count = holders.count(view.state(index).number());
            self.config.confidence * chunks.share(count)
        };
        let mut best = (score(by_load, held(by_load)), by_load);
        let mut meet = |index: usize, hit: f64| {
            let rival = score(index, hit);
            if rival.is_some() && (best.0.is_none() || rival < best.0) {
                best = (rival, index);
            }
        };
        for (member, _) in holders.iter() {
            if let Some(index) = self.index_of(view, member) {
                meet(index, held(index));
            }
        }
        if holders.is_empty()
            && self.config.peers > 0
            && let Some(first) = chunks.hashes().first()
        {
            let others = f64::from(self.config.peers) / f64::from(self.config.peers + 1);
            let share = others * chunks.share(chunks.hashes().len());
            let choices = self.ring.choices(view, *first);
            for (index, likely) in choices.into_iter().zip(CHOICES) {
                if let Some(index) = index {
                    meet(index, likely * share);
                }
            }
        }
        best.1
    }
}

impl Strategy for PrefixAware {
    type State = PrefixState;

    fn join(&self, peer: Peer<'_, PrefixState>, now: Timestamp) {
        peer.state.member.get_or_init(|| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            (number, affinity_key(peer.endpoint.key()))
        });
        self.load.join(peer.map(|state| &state.load), now);
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, PrefixState>, begin: &Begin) {
        self.load.begin(peer.map(|state| &state.load), begin);
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, PrefixState>, started: Timestamp, now: Timestamp) {
        self.load
            .first_data(peer.map(|state| &state.load), started, now);
    }

    #[inline]
    fn data(&self, peer: Peer<'_, PrefixState>, now: Timestamp, units: u64) {
        self.load.data(peer.map(|state| &state.load), now, units);
    }

    fn report(&self, peer: Peer<'_, PrefixState>, now: Timestamp, report: &LoadReport) {
        self.load.report(peer.map(|state| &state.load), now, report);
    }

    fn end(&self, peer: Peer<'_, PrefixState>, end: &End<'_>) {
        if end.outcome.is_success() {
            let reported = end.usage.and_then(|usage| usage.output_tokens);
            let tokens = reported.unwrap_or(end.units);
            if tokens > 0 {
                let mean = self.output();
                self.output.set(mean + NEWEST * (tokens as f64 - mean));
            }
        }
        self.load.end(peer.map(|state| &state.load), end);
    }

    fn inspect(&self, peer: Peer<'_, PrefixState>, show: &mut dyn FnMut(&'static str, f64)) {
        show("prefix.output_tokens", self.output());
        self.load.inspect(peer.map(|state| &state.load), show);
    }
}

impl<T: Routed> Pick<Call<T>> for PrefixAware {
    fn pick<V: View<PrefixState>>(&self, view: &V, call: &Call<T>) -> Option<usize> {
        let by_load = self.load.pick(&Adapt::new(view, ByLoad), call)?;
        let config = &self.config;
        let chunks = Chunks::of(&call.message, config.chunk_bytes, config.chunks);
        if chunks.hashes().is_empty() {
            return Some(by_load);
        }
        let version = view.version().wrapping_add(1);
        if self.placed.load(Ordering::Relaxed) < version {
            self.place(view, version);
        }
        let picked = self.weigh(view, &chunks, by_load);
        let member = view.state(picked).number();
        let place = &self.places[usize::from(member) % PLACES];
        if place.load(Ordering::Relaxed) != picked as u32 {
            place.store(picked as u32, Ordering::Relaxed);
        }
        for hash in chunks.hashes() {
            self.index.note(*hash, member, view.now());
        }
        Some(picked)
    }
}

impl fmt::Debug for PrefixAware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrefixAware")
            .field("config", &self.config)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

// ===== impl PrefixState =====

impl PrefixState {
    pub(super) fn number(&self) -> u16 {
        self.member.get().map_or(u16::MAX, |(number, _)| *number)
    }

    /// Of the endpoint's key, the same at all routers.
    pub(super) fn hash(&self) -> u64 {
        self.member.get().map_or(0, |(_, hash)| *hash)
    }
}

// ===== impl ByLoad =====

impl Adapter<PrefixState> for ByLoad {
    type Inner = EbwState;

    #[inline]
    fn state<'a>(&self, state: &'a PrefixState) -> &'a EbwState {
        &state.load
    }
}
