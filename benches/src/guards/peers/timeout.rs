use std::time::Duration;

use campanile::BoxError;
use tower::Layer;
use tower_resilience::timelimiter::TimeLimiterLayer;

use super::{Answer, Case, seatbelt};
use crate::{
    Instant0,
    guards::{Later, TIMEOUT, TIMEOUT_LATER},
};

/// Never reached here.
const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(TIMEOUT, "tower", || {
            tower::timeout::Timeout::new(Instant0, LIMIT)
        }),
        Case::numbers(TIMEOUT, "tower-resilience", || {
            TimeLimiterLayer::builder()
                .timeout_duration(LIMIT)
                .build()
                .layer(Instant0)
        }),
        Case::numbers(TIMEOUT, "seatbelt", || {
            seatbelt::timeout::Timeout::layer("timeout", &seatbelt())
                .timeout_output(|_| Answer::Err(BoxError::from("late")))
                .timeout(LIMIT)
                .layer(Instant0)
        }),
        Case::later(TIMEOUT_LATER, "tower", || {
            tower::timeout::Timeout::new(Later, LIMIT)
        }),
        Case::later(TIMEOUT_LATER, "tower-resilience", || {
            TimeLimiterLayer::builder()
                .timeout_duration(LIMIT)
                .build()
                .layer(Later)
        }),
        Case::later(TIMEOUT_LATER, "seatbelt", || {
            seatbelt::timeout::Timeout::layer("timeout", &seatbelt())
                .timeout_output(|_| Answer::Err(BoxError::from("late")))
                .timeout(LIMIT)
                .layer(Later)
        }),
    ]
}
