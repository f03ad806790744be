use tower::{Layer, limit::ConcurrencyLimit, load_shed::LoadShed};
use tower_resilience::{
    adaptive::{AdaptiveLimiterLayer, Aimd, Vegas},
    bulkhead::BulkheadLayer,
};

use super::Case;
use crate::{
    Instant0,
    guards::{ADAPTIVE, CONCURRENCY, SHED},
};

/// More than are ever in flight here.
const LIMIT: usize = 1_024;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(SHED, "tower", || LoadShed::new(Instant0)),
        Case::numbers(CONCURRENCY, "tower", || {
            ConcurrencyLimit::new(Instant0, LIMIT)
        }),
        Case::numbers(CONCURRENCY, "tower-resilience", || {
            BulkheadLayer::builder()
                .max_concurrent_calls(LIMIT)
                .build()
                .expect("the limit is valid")
                .layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "tower-resilience, AIMD", || {
            let aimd = Aimd::builder().initial_limit(LIMIT).max_limit(LIMIT);
            AdaptiveLimiterLayer::new(aimd.build().expect("the limit is valid")).layer(Instant0)
        }),
        Case::numbers(ADAPTIVE, "tower-resilience, Vegas", || {
            let vegas = Vegas::builder().initial_limit(LIMIT).max_limit(LIMIT);
            AdaptiveLimiterLayer::new(vegas.build().expect("the limit is valid")).layer(Instant0)
        }),
    ]
}
