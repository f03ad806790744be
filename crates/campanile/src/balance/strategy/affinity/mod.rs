//! Affinity: calls of one key stay together.

use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering},
};

use crossbeam_utils::CachePadded;

use super::{
    Begin, End, Peer, Pick, Strategy, View,
    hash::{affinity_key, mix},
    sample_least,
    table::Tables,
};
use crate::{config::Invalid, context::Context, endpoint::Endpoint};

mod config;
mod ring;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::AffinityConfig;

use ring::Ring;

/// How many counters share the count of calls in flight.
const SHARDS: usize = 8;

/// Keeps the calls of one key together, at one member if it has room: sessions, users, prompts that share a prefix.
///
/// **Who gets a key** follows from the key and the members' own keys alone (rendezvous hashing), so routers that do not
/// know each other agree, by weight, and a member that leaves, or joins, moves only its own keys.
///
/// **Bounded load.** A member takes no call beyond `ceil((1 + ε) (total + 1) w / W)` in flight, its share by weight of
/// all calls in flight and a quarter more ([`AffinityConfig::epsilon`]); the key's next choice gets the call then, which
/// is the same one each time (Mirrokni, Thorup and Zadimoghaddam, "Consistent hashing with bounded loads"). Picks that
/// race may go over by as many as race. In a large pool with little to do that is one call;
/// [`AffinityConfig::floor`] allows more.
///
/// **Two ways to look.** Up to 64 members ([`AffinityConfig::scan`]) every member is scored, by weight exactly
/// (Thaler and Ravishankar; weighted as Schindelhauer and Schomaker do), and loads are summed as they are. Above, a key
/// looks at eight places of a ring that holds four to eight points of a member of mean weight, and takes the nearest
/// point (multi-probe consistent hashing, Appleton and O'Reilly): a constant cost in a pool of any size, and shares
/// within 12 % of a member's weight (one standard deviation) before the bound evens them. Weights have steps of about a fifth there, and a
/// member gets at least one point. A Maglev table would be one look instead of eight, but moves the keys of others too
/// when a member leaves. The ring is built anew by the first pick after members or weights have changed, which sorts all
/// points, while other threads go on with the old one, or by load. A pool that grows beyond the limit of the scan changes
/// from one way to the other, and moves most keys, once: to avoid it set the limit to 0.
///
/// The calls in flight are counted in eight numbers, by member, each on a cache line of its own: one atomic add more as a
/// call begins and as it ends. Within [`Tiers`](super::Tiers), a ring's bound is of the calls of all tiers.
///
/// A call without a key goes to the less loaded of two members.
///
/// ```
/// use campanile::balance::{Affinity, BalanceLayer, affinity_key};
///
/// struct Ask { user: String }
///
/// let by_user = Affinity::by(|ask: &Ask| Some(affinity_key(&ask.user)));
/// let layer = BalanceLayer::new(by_user);
///
/// // The conversation of the call's context.
/// let layer = BalanceLayer::new(Affinity::by_conversation());
/// ```
pub struct Affinity<K> {
    key: K,
    config: AffinityConfig,
    tables: Tables<Table>,
    in_flight: [CachePadded<AtomicI64>; SHARDS],
}

/// Where [`Affinity`] finds the key of a call. Implemented for functions of the request.
pub trait AffinityKey<Req> {
    /// The key, any number; [`affinity_key`] makes one of bytes. `None` for a call that may go anywhere.
    fn key(&self, request: &Req, context: Option<&Context>) -> Option<u64>;
}

/// Calls of one [conversation](Context::conversation) stay together.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByConversation;

struct Table {
    /// A hash of each member's key.
    hashes: Box<[u64]>,
    /// Whether all weights are equal.
    even: bool,
    /// For pools beyond the limit of the scan.
    ring: Option<Ring>,
}

// ===== impl Affinity =====

impl<K> Affinity<K> {
    /// By the key that `key` finds, often a function of the request.
    #[must_use]
    pub fn by(key: K) -> Self {
        Self {
            key,
            config: AffinityConfig::default(),
            tables: Tables::default(),
            in_flight: Default::default(),
        }
    }

