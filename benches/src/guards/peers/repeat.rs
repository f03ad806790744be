use std::{future::Ready, sync::Arc, time::Duration};

use campanile::BoxError;
use seatbelt::hedging::Hedging;
use tower::{
    Layer,
    hedge::Hedge,
    retry::{
        Policy, Retry,
        budget::{Budget, TpsBudget},
    },
};
use tower_resilience::{
    hedge::HedgeLayer,
    retry::{RetryBudgetBuilder, RetryLayer},
};

use super::{Answer, Case, Sure, recovery, seatbelt};
use crate::{
    Instant0,
    guards::{HEDGE, RETRY},
};

/// Never reached here.
const DELAY: Duration = Duration::from_secs(1);

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(RETRY, "tower, TpsBudget", || {
            Retry::new(Budgeted(Arc::default()), Instant0)
        }),
        Case::numbers(RETRY, "tower-resilience", || {
            RetryLayer::<u64, u64, BoxError>::builder()
                .budget(
                    RetryBudgetBuilder::new()
                        .token_bucket()
                        .build()
                        .expect("the defaults are valid"),
                )
                .build()
                .layer(Instant0)
        }),
        Case::numbers(RETRY, "seatbelt, no budget", || {
            seatbelt::retry::Retry::layer("retry", &seatbelt())
                .clone_input()
                .recovery_with(|answer: &Answer, _| recovery(answer))
                .layer(Instant0)
        }),
        Case::numbers(HEDGE, "tower-resilience", || {
            HedgeLayer::new(DELAY).layer(Sure)
        }),
        Case::numbers(HEDGE, "seatbelt", || {
            Hedging::layer("hedge", &seatbelt())
                .clone_input()
                .recovery_with(|answer: &Answer, _| recovery(answer))
                .hedging_delay(DELAY)
                .layer(Instant0)
        }),
        Case::alone(HEDGE, "tower", || {
            Hedge::new(Instant0, Always, 10, 0.99, Duration::from_secs(10))
        }),
    ]
}

/// Retries an error while the budget lasts, as tower's documentation shows it.
#[derive(Debug, Clone)]
struct Budgeted(Arc<TpsBudget>);

impl Policy<u64, u64, BoxError> for Budgeted {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<u64, BoxError>) -> Option<Ready<()>> {
        match result {
            Ok(_) => {
                self.0.deposit();
                None
            }
            Err(_) => self.0.withdraw().then(|| std::future::ready(())),
        }
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// Every request may be hedged.
#[derive(Debug, Clone)]
struct Always;

impl tower::hedge::Policy<u64> for Always {
    fn clone_request(&self, request: &u64) -> Option<u64> {
        Some(*request)
    }

    fn can_retry(&self, _: &u64) -> bool {
        true
    }
}
