//! Each guard's service can be called within a spawned async block over a boxed error.
//!
//! A service that asks for owned types where it is called is asked anew for each lifetime there, and the block is not `Send`.

use std::future::poll_fn;

use campanile::{
    BoxError, Call, Endpoint,
    back_pressure::{BackPressureConfig, BackPressureLayer},
    batch::{BatchConfig, BatchLayer},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    fallback::FallbackLayer,
    hedge::{HedgeConfig, HedgeLayer},
    load_shed::LoadShedLayer,
    metrics::{MetricsLayer, Recorder},
    rate_limit::{Limit, RateLimitConfig, RateLimitLayer},
    retry::{RetryConfig, RetryLayer},
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
    trace::TraceLayer,
};
use tower::{Layer, Service, ServiceExt, service_fn, util::BoxCloneSyncService};

/// Calls the service in a spawned block, by hand and by `oneshot`.
macro_rules! spawned {
    ($layer:expr, $inner:expr) => {{
        let service = $layer.layer($inner);
        let task = tokio::spawn(async move {
            let mut by_hand = service.clone();
            poll_fn(|cx| by_hand.poll_ready(cx)).await?;
            let first = by_hand.call(Call::new(1_u32)).await?;
            let second = service.oneshot(Call::new(2)).await?;
            Ok::<_, BoxError>(first + second)
        });
        assert_eq!(task.await.unwrap().unwrap(), 33);
    }};
}

/// A processor in whose type the boxed error stands.
fn inner() -> BoxCloneSyncService<Call<u32>, u32, BoxError> {
    let answer = |call: Call<u32>| async move { Ok(call.message * 11) };
    BoxCloneSyncService::new(service_fn(answer))
}

#[tokio::test(start_paused = true)]
async fn each_guard_is_called_within_a_spawned_block_over_boxed_errors() -> Result<(), BoxError> {
    let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default())?;
    spawned!(breaker.calls(), inner());
    let rate = RateLimitConfig::requests(Limit::per_second(10.0));
    spawned!(RateLimitLayer::new(rate)?.calls(), inner());
    let spend = SpendLimitConfig::new(SpendBudget::tokens(1_000_000, Period::Day));
    spawned!(SpendLimitLayer::new(spend.clone())?.calls(), inner());
    let by_tenant = SpendLimitLayer::new(spend)?.calls().by_tenant();
    spawned!(by_tenant, inner());
    let limit = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default())?;
    spawned!(limit.calls(), inner());
    let pressure = BackPressureLayer::new(BackPressureConfig::default())?;
    spawned!(pressure.calls(), inner());
    spawned!(
        TimeoutLayer::new(TimeoutConfig::default())?.calls(),
        inner()
    );
    spawned!(RetryLayer::new(RetryConfig::default())?.calls(), inner());
    spawned!(HedgeLayer::new(HedgeConfig::default())?.calls(), inner());
    spawned!(FallbackLayer::to(inner()).calls(), inner());
    spawned!(LoadShedLayer::default(), inner());
    spawned!(MetricsLayer::new(&Recorder::new()).calls(), inner());
    spawned!(TraceLayer::stage("chat").calls(), inner());
    spawned!(TraceLayer::attempt().calls(), inner());
    spawned!(TraceLayer::endpoint(&Endpoint::new("a")).calls(), inner());
    let many = service_fn(|calls: Vec<Call<u32>>| async move {
        let answers = calls.into_iter().map(|call| Ok(call.message * 11));
        Ok::<Vec<Result<u32, BoxError>>, BoxError>(answers.collect())
    });
    let many = BoxCloneSyncService::new(many);
    spawned!(BatchLayer::new(BatchConfig::default())?.calls(), many);
    Ok(())
}
