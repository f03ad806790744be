use std::time::Duration;

use campanile::timeout::{TimeoutConfig, TimeoutLayer};
use tower::Layer;

use super::super::{Case, Later, OURS, TIMEOUT, TIMEOUT_LATER};
use crate::Instant0;

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(TIMEOUT, OURS, || four_clocks().layer(Instant0)),
        Case::later(TIMEOUT_LATER, OURS, || four_clocks().layer(Later)),
    ]
}

/// All four, none of which is ever reached here.
pub(super) fn four_clocks() -> TimeoutLayer {
    let limit = Duration::from_secs(30);
    let config = TimeoutConfig::new()
        .with_head(limit)
        .with_first_data(limit)
        .with_between_data(limit)
        .with_total(limit);
    TimeoutLayer::new(config).expect("the limits are valid")
}
