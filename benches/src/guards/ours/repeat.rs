use std::time::Duration;

use campanile::{
    hedge::{Delay, Hedge, HedgeConfig, HedgeLayer, OnHead},
    protocol::Unary,
    retry::{RetryConfig, RetryLayer},
};
use tower::Layer;

use super::super::{Case, HEDGE, OURS, RETRY};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(RETRY, OURS, || retry().layer(Instant0)),
        Case::numbers(HEDGE, OURS, || {
            hedge(HedgeConfig::default().with_delay(Delay::fixed(Duration::from_secs(1))))
        }),
        Case::numbers(HEDGE, "campanile, learned percentile", || {
            hedge(HedgeConfig::default())
        }),
    ]
}

/// With its budget, which is on by default.
pub(super) fn retry() -> RetryLayer {
    RetryLayer::new(RetryConfig::default()).expect("the settings are valid")
}

fn hedge(config: HedgeConfig) -> Hedge<Instant0, Unary, OnHead> {
    let layer = HedgeLayer::new(config).expect("the settings are valid");
    layer.layer(Instant0)
}
