use campanile::{
    concurrency_limit::{
        ConcurrencyLimitConfig, ConcurrencyLimitLayer,
        algorithm::{AimdConfig, AlgorithmConfig, Gradient2Config, VegasConfig},
    },
    load_shed::LoadShedLayer,
};
use tower::Layer;

use super::super::{ADAPTIVE, CONCURRENCY, Case, OURS, SHED};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(SHED, OURS, || LoadShedLayer::default().layer(Instant0)),
        Case::numbers(CONCURRENCY, OURS, || {
            layer(ConcurrencyLimitConfig::fixed(1_024)).layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "campanile, elastic (default)", || {
            adaptive().layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "campanile, AIMD", || {
            by(AlgorithmConfig::Aimd(AimdConfig::default())).layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "campanile, Vegas", || {
            by(AlgorithmConfig::Vegas(VegasConfig::default())).layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "campanile, Gradient2", || {
            by(AlgorithmConfig::Gradient2(Gradient2Config::default())).layer(Instant0)
        }),
    ]
}

pub(super) fn adaptive() -> ConcurrencyLimitLayer {
    layer(ConcurrencyLimitConfig::default())
}

fn by(algorithm: AlgorithmConfig) -> ConcurrencyLimitLayer {
    layer(ConcurrencyLimitConfig {
        algorithm,
        ..ConcurrencyLimitConfig::default()
    })
}

fn layer(config: ConcurrencyLimitConfig) -> ConcurrencyLimitLayer {
    ConcurrencyLimitLayer::new(config).expect("the settings are valid")
}
