//! Which members are of which tier, and how the traffic is shared out.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use super::super::View;
use crate::time::{Timestamp, nanos};

/// How many members of a tier are looked at for its health.
const SAMPLE: usize = 32;

#[derive(Debug)]
pub(super) struct Table {
    /// The tier of least number first.
    pub(super) tiers: Box<[Tier]>,
    /// When health was looked at last; zero before.
    looked: AtomicU64,
}

#[derive(Debug)]
pub(super) struct Tier {
    pub(super) members: Box<[u32]>,
    /// The bits of an `f32`: the share of the traffic that goes to this tier or to one before it.
    up_to: AtomicU32,
}

// ===== impl Table =====

impl Table {
    pub(super) fn new<T, V: View<T>>(view: &V) -> Self {
        let mut tiers: BTreeMap<i64, Vec<u32>> = BTreeMap::new();
        for index in 0..view.len() {
            let label = view.endpoint(index).label("tier");
            // A label that is no number is as none.
            let number = label
                .and_then(|label| label.trim().parse().ok())
                .unwrap_or(0);
            tiers.entry(number).or_default().push(index as u32);
        }
        let tiers = tiers.into_values().map(|members| Tier {
            members: members.into(),
            up_to: AtomicU32::new(1_f32.to_bits()),
        });
        Self {
            tiers: tiers.collect(),
            looked: AtomicU64::new(0),
        }
    }

    /// A tier for one call, by the shares.
    #[inline]
    pub(super) fn draw<T, V: View<T>>(
        &self,
        view: &V,
        overprovision: f64,
        refresh: Duration,
    ) -> usize {
        if self.tiers.len() < 2 {
            return 0;
        }
        self.refresh(view, overprovision, refresh);
        let first = self.tiers[0].up_to();
        if first >= 1.0 {
            return 0;
        }
        let place = view.random(1 << 20) as f32 / (1 << 20) as f32;
        self.tiers
            .iter()
            .position(|tier| place < tier.up_to())
            .unwrap_or(0)
    }

    #[inline]
    fn refresh<T, V: View<T>>(&self, view: &V, overprovision: f64, refresh: Duration) {
        let now = view.now();
        let looked = self.looked.load(Ordering::Relaxed);
        if looked != 0 && now.as_nanos().saturating_sub(looked) < nanos(refresh) {
            return;
        }
        // One caller looks, the others go on with what is known.
        if self
            .looked
            .compare_exchange(looked, now.as_nanos(), Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            self.look(view, now, overprovision);
        }
    }

    #[cold]
    fn look<T, V: View<T>>(&self, view: &V, now: Timestamp, overprovision: f64) {
        let health: Vec<f64> = self
            .tiers
            .iter()
            .map(|tier| tier.health(view, now))
            .collect();
        for (tier, up_to) in self.tiers.iter().zip(shares(&health, overprovision)) {
            tier.up_to
                .store((up_to as f32).to_bits(), Ordering::Relaxed);
        }
    }
}

// ===== impl Tier =====

impl Tier {
    fn up_to(&self) -> f32 {
        f32::from_bits(self.up_to.load(Ordering::Relaxed))
    }

    /// The share of open members, whatever this call may not pick for reasons of its own.
    fn health<T, V: View<T>>(&self, view: &V, now: Timestamp) -> f64 {
        let len = self.members.len();
        let is_open = |nth: usize| {
            view.endpoint(self.members[nth] as usize)
                .gate()
                .is_open(now)
        };
        let (open, looked) = if len <= SAMPLE {
            ((0..len).filter(|nth| is_open(*nth)).count(), len)
        } else {
            let open = (0..SAMPLE).filter(|_| is_open(view.random(len)));
            (open.count(), SAMPLE)
        };
        open as f64 / looked as f64
    }
}

/// The share of the traffic up to each tier: a tier of health `h` takes `min(1, overprovision h)` of it at most, and
/// the rest spills to the next. When all together cannot take everything, each takes in proportion.
pub(super) fn shares(health: &[f64], overprovision: f64) -> impl Iterator<Item = f64> {
    let able = move |health: &f64| (health * overprovision).min(1.0);
    let total: f64 = health.iter().map(able).sum();
    let scale = if total > 0.0 {
        1.0 / total.min(1.0)
    } else {
        1.0
    };
    let mut sum = 0.0;
    health.iter().map(move |health| {
        sum += able(health) * scale;
        // Nothing is lost to rounding.
        if sum > 1.0 - 1e-6 { 1.0 } else { sum }
    })
}