    /// Sets bound and limit.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: AffinityConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    fn shard(&self, endpoint: &Endpoint) -> &AtomicI64 {
        &self.in_flight[endpoint.cell_ref().slot() as usize % SHARDS]
    }

    /// Calls in flight at all members.
    fn total(&self) -> f64 {
        let sum: i64 = self
            .in_flight
            .iter()
            .map(|shard| shard.load(Ordering::Relaxed))
            .sum();
        sum.max(0) as f64
    }

    fn find<V: View<()>>(&self, view: &V, key: u64) -> Option<usize> {
        self.tables
            .with(
                view.version(),
                view.len(),
                |_| Table::new(view, self.config.scan),
                |table| match &table.ring {
                    Some(ring) => ring.find(view, key, &self.config, || self.total()),
                    None => table.scan(view, key, &self.config),
                },
            )
            .flatten()
    }
}

impl Affinity<ByConversation> {
    /// By the conversation of the call's context.
    #[must_use]
    pub fn by_conversation() -> Self {
        Self::by(ByConversation)
    }
}

impl<K: Send + Sync + 'static> Strategy for Affinity<K> {
    type State = ();

    #[inline]
    fn begin(&self, peer: Peer<'_, ()>, _begin: &Begin) {
        self.shard(peer.endpoint).fetch_add(1, Ordering::Relaxed);
    }

    #[inline]
    fn end(&self, peer: Peer<'_, ()>, _end: &End<'_>) {
        self.shard(peer.endpoint).fetch_sub(1, Ordering::Relaxed);
    }
}

impl<Req, K> Pick<Req> for Affinity<K>
where
    K: AffinityKey<Req> + Send + Sync + 'static,
{
    #[inline]
    fn pick<V: View<()>>(&self, view: &V, request: &Req) -> Option<usize> {
        let found = self
            .key
            .key(request, view.context())
            .and_then(|key| self.find(view, key));
        found.or_else(|| sample_least(view, 2, |_, seen| (seen.load + 1) as f32 / seen.weight))
    }
}

impl<K> fmt::Debug for Affinity<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Affinity")
            .field("config", &self.config)
            .field("in_flight", &self.total())
            .finish_non_exhaustive()
    }
}

// ===== impl AffinityKey =====

impl<Req, F: Fn(&Req) -> Option<u64>> AffinityKey<Req> for F {
    #[inline]
    fn key(&self, request: &Req, _context: Option<&Context>) -> Option<u64> {
        self(request)
    }
}

impl<Req> AffinityKey<Req> for ByConversation {
    #[inline]
    fn key(&self, _request: &Req, context: Option<&Context>) -> Option<u64> {
        let conversation = context?.conversation.as_ref()?;
        Some(affinity_key(&**conversation))
    }
}

// ===== impl Table =====

impl Table {
    fn new<V: View<()>>(view: &V, scan: usize) -> Self {
        let hashes: Box<[u64]> = (0..view.len())
            .map(|index| affinity_key(view.endpoint(index).key()))
            .collect();
        let even =
            (1..view.len()).all(|index| view.weight(index).to_bits() == view.weight(0).to_bits());
        let ring = (hashes.len() > scan).then(|| Ring::new(&hashes, |index| view.weight(index)));
        Self { hashes, even, ring }
    }

    /// The best score among the members that have room. Cost in proportion to the pool.
    fn scan<V: View<()>>(&self, view: &V, key: u64, config: &AffinityConfig) -> Option<usize> {
        let (mut total, mut weights) = (1.0, 0.0);
        for index in 0..view.len() {
            if let Some(seen) = view.glance(index) {
                total += f64::from(seen.load);
                weights += f64::from(seen.weight);
            }
        }
        let unit = (1.0 + config.epsilon) * total / weights;
        let mut best = None;
        let mut most = f64::NEG_INFINITY;
        for (index, hash) in self.hashes.iter().enumerate() {
            let Some(seen) = view.glance(index) else {
                continue;
            };
            let weight = f64::from(seen.weight);
            if !has_room(seen.load, unit * weight, config.floor) {
                continue;
            }
            // From above 0 to 1. The logarithm makes shares exact by weight, and is not needed for equal ones.
            let draw = ((mix(hash ^ key) >> 11) + 1) as f64 * (0.5_f64).powi(53);
            let score = if self.even { draw } else { draw.ln() / weight };
            if score > most {
                (best, most) = (Some(index), score);
            }
        }
        best
    }
}

/// Whether a member with `load` calls in flight may take one more; `share` is its bound before it is rounded up.
#[inline]
fn has_room(load: u32, share: f64, floor: u32) -> bool {
    // Less a trifle, so that a whole number which came out too high by rounding stays itself.
    load < floor || f64::from(load) + 1.0 <= (share - 1e-9).ceil()
}
