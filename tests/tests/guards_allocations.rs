//! A call that its guards let pass allocates nothing, and arms no timer: there is no runtime here to arm one in.

use std::{
    future::{Future, Ready, ready},
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use campanile::{
    BoxError, Call, Cost,
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer, WindowKind},
    concurrency_limit::{
        ConcurrencyLimitConfig, ConcurrencyLimitLayer,
        algorithm::{
            AimdConfig, AlgorithmConfig, EnvoyGradientConfig, Gradient2Config, VegasConfig,
        },
    },
    fallback::FallbackLayer,
    load_shed::LoadShedLayer,
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
    retry::{RetryConfig, RetryLayer},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tower::{Layer, Service, ServiceBuilder};

/// A processor that answers at once.
#[derive(Clone)]
struct Echo;

impl Service<u64> for Echo {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        ready(Ok(request))
    }
}

/// What 1,000 calls allocate.
fn allocations<S>(mut service: S) -> u64
where
    S: Service<u64, Response = u64, Error = BoxError>,
{
    let mut run = || {
        for request in 0..1_000 {
            let mut cx = Context::from_waker(Waker::noop());
            assert!(service.poll_ready(&mut cx).is_ready());
            let answer = pin!(service.call(request)).poll(&mut cx);
            assert!(matches!(answer, Poll::Ready(Ok(echo)) if echo == request));
        }
    };
    // The clock is made at its first reading.
    run();
    allocation_counter::measure(run).count_total
}

fn clocks() -> TimeoutLayer {
    let limit = Duration::from_secs(30);
    let config = TimeoutConfig::new()
        .with_head(limit)
        .with_first_data(limit)
        .with_between_data(limit)
        .with_total(limit);
    TimeoutLayer::new(config.build().unwrap()).unwrap()
}

#[test]
fn a_call_within_its_clocks_allocates_nothing() {
    assert_eq!(allocations(clocks().layer(Echo)), 0);
}

#[test]
fn a_call_that_is_not_shed_allocates_nothing() {
    assert_eq!(allocations(LoadShedLayer::default().layer(Echo)), 0);
}

#[test]
fn a_call_that_does_not_fail_allocates_nothing() {
    assert_eq!(allocations(FallbackLayer::to(Echo).layer(Echo)), 0);
    assert_eq!(allocations(FallbackLayer::value(7).layer(Echo)), 0);
}

#[test]
fn a_call_through_a_closed_breaker_allocates_nothing() {
    let default = CircuitBreakerConfig::default();
    let rates = default
        .with_failure_rate(Some(0.5))
        .with_slow_rate(Some(0.5))
        .with_slow_call(Some(Duration::from_secs(5)));
    let by_count = rates.with_window(WindowKind::Calls(100));
    let by_time = rates.with_window(WindowKind::Time(Duration::from_secs(10)));
    for config in [default, by_count, by_time] {
        let breaker = CircuitBreakerLayer::new(config).unwrap();
        assert_eq!(allocations(breaker.layer(Echo)), 0);
    }
}

#[test]
fn a_call_below_its_limit_allocates_nothing() {
    let default = ConcurrencyLimitConfig::default();
    let algorithms = [
        default.algorithm,
        AlgorithmConfig::Aimd(AimdConfig::default()),
        AlgorithmConfig::Vegas(VegasConfig::default()),
        AlgorithmConfig::Gradient2(Gradient2Config::default()),
        AlgorithmConfig::EnvoyGradient(EnvoyGradientConfig::default()),
    ];
    let adaptive = algorithms.map(|algorithm| ConcurrencyLimitConfig {
        algorithm,
        ..default
    });
    for config in [ConcurrencyLimitConfig::fixed(8)]
        .into_iter()
        .chain(adaptive)
    {
        let limit = ConcurrencyLimitLayer::new(config).unwrap();
        assert_eq!(allocations(limit.layer(Echo)), 0, "{config:?}");
    }
}

fn rates() -> RateLimitLayer {
    let config = RateLimitConfig::requests(Limit::per_second(1e6))
        .with_tokens(Limit::per_second(1e9))
        .with_nano_dollars(Limit::per_second(1e9));
    RateLimitLayer::new(config).unwrap()
}

fn cost(_: &u64) -> Cost {
    Cost {
        tokens: 100,
        nano_dollars: 100,
        ..Cost::default()
    }
}

#[test]
fn a_call_within_its_rates_allocates_nothing() {
    assert_eq!(allocations(rates().cost(cost).layer(Echo)), 0);
}

#[test]
fn a_call_of_a_key_that_is_known_allocates_nothing() {
    let keyed = rates().cost(cost).keyed(|request: &u64| request % 100);
    assert_eq!(allocations(keyed.layer(Echo)), 0);
}

fn budgets() -> SpendLimitLayer {
    let config = SpendLimitConfig::new(SpendBudget::tokens(1 << 50, Period::Minute))
        .with_budget(SpendBudget::nano_dollars(1 << 50, Period::Month));
    SpendLimitLayer::new(config).unwrap()
}

#[test]
fn a_call_within_its_budgets_allocates_nothing() {
    assert_eq!(allocations(budgets().cost(cost).layer(Echo)), 0);
    let keyed = budgets().cost(cost).keyed(|request: &u64| request % 100);
    assert_eq!(allocations(keyed.layer(Echo)), 0);
}

/// As [`Echo`], of calls that say the most that they take; their attempts are paid for one by one.
impl Service<Call<u64>> for Echo {
    type Response = u64;
    type Error = BoxError;
    type Future = Ready<Result<u64, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<u64>) -> Self::Future {
        assert!(call.context.trail.is_some());
        ready(Ok(call.message))
    }
}

#[test]
fn a_call_that_says_the_most_that_it_takes_allocates_nothing() {
    let in_an_envelope = |request: u64| Call {
        context: campanile::Context::new()
            .with_cost(cost(&request))
            .with_most(cost(&request)),
        message: request,
    };
    let service = ServiceBuilder::new()
        .map_request(in_an_envelope)
        .layer(budgets().calls())
        .service(Echo);
    assert_eq!(allocations(service), 0);
}

#[test]
fn a_call_through_all_guards_allocates_nothing() {
    let service = ServiceBuilder::new()
        .layer(LoadShedLayer::default())
        .layer(FallbackLayer::value(7))
        .layer(clocks())
        .layer(RetryLayer::new(RetryConfig::default()).unwrap())
        .layer(CircuitBreakerLayer::new(CircuitBreakerConfig::default()).unwrap())
        .layer(rates().cost(cost))
        .layer(budgets().cost(cost))
        .layer(ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default()).unwrap())
        .service(Echo);
    assert_eq!(allocations(service), 0);
}
