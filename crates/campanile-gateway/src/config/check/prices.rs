use std::collections::{BTreeMap, BTreeSet};

use campanile::spend_limit::{SpendBudget, SpendUnit};
use campanile_llm::price::Prices;

use super::{Check, fits};
use crate::config::{Config, KeyConfig, Offer, Offers, StrategyConfig};

/// How many models are named; the others are counted.
const NAMED: usize = 5;

/// By stage, what its members are asked for.
type Asked<'a> = BTreeMap<&'a str, Vec<Offer<'a>>>;

// ===== impl Check =====

impl Check<'_> {
    /// Whether the prices are known that something rests on. What can be asked for by a pattern alone is not known before.
    pub(super) fn prices(&mut self, config: &Config) {
        let rests = |budgets: &[SpendBudget]| budgets.iter().any(is_money);
        let needed = config.stages.values().any(|stage| rests(&stage.budgets))
            || config.keys.values().any(|key| rests(&key.budgets))
            || config
                .pools
                .values()
                .any(|pool| pool.strategy == StrategyConfig::Cheapest);
        let Some(file) = config.prices.as_ref().filter(|_| needed && self.well()) else {
            return;
        };
        // Both have been checked.
        let (Ok(prices), Ok(offers)) = (Prices::from_file(file), Offers::new(config)) else {
            return;
        };
        let mut asked = Asked::new();
        let mut reached: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for name in offers.names() {
            let Some(stage) = offers.stage(name) else {
                continue;
            };
            for stage in offers.reached(stage) {
                asked
                    .entry(stage)
                    .or_default()
                    .extend(offers.at(stage, name));
                reached.entry(name).or_default().insert(stage);
            }
        }
        let known = |offer: &Offer<'_>| {
            let provider = Some(&*offer.member.provider);
            [offer.its, offer.model]
                .iter()
                .any(|name| prices.find(provider, name).is_some())
        };
        for (name, stage) in &config.stages {
            let offers = asked.get(name.as_str()).into_iter().flatten();
            let path = ["stages", name, "budgets"];
            self.unpriced(&path, &stage.budgets, offers.filter(|offer| !known(offer)));
        }
        for (name, key) in &config.keys {
            let names = reached
                .iter()
                .filter(|(name, _)| may_ask(key, name, config));
            let stages: BTreeSet<_> = names.flat_map(|(_, stages)| stages).collect();
            let offers = stages
                .iter()
                .filter_map(|stage| asked.get(**stage))
                .flatten();
            let path = ["keys", name, "budgets"];
            self.unpriced(&path, &key.budgets, offers.filter(|offer| !known(offer)));
        }
        for (name, pool) in &config.pools {
            if pool.strategy != StrategyConfig::Cheapest {
                continue;
            }
            let of_pool = |stage: &str| {
                let pool = config
                    .stages
                    .get(stage)
                    .and_then(|stage| stage.pool.as_deref());
                pool.unwrap_or(stage) == name
            };
            let offers = asked.iter().filter(|(stage, _)| of_pool(stage));
            let unpriced = offers.flat_map(|(_, offers)| offers).filter(|offer| {
                let provider = Some(&*offer.member.provider);
                let label = offer.member.labels.contains_key("price");
                !label && prices.find(provider, offer.its).is_none()
            });
            if let Some(which) = named(unpriced) {
                let message = format!(
                    "there is no price of {which}: who has none is taken for the dearest; write it into `prices`, or as the label `price` of the member"
                );
                self.warn(&["pools", name, "strategy"], message);
            }
        }
    }

    /// Warns of models of which nobody knows what they take of budgets in money.
    fn unpriced<'o, 'c: 'o>(
        &mut self,
        path: &[&str],
        budgets: &[SpendBudget],
        offers: impl Iterator<Item = &'o Offer<'c>>,
    ) {
        let Some(index) = budgets.iter().position(is_money) else {
            return;
        };
        if let Some(which) = named(offers) {
            let position = format!("[{index}]");
            let message = format!(
                "there is no price of {which}: calls take nothing of this budget there, or what others that have the model would take; write it into `prices`, 0 where it costs nothing"
            );
            self.warn(&[path, &[&position]].concat(), message);
        }
    }
}

fn is_money(budget: &SpendBudget) -> bool {
    budget.unit == SpendUnit::Money
}

/// Whether a key may ask for a name: as its callers may.
fn may_ask(key: &KeyConfig, name: &str, config: &Config) -> bool {
    let stands_for = config.aliases.get(name).map_or(name, String::as_str);
    let of_stage = |stage: &String| {
        let stage = config.stages.get(stage);
        stage.is_some_and(|stage| stage.models.iter().any(|model| fits(model, stands_for)))
    };
    let mut may = key.models.iter();
    key.models.is_empty() || may.any(|one| fits(one, name) || of_stage(one))
}

/// Models, where they are asked for, and in which stage.
fn named<'o, 'c: 'o>(offers: impl Iterator<Item = &'o Offer<'c>>) -> Option<String> {
    let all: BTreeSet<_> = offers
        .map(|offer| (offer.stage, &*offer.member.provider, offer.its))
        .collect();
    let one = |(stage, provider, model): &(&str, &str, &str)| {
        format!("`{model}` at `{provider}` (stage `{stage}`)")
    };
    let shown: Vec<_> = all.iter().take(NAMED).map(one).collect();
    let rest = all.len() - shown.len();
    let shown = shown.join(", ");
    match (all.len(), rest) {
        (0, _) => None,
        (_, 0) => Some(shown),
        _ => Some(format!("{shown} and {rest} more")),
    }
}
