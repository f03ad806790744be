//! A provider that fails on purpose, behind the layers that an endpoint has.

use std::{io, time::Duration};

use campanile::{
    Call,
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle, ConcurrencyLimitLayer},
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle, RateLimitLayer, Unit},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitHandle, SpendLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_llm::{
    Chat, Error,
    account::{AccountLayer, Ledger, LedgerConfig},
    chat::{ChatRequest, ChatResponse},
    commit::CommitLayer,
    dialect::Api,
    estimate::{EstimateConfig, EstimateLayer},
    price::Prices,
    provider::{HttpClient, HttpConfig, Provider},
};
use campanile_tests::faults::Upstream;
use tower::{ServiceBuilder, util::BoxCloneSyncService};

use super::config;

/// A provider of any kind.
pub(crate) type Stack = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;

/// Tokens that the limit of rates has at the beginning. It gets no new ones within a test.
pub(crate) const TOKENS: u64 = 10_000;

/// What an endpoint's layers count.
pub(crate) struct Guards {
    pub(crate) breaker: CircuitBreakerHandle,
    pub(crate) rate: RateLimitHandle,
    pub(crate) limit: ConcurrencyLimitHandle,
    pub(crate) ledger: Ledger,
    pub(crate) budget: SpendLimitHandle,
}

/// Clocks that do not run out within a test.
pub(crate) fn patient() -> TimeoutConfig {
    clocks(Duration::from_secs(60))
}

/// Clocks of this time each.
pub(crate) fn clocks(time: Duration) -> TimeoutConfig {
    TimeoutConfig::new()
        .with_first_data(time)
        .with_between_data(time)
}

/// A provider at this address, and the layers around it.
pub(crate) fn stack(api: Api, url: &str, clocks: TimeoutConfig) -> (Stack, Guards) {
    let daily =
        |limit: u64| Limit::new(limit as f64, Duration::from_secs(86_400)).with_burst(limit);
    let rate = RateLimitConfig::requests(daily(1_000))
        .with_tokens(daily(TOKENS))
        .with_learn(None);
    let budget = SpendLimitConfig::new(SpendBudget::tokens(TOKENS, Period::Forever));
    let guards = Guards {
        breaker: CircuitBreakerHandle::new(CircuitBreakerConfig::default()).unwrap(),
        rate: RateLimitHandle::new(rate).unwrap(),
        limit: ConcurrencyLimitHandle::new(ConcurrencyLimitConfig::fixed(100)).unwrap(),
        ledger: Ledger::new(LedgerConfig::default()).unwrap(),
        budget: SpendLimitHandle::new(budget).unwrap(),
    };
    // Dollars for a million tokens: 1,000 and 3,000 nano-dollars for one.
    let prices = r#"{"models": {"m": {"input": 1, "output": 3}}}"#;
    let prices = Prices::from_json(prices).unwrap();
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    let provider = Provider::new(http, &config(api, url)).unwrap();
    let stack = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(EstimateLayer::new(EstimateConfig::default()).unwrap())
        .layer(SpendLimitLayer::shared(&guards.budget).protocol(Chat))
        .layer(CircuitBreakerLayer::shared(&guards.breaker).protocol(Chat))
        .layer(RateLimitLayer::shared(&guards.rate).protocol(Chat))
        .layer(ConcurrencyLimitLayer::shared(&guards.limit).protocol(Chat))
        .layer(AccountLayer::new(&guards.ledger, &prices).provider("it"))
        .layer(CommitLayer::default())
        .layer(TimeoutLayer::new(clocks).unwrap().protocol(Chat))
        .service(provider);
    (BoxCloneSyncService::new(stack), guards)
}

/// An upstream, and the way to it.
pub(crate) async fn site(api: Api, clocks: TimeoutConfig) -> io::Result<(Upstream, Stack, Guards)> {
    let upstream = Upstream::start().await?;
    let (stack, guards) = stack(api, &upstream.url(), clocks);
    Ok((upstream, stack, guards))
}

// ===== impl Guards =====

impl Guards {
    /// How many failures the breaker counts.
    pub(crate) fn failures(&self) -> f64 {
        self.breaker.snapshot().failures_in_a_row
    }

    /// For how many seconds the endpoint asked to be left alone.
    pub(crate) fn parked(&self) -> Option<f64> {
        self.breaker.snapshot().parked_for
    }

    /// How many tokens are taken of the limit of rates.
    pub(crate) fn tokens(&self) -> u64 {
        // What comes back within a test is less than half a one.
        TOKENS - self.rate.left(Unit::Tokens).unwrap().round() as u64
    }

    /// How many tokens are spent of the budget. None may be reserved any more.
    pub(crate) fn spent(&self) -> u64 {
        let snapshot = &self.budget.snapshot()[0];
        assert_eq!(snapshot.reserved, 0, "what was reserved is settled");
        snapshot.spent
    }
}
