//! The members of a pool: how they are planned, and enrolled.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use campanile::{Endpoint, config::Invalid, discover::Roster, endpoint::Weight};

use super::{
    BuildError, Guards, Member, Reloaded,
    guards::Terms,
    pool::Plans,
    stack::{self, Directory},
    target::Target,
};
use crate::config::{MemberConfig, PoolConfig, ProviderSection};

/// What outlives a pool's stacks.
pub(super) struct Core {
    pub(super) roster: Roster<Target>,
    members: Mutex<BTreeMap<String, Enrolled>>,
}

/// A member, and what it was made of.
pub(super) struct Enrolled {
    pub(super) member: Member,
    pub(super) config: MemberConfig,
    pub(super) target: Target,
}

/// A member that is to be.
pub(super) struct Planned {
    pub(super) config: MemberConfig,
    weight: Weight,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) target: Target,
    models: Arc<[String]>,
    terms: Terms,
    pub(super) guards: Guards,
    /// Whether it goes on with its measurements.
    pub(super) stays: bool,
    /// Whether its guards go on.
    pub(super) guarded: bool,
    disabled: bool,
}

/// Tells what becomes of members.
pub(super) fn tell_members(
    name: &str,
    known: Option<&BTreeMap<String, Enrolled>>,
    planned: &[Planned],
    removed: &[String],
    told: &mut Reloaded,
) {
    let Some(known) = known else { return };
    let full = |key: &str| format!("{name}/{key}");
    for one in planned {
        let key = &one.config.provider;
        let Some(before) = known.get(key) else {
            told.members.added.push(full(key));
            continue;
        };
        let moved = before.member.guards.terms() != &one.terms;
        if before.config != one.config || !one.stays || moved {
            told.members.changed.push(full(key));
        }
        if !one.stays {
            let what =
                "its provider, or what is said of it, is another: it begins with nothing measured";
            told.anew.push(format!("member {}: {what}", full(key)));
        } else if !one.guarded {
            let what = "its limits are of another kind: they begin anew, and so does its breaker";
            told.anew.push(format!("member {}: {what}", full(key)));
        }
    }
    told.members
        .removed
        .extend(removed.iter().map(|key| full(key)));
}

// ===== impl Planned =====

impl Planned {
    pub(super) fn new(
        pool: &PoolConfig,
        member: &MemberConfig,
        known: Option<&Enrolled>,
        plans: &Plans<'_>,
    ) -> Result<Self, BuildError> {
        let name = &member.provider;
        let providers = &plans.config.providers;
        let section = providers.get(name).ok_or_else(|| Invalid {
            concern: "pool",
            field: "members",
            value: format!("{name:?}"),
            rule: "it must be a provider",
        })?;
        let wire = plans.wires.of(name, section);
        let probe = pool.probe.as_ref().map(|probe| probe.path.as_str());
        let target = Target::new(name, section, wire, &plans.kept.ratios, probe)?;
        let labels = labels(member, section);
        let terms = Terms::of(pool, member)?.speaking(target.api);
        let stays = known.is_some_and(|known| {
            known.target == target && *known.member.endpoint.labels() == labels
        });
        let going_on = known.filter(|known| stays && known.member.guards.can_move(&terms));
        let guards = match going_on {
            Some(known) => known.member.guards.clone(),
            None => Guards::new(terms.clone())?,
        };
        // What an operator has set stands until the settings say something else.
        let weight = match known {
            Some(known) if known.config.weight == member.weight => known.member.endpoint.weight(),
            _ => Weight::new(member.weight).map_err(|_| Invalid {
                concern: "member",
                field: "weight",
                value: member.weight.to_string(),
                rule: "it must be from 0.000001 to 1000000; to send no traffic, leave it out or disable it",
            })?,
        };
        Ok(Self {
            config: member.clone(),
            weight,
            labels,
            models: section.models.keys().cloned().collect(),
            terms,
            guarded: going_on.is_some(),
            guards,
            stays,
            disabled: known.is_some_and(|known| known.member.is_disabled()),
            target,
        })
    }
}

/// What strategies and metrics read of a member.
fn labels(member: &MemberConfig, section: &ProviderSection) -> BTreeMap<String, String> {
    let mut labels = member.labels.clone();
    labels.insert("provider".to_owned(), member.provider.clone());
    if member.tier > 0 {
        labels.insert("tier".to_owned(), member.tier.to_string());
    }
    if !section.models.is_empty() {
        // Stages that are asked for by their names are models to it.
        let names = section.models.keys().chain(section.stages.keys());
        let models: Vec<_> = names.map(String::as_str).collect();
        labels
            .entry("models".to_owned())
            .or_insert(models.join(","));
    }
    labels
}

// ===== impl Core =====

impl Core {
    pub(super) fn members(&self) -> MutexGuard<'_, BTreeMap<String, Enrolled>> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a plan into force.
    pub(super) fn enrol(
        &self,
        planned: Vec<Planned>,
        removed: &[String],
        directories: &[Directory],
    ) {
        let mut members = self.members();
        for one in planned {
            let key = one.config.provider.clone();
            let guards = match one.guarded {
                true => one.guards.moved(one.terms),
                false => one.guards,
            };
            for directory in directories {
                stack::lock(directory).insert(key.clone(), guards.clone());
            }
            let mut builder = Endpoint::builder(key.as_str()).weight(one.weight.get());
            for (name, value) in one.labels {
                builder = builder.label(name, value);
            }
            let Ok(endpoint) = self.roster.insert(builder, one.target.clone()) else {
                unreachable!("key and weight were checked");
            };
            if one.disabled {
                endpoint.gate().close(campanile::endpoint::Reason::Disabled);
            }
            let member = Member {
                endpoint,
                provider: key.as_str().into(),
                models: one.models,
                tier: one.config.tier,
                guards,
            };
            let enrolled = Enrolled {
                member,
                config: one.config,
                target: one.target,
            };
            members.insert(key, enrolled);
        }
        for key in removed {
            members.remove(key);
            let _ = self.roster.remove(key);
            for directory in directories {
                stack::lock(directory).remove(key);
            }
        }
    }
}

impl Default for Core {
    fn default() -> Self {
        Self {
            roster: Roster::new(),
            members: Mutex::default(),
        }
    }
}
