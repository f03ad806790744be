//! Priority tiers with spill-over.

use super::{Pick, Prepare, Strategy, View, adapt::forward_hooks, table::Tables};
use crate::config::Invalid;

mod config;
mod subset;
mod table;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

pub use config::TiersConfig;

use subset::Subset;
use table::Table;

/// Prefers members of the lowest tier, and spills over to the next as fewer of them are open.
///
/// An endpoint's tier is its label `tier`, a whole number, 0 when it has none: lower comes first. A tier of which the
/// share `h` is open takes `min(1, 1.4 h)` of the traffic (Envoy's overprovisioning factor;
/// [`TiersConfig::overprovision`]), and what it cannot take goes to the next: it keeps everything until 71 % are open,
/// and then gives up its traffic by degrees, so that what is left of it is not run over. When no tier has an open member
/// of a call's choice, the next one is asked.
///
/// Within a tier `inner` picks as if there was no other member: a pick costs as much as in a pool of the tier's size.
/// The shares are looked up every 100 ms ([`TiersConfig::refresh`]), at 32 members a tier at most; which member is of
/// which tier is found out anew when the pool changes. A strategy that counts its turns, such as
/// [`RoundRobin`](super::RoundRobin), counts them across tiers while traffic is spilling over; one with tables keeps
/// those of four tiers.
///
/// ```
/// use campanile::balance::{BalanceLayer, LeastLoaded, Tiers};
/// use campanile::Endpoint;
///
/// let own = Endpoint::builder("own-gpu").build()?;
/// let bought = Endpoint::builder("provider").label("tier", "1").build()?;
/// let layer = BalanceLayer::new(Tiers::new(LeastLoaded::default()));
/// # let _ = (own, bought, layer);
/// # Ok::<(), campanile::BoxError>(())
/// ```
#[derive(Debug, Default)]
pub struct Tiers<St> {
    inner: St,
    config: TiersConfig,
    tables: Tables<Table>,
}

// ===== impl Tiers =====

impl<St> Tiers<St> {
    /// Picks by `inner` within a tier.
    #[must_use]
    pub fn new(inner: St) -> Self {
        Self {
            inner,
            config: TiersConfig::default(),
            tables: Tables::default(),
        }
    }

    /// The strategy within.
    pub const fn inner(&self) -> &St {
        &self.inner
    }

    /// Sets when to spill over.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn config(mut self, config: TiersConfig) -> Result<Self, Invalid> {
        self.config = config.build()?;
        Ok(self)
    }

    /// Reads the tiers; `None` while another thread finds them out for the first time.
    #[inline]
    fn with<T, V: View<T>, R>(
        &self,
        view: &V,
        read: impl FnOnce(&Table) -> Option<R>,
    ) -> Option<Option<R>> {
        self.tables
            .with(view.version(), view.len(), |_| Table::new(view), read)
    }

    fn draw<T, V: View<T>>(&self, view: &V, table: &Table) -> usize {
        // The tier that the call sent its probes to.
        if let Some(probed) = view.probed().first()
            && let Some(tier) = table.tiers.iter().position(|tier| {
                let member = tier.members.get(probed.index);
                member.is_some_and(|index| view.endpoint(*index as usize).is(&probed.endpoint))
            })
        {
            return tier;
        }
        table.draw(view, self.config.overprovision, self.config.refresh)
    }
}

impl<St: Strategy> Strategy for Tiers<St> {
    type State = St::State;

    forward_hooks!(inner, |state| state; join begin first_data data report end inspect);
}

impl<Req, St: Pick<Req>> Pick<Req> for Tiers<St> {
    fn pick<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<usize> {
        let picked = self.with(view, |table| {
            let first = self.draw(view, table);
            // From the one drawn on; then the ones before it.
            (first..table.tiers.len())
                .chain(0..first)
                .find_map(|number| {
                    let subset = Subset {
                        view,
                        members: &table.tiers[number].members,
                        number,
                    };
                    self.inner
                        .pick(&subset, request)
                        .map(|index| subset.outer(index))
                })
        });
        picked.unwrap_or_else(|| self.inner.pick(view, request))
    }

    fn prepare<V: View<Self::State>>(&self, view: &V, request: &Req) -> Option<Prepare> {
        self.with(view, |table| {
            let number = self.draw(view, table);
            let subset = Subset {
                view,
                members: &table.tiers.get(number)?.members,
                number,
            };
            self.inner.prepare(&subset, request)
        })
        .flatten()
    }
}
