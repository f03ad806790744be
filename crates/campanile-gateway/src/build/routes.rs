//! Which stage takes which models.

use std::collections::{BTreeMap, BTreeSet};

use campanile::config::Invalid;
use campanile_llm::{price::Prices, route::Router};

use super::{Chats, Embeds, Live, Stage};
use crate::config::{Config, Offer, Offers, routes};

/// The routers over the stages. Those of before, where they route alike.
pub(super) fn routers(
    config: &Config,
    stages: &BTreeMap<String, Stage>,
    before: Option<&Live>,
) -> Result<(Router<Chats>, Router<Embeds>), Invalid> {
    let routes = routes(config);
    let same = before.filter(|before| {
        before.stages.len() == stages.len()
            && stages
                .values()
                .zip(before.stages.values())
                .all(|(now, then)| now.name == then.name && now.is(then))
            && *before.chats.handle().routes().config() == routes
    });
    if let Some(before) = same {
        return Ok((before.chats.clone(), before.embeds.clone()));
    }
    let chats = stages
        .values()
        .map(|stage| (&*stage.name, stage.chats.clone()));
    let embeds = stages
        .values()
        .map(|stage| (&*stage.name, stage.embeds.clone()));
    Ok((
        Router::new(routes.clone(), chats)?,
        Router::new(routes, embeds)?,
    ))
}

/// What serves what is asked for, as `provider/model`: by what it costs at most calls are estimated. With `fallbacks` also what
/// serves it in the stages that a call may go to when it fails.
pub(super) fn serves(
    config: &Config,
    prices: &Prices,
    fallbacks: bool,
) -> Result<BTreeMap<String, BTreeSet<String>>, Invalid> {
    let offers = Offers::new(config)?;
    let mut asked = offers.names();
    if fallbacks {
        asked.extend(offers.patterns());
    }
    let mut serves = BTreeMap::new();
    for asked in asked {
        let Some(stage) = offers.stage(asked) else {
            continue;
        };
        let stages = match fallbacks {
            true => offers.reached(stage),
            false => vec![stage],
        };
        let offers = stages.iter().flat_map(|stage| offers.at(stage, asked));
        let models: BTreeSet<_> = offers.map(|offer| priced(&offer, asked, prices)).collect();
        if !models.is_empty() {
            serves.insert(asked.to_owned(), models);
        }
    }
    Ok(serves)
}

/// A provider, and the name by which its price is known: its own, or else that of who asks.
fn priced(offer: &Offer<'_>, asked: &str, prices: &Prices) -> String {
    let provider = &offer.member.provider;
    let known = |model| prices.find(Some(provider), model).is_some();
    match offer.its {
        its if its == asked && its.contains('*') => format!("{provider}/*"),
        its if !known(its) && known(offer.model) => format!("{provider}/{}", offer.model),
        its => format!("{provider}/{its}"),
    }
}
