//! The strategies that the settings can name, as one type.
//!
//! A pool is generic over its strategy; with one for each strategy its whole stack would be compiled as many times, and could
//! not be named by what goes around it. Here a call pays a comparison instead.

use std::collections::BTreeMap;

use campanile::{
    Call, Cost, Endpoint,
    balance::{
        Adapt, Adapter, Affinity, AvoidTried, Begin, Ebw, EbwState, End, LatencyState, LeastLoaded,
        PeakEwma, Peer, Pick, RoundRobin, SlowStart, Strategy, Tiers, View, Weighted,
    },
    config::Invalid,
    time::Timestamp,
};
use campanile_llm::{
    chat::ChatRequest,
    price::Prices,
    route::{
        ByChat, Catalogue, Cheapest, CheapestConfig, PrefixAware, PrefixConfig, Serving,
        cheapest::{self, CheapestState},
        prefix::PrefixState,
        serving::ServingState,
    },
};

use crate::config::{Config, StrategyConfig};

/// What picks a member of a pool: never one that was tried, of those that serve the model, by tier, and gently where one comes
/// back.
pub(super) type Picks = AvoidTried<Served<Tiers<SlowStart<Chosen>>>>;

/// By what a request asks for, where members differ in that; or just as the strategy within says.
#[derive(Debug)]
pub(super) enum Served<St> {
    All(St),
    Some(Serving<St>),
}

/// The strategy that the settings name.
#[derive(Debug)]
pub(super) enum Chosen {
    Ebw(Ebw),
    PeakEwma(PeakEwma),
    LeastLoaded(LeastLoaded),
    RoundRobin(RoundRobin),
    Weighted(Weighted),
    Cheapest(Box<Cheapest<Tariff>>),
    Conversation(Box<Affinity<ByChat>>),
    Prefix(Box<PrefixAware>),
}

/// What it keeps of an endpoint.
#[derive(Debug, Default)]
pub(super) struct State {
    ebw: EbwState,
    latency: LatencyState,
    cheapest: CheapestState,
    prefix: PrefixState,
    nothing: (),
}

/// What a request would cost at an endpoint: by the file of prices, or else by the endpoint's label `price`.
#[derive(Debug)]
pub(super) struct Tariff {
    prices: Prices,
    names: Names,
}

/// What providers call the models that they are asked for, by provider, where that is another name.
pub(super) type Names = BTreeMap<String, BTreeMap<String, String>>;

/// The names that the settings give.
pub(super) fn names(config: &Config) -> Names {
    let providers = config.providers.iter();
    providers
        .map(|(provider, section)| {
            let models = section.models.iter();
            let own = models.filter_map(|(asked, own)| Some((asked.clone(), own.clone()?)));
            (provider.clone(), own.collect())
        })
        .collect()
}

/// Picks for a pool of these settings.
pub(super) fn picks(
    strategy: StrategyConfig,
    prices: &Prices,
    names: Names,
    catalogue: Option<&Catalogue>,
) -> Result<Picks, Invalid> {
    let chosen = Tiers::new(SlowStart::new(Chosen::new(strategy, prices, names)?));
    Ok(AvoidTried::new(match catalogue {
        Some(catalogue) => Served::Some(Serving::new(chosen, catalogue)),
        None => Served::All(chosen),
    }))
}

// ===== impl Chosen =====

impl Chosen {
    fn new(strategy: StrategyConfig, prices: &Prices, names: Names) -> Result<Self, Invalid> {
        Ok(match strategy {
            StrategyConfig::Ebw => Self::Ebw(Ebw::default()),
            StrategyConfig::PeakEwma => Self::PeakEwma(PeakEwma::default()),
            StrategyConfig::LeastLoaded => Self::LeastLoaded(LeastLoaded::two_choices()),
            StrategyConfig::RoundRobin => Self::RoundRobin(RoundRobin::new()),
            StrategyConfig::Weighted => Self::Weighted(Weighted::new()),
            StrategyConfig::Cheapest => {
                let prices = prices.clone();
                let tariff = Tariff { prices, names };
                Self::Cheapest(Box::new(Cheapest::by(tariff, CheapestConfig::default())?))
            }
            StrategyConfig::Conversation => Self::Conversation(Box::new(Affinity::by(ByChat))),
            StrategyConfig::Prefix => {
                Self::Prefix(Box::new(PrefixAware::new(PrefixConfig::default())?))
            }
        })
    }
}

/// Calls a method of the strategy within, with its part of the state.
macro_rules! each {
    ($chosen:expr, $strategy:ident, $part:ident => $do:expr) => {
        match $chosen {
            Chosen::Ebw($strategy) => {
                let $part = Part(|state: &State| &state.ebw);
                $do
            }
            Chosen::PeakEwma($strategy) => {
                let $part = Part(|state: &State| &state.latency);
                $do
            }
            Chosen::LeastLoaded($strategy) => {
                let $part = Part(|state: &State| &state.nothing);
                $do
            }
            Chosen::RoundRobin($strategy) => {
                let $part = Part(|state: &State| &state.nothing);
                $do
            }
            Chosen::Weighted($strategy) => {
                let $part = Part(|state: &State| &state.nothing);
                $do
            }
            Chosen::Cheapest($strategy) => {
                let $part = Part(|state: &State| &state.cheapest);
                $do
            }
            Chosen::Conversation($strategy) => {
                let $part = Part(|state: &State| &state.nothing);
                $do
            }
            Chosen::Prefix($strategy) => {
                let $part = Part(|state: &State| &state.prefix);
                $do
            }
        }
    };
}

