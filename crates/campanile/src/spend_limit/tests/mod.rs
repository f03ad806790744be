//! The contracts of budgets. Each is a test, by subject.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Call, Rejection,
    context::Context,
    cost::{Cost, Usage},
    protocol::{Enveloped, Streaming, Unary},
    rejection::{Lack, RejectionKind},
    testing::{Script, ScriptStream, Scripted, Step},
};

mod account;
mod attempts;
mod contract;
#[cfg(all(feature = "retry", feature = "hedge"))]
mod further;
mod keyed;
mod live;
mod most;
mod peers;
mod periods;
mod settling;
mod threads;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);

type Limited<S, P = Unary, B = Single, F = Together> = SpendLimit<S, P, B, F>;

fn tokens_a_day(limit: u64) -> SpendLimitConfig {
    SpendLimitConfig::new(SpendBudget::tokens(limit, Period::Day))
}

/// A moment, written as RFC 3339 says.
fn moment(text: &str) -> SystemTime {
    humantime::parse_rfc3339(text).unwrap()
}

/// Budgets that begin at noon of a Tuesday.
fn at_noon(config: SpendLimitConfig) -> SpendLimitHandle {
    SpendLimitHandle::begin(config, moment("2026-03-10T12:00:00Z")).unwrap()
}

/// A service that answers at once, for messages in an envelope, which can tell their cost.
fn limited(
    config: SpendLimitConfig,
) -> (
    Script<&'static str>,
    Limited<Scripted<&'static str>, Enveloped>,
) {
    let script = Script::answering("hello");
    let layer = SpendLimitLayer::shared(&at_noon(config)).calls();
    let service = layer.layer(script.service());
    (script, service)
}

fn cost(cost: Cost) -> Call<()> {
    Call {
        context: Context::new().with_cost(cost),
        message: (),
    }
}

fn tokens(tokens: u64) -> Call<()> {
    cost(Cost::tokens(tokens))
}

fn money(nano_dollars: u64) -> Call<()> {
    cost(Cost {
        nano_dollars,
        ..Cost::default()
    })
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, BoxError>) -> Rejection {
    let error = result.expect_err("not refused");
    let rejection = *Rejection::find(&*error).unwrap_or_else(|| panic!("no rejection: {error}"));
    assert_eq!(
        (rejection.kind(), rejection.layer()),
        (RejectionKind::BudgetExhausted, "spend_limit")
    );
    rejection
}

/// Spent, reserved and left of a budget.
fn seen(handle: &SpendLimitHandle, budget: usize) -> [u64; 3] {
    let snapshot = &handle.snapshot()[budget];
    [snapshot.spent, snapshot.reserved, snapshot.left]
}
