use std::sync::{Arc, OnceLock};

use campanile::{
    Call, Context, Cost,
    spend_limit::{Period, SpendBudget, SpendLimitConfig, SpendLimitLayer},
};
use tower::Layer;

use super::{
    super::{Case, KEYS, OURS, Open, SPEND, SPENDS, TENANTS},
    rate::tokens,
};
use crate::{Instant0, case::Message};

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(SPEND, OURS, || spend(config()).cost(tokens).layer(Instant0)),
        Case::numbers(SPENDS, OURS, || {
            let month = SpendBudget::dollars(1e6, Period::Month);
            let config = config().with_budget(month);
            spend(config).cost(tokens).layer(Instant0)
        }),
        Case::new(TENANTS, OURS, Message::Called, of_a_tenant, || {
            spend(config()).calls().by_tenant().layer(Open)
        }),
    ]
}

/// More than anyone can ask for.
fn config() -> SpendLimitConfig {
    SpendLimitConfig::new(SpendBudget::tokens(1 << 54, Period::Minute))
}

fn spend(config: SpendLimitConfig) -> SpendLimitLayer {
    SpendLimitLayer::new(config).expect("the budgets are valid")
}

/// A call on behalf of one of so many tenants, which costs a token.
pub(in super::super) fn of_a_tenant(number: u64) -> Call<u64> {
    static TENANTS: OnceLock<Vec<Arc<str>>> = OnceLock::new();
    let tenants = TENANTS.get_or_init(|| {
        let names = (0..KEYS).map(|tenant| format!("tenant-{tenant}").into());
        names.collect()
    });
    let tenant = Arc::clone(&tenants[(number % KEYS) as usize]);
    let context = Context::new().with_tenant(tenant);
    Call {
        context: context.with_cost(Cost::tokens(1)),
        message: number,
    }
}