/// A part of the state.
struct Part<T>(fn(&State) -> &T);

impl<T: 'static> Adapter<State> for Part<T> {
    type Inner = T;

    #[inline(always)]
    fn state<'a>(&self, state: &'a State) -> &'a T {
        (self.0)(state)
    }
}

impl Strategy for Chosen {
    type State = State;

    fn join(&self, peer: Peer<'_, State>, now: Timestamp) {
        each!(self, strategy, part => strategy.join(peer.map(part.0), now));
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, State>, begin: &Begin) {
        each!(self, strategy, part => strategy.begin(peer.map(part.0), begin));
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, State>, started: Timestamp, now: Timestamp) {
        each!(self, strategy, part => strategy.first_data(peer.map(part.0), started, now));
    }

    #[inline]
    fn data(&self, peer: Peer<'_, State>, now: Timestamp, units: u64) {
        each!(self, strategy, part => strategy.data(peer.map(part.0), now, units));
    }

    #[inline]
    fn end(&self, peer: Peer<'_, State>, end: &End<'_>) {
        each!(self, strategy, part => strategy.end(peer.map(part.0), end));
    }

    fn inspect(&self, peer: Peer<'_, State>, show: &mut dyn FnMut(&'static str, f64)) {
        each!(self, strategy, part => strategy.inspect(peer.map(part.0), show));
    }
}

impl Pick<Call<ChatRequest>> for Chosen {
    fn pick<V: View<State>>(&self, view: &V, call: &Call<ChatRequest>) -> Option<usize> {
        each!(self, strategy, part => strategy.pick(&Adapt::new(view, part), call))
    }
}

// ===== impl Served =====

/// The state of who goes by no catalogue.
struct Uncatalogued;

impl<T: 'static> Adapter<ServingState<T>> for Uncatalogued {
    type Inner = T;

    #[inline(always)]
    fn state<'a>(&self, state: &'a ServingState<T>) -> &'a T {
        state.inner()
    }
}

impl<St: Strategy> Strategy for Served<St> {
    type State = ServingState<St::State>;

    fn join(&self, peer: Peer<'_, Self::State>, now: Timestamp) {
        match self {
            Self::All(inner) => inner.join(peer.map(ServingState::inner), now),
            Self::Some(inner) => inner.join(peer, now),
        }
    }

    #[inline]
    fn begin(&self, peer: Peer<'_, Self::State>, begin: &Begin) {
        self.strategy().begin(peer.map(ServingState::inner), begin);
    }

    #[inline]
    fn first_data(&self, peer: Peer<'_, Self::State>, started: Timestamp, now: Timestamp) {
        let peer = peer.map(ServingState::inner);
        self.strategy().first_data(peer, started, now);
    }

    #[inline]
    fn data(&self, peer: Peer<'_, Self::State>, now: Timestamp, units: u64) {
        let peer = peer.map(ServingState::inner);
        self.strategy().data(peer, now, units);
    }

    #[inline]
    fn end(&self, peer: Peer<'_, Self::State>, end: &End<'_>) {
        self.strategy().end(peer.map(ServingState::inner), end);
    }

    fn inspect(&self, peer: Peer<'_, Self::State>, show: &mut dyn FnMut(&'static str, f64)) {
        self.strategy().inspect(peer.map(ServingState::inner), show);
    }
}

impl<St> Served<St> {
    #[inline(always)]
    fn strategy(&self) -> &St {
        match self {
            Self::All(inner) => inner,
            Self::Some(inner) => inner.inner(),
        }
    }
}

impl<St: Pick<Call<ChatRequest>>> Pick<Call<ChatRequest>> for Served<St> {
    fn pick<V: View<Self::State>>(&self, view: &V, call: &Call<ChatRequest>) -> Option<usize> {
        match self {
            Self::All(inner) => inner.pick(&Adapt::new(view, Uncatalogued), call),
            Self::Some(inner) => inner.pick(view, call),
        }
    }
}

// ===== impl Tariff =====

impl cheapest::Prices<Call<ChatRequest>> for Tariff {
    fn price(
        &self,
        endpoint: &Endpoint,
        label: Option<f64>,
        call: &Call<ChatRequest>,
        cost: &Cost,
    ) -> f64 {
        let provider = endpoint.label("provider").unwrap_or(endpoint.key());
        let asked = call.message.model();
        let names = self.names.get(provider);
        let model = names
            .and_then(|names| names.get(asked))
            .map_or(asked, String::as_str);
        let found = self.prices.find(Some(provider), model);
        let input = (call.message.prompt_bytes() / 4).min(cost.tokens);
        match found {
            Some(price) => price.most(input, cost.tokens - input) as f64,
            None => cheapest::Prices::price(&cheapest::ByLabel, endpoint, label, call, cost),
        }
    }
}
