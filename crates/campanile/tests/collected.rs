//! Every handle that tells its counts and states can be attached, to a stage and to an endpoint, and all of it makes one text
//! that collectors read: no name stands for two things, and no series is there twice.

use std::collections::{BTreeMap, BTreeSet};

use campanile::{
    BoxError, Endpoint,
    back_pressure::{BackPressureConfig, BackPressureHandle},
    batch::{BatchConfig, BatchHandle},
    budget::Budget,
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerHandle},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitHandle},
    health::{Check, HealthLayer, OutlierConfig, OutlierHandle},
    hedge::{HedgeConfig, HedgeHandle},
    metrics::Metrics,
    rate_limit::{Limit, RateLimitConfig, RateLimitHandle},
    spend_limit::{Keyed, Period, SpendBudget, SpendLimitConfig, SpendLimitHandle},
};

/// One of each that there is, to an endpoint or the stage around it.
fn attach(metrics: &Metrics) -> Result<campanile::metrics::EndpointMetrics, BoxError> {
    let stage = metrics.stage("chat");
    let endpoint = stage.endpoint(&Endpoint::new("eu-1"));
    let hedge = HedgeHandle::new(HedgeConfig::default())?;
    let rate = RateLimitConfig::requests(Limit::per_second(10.0));
    endpoint
        .collect(CircuitBreakerHandle::new(CircuitBreakerConfig::default())?)
        .collect(ConcurrencyLimitHandle::new(
            ConcurrencyLimitConfig::default(),
        )?)
        .collect(RateLimitHandle::new(rate)?);
    let spend = SpendLimitConfig::new(SpendBudget::tokens(1_000, Period::Minute))
        .with_budget(SpendBudget::dollars(2.5, Period::Month));
    let health = HealthLayer::new(|check: Check<bool>| async move { check.target })?;
    stage
        .collect(BackPressureHandle::new(BackPressureConfig::default())?)
        .collect(BatchHandle::new(BatchConfig::default())?)
        .collect(health.handle())
        .collect(OutlierHandle::new(OutlierConfig::default())?)
        .collect(SpendLimitHandle::new(spend.clone())?)
        .collect_as("tenants", SpendLimitHandle::<Keyed<u64>>::keyed(spend)?)
        .collect_as("hedges", hedge.budget().clone())
        .collect_as("retries", Budget::default())
        .collect(hedge);
    Ok(endpoint)
}

#[test]
fn all_handles_together_make_one_text() -> Result<(), BoxError> {
    let metrics = Metrics::default();
    let _endpoint = attach(&metrics)?;
    let text = metrics.prometheus();
    let (mut kinds, mut series) = (BTreeMap::new(), BTreeSet::new());
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            assert!(kinds.insert(name, kind).is_none(), "{name} is there twice");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{family}");
        } else if let Some(help) = line.strip_prefix("# HELP ") {
            assert!(help.ends_with('.'), "{help}");
        } else {
            let (one, value) = line.rsplit_once(' ').unwrap();
            assert!(series.insert(one), "{one} is there twice");
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    for name in [
        "back_pressure_verdict",
        "batch_items_total",
        "batch_waiting",
        "breaker_state",
        "breaker_transitions_total",
        "budget_balance",
        "concurrency_limit",
        "health_checks_total",
        "health_endpoints",
        "hedge_sent_total",
        "outlier_ejections_total",
        "rate_limit_left",
        "spend_limit_left",
        "spend_limit_refused_attempts_total",
        "spend_limit_refused_total",
    ] {
        let family = format!("campanile_{name}");
        assert!(kinds.contains_key(family.as_str()), "{family} is missing");
    }
    let of_endpoint = series
        .iter()
        .filter(|one| one.contains("endpoint=\"eu-1\""));
    assert!(
        of_endpoint
            .clone()
            .any(|one| one.starts_with("campanile_breaker_state{"))
    );
    assert!(
        !of_endpoint
            .clone()
            .any(|one| one.starts_with("campanile_batch_"))
    );
    let open = metrics.open_metrics();
    let samples = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    assert_eq!(samples(&open), samples(&text));
    // For `promtool check metrics`.
    if let Some(path) = std::env::var_os("CAMPANILE_TEXT") {
        std::fs::write(path, text)?;
    }
    Ok(())
}
