use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{members::Members, strategy::Strategy};
use crate::{endpoint::EndpointSnapshot, time::Timestamp};

/// Everything that is known of a pool at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// Grows with every change of membership.
    pub version: u64,
    /// The members, in the order in which [`Balance::pick`](super::Balance::pick) counts them.
    pub members: Vec<MemberSnapshot>,
}

/// A member of a pool at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct MemberSnapshot {
    /// The endpoint.
    #[serde(flatten)]
    pub endpoint: EndpointSnapshot,
    /// What the strategy has to say of it, by name.
    pub strategy: BTreeMap<String, f64>,
}

// ===== impl PoolSnapshot =====

impl PoolSnapshot {
    pub(super) fn of<S, St: Strategy>(members: &Members<S, St>, now: Timestamp) -> Self {
        Self {
            version: members.version,
            members: members
                .slots()
                .iter()
                .map(|slot| {
                    let member = &slot.member;
                    let mut strategy = BTreeMap::new();
                    member.strategy.inspect(member.peer(), &mut |name, value| {
                        strategy.insert(name.to_owned(), value);
                    });
                    MemberSnapshot {
                        endpoint: member.endpoint.snapshot(now),
                        strategy,
                    }
                })
                .collect(),
        }
    }
}
