//! Three troubled providers behind one pool, first bare, then with every guard: `swift` breaks down for a while, `frugal`
//! refuses whoever calls too often, `moody` stalls now and then. Tells of gates that close and open, then compares what
//! callers saw, and exits with 1 if the guards did not help.
//!
//! ```text
//! cargo run -p campanile-examples --bin guards             # 2 × 10 seconds
//! cargo run -p campanile-examples --bin guards -- --fast   # 2 × 4 seconds: what CI runs
//! ```

use std::{process::ExitCode, time::Duration};

use campanile::{
    BoxError, Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw, LeastLoaded},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    protocol::{Enveloped, Unary},
    rate_limit::{RateLimitConfig, RateLimitLayer},
    retry::{Backoff, RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use tower::ServiceBuilder;

mod load;
mod providers;
mod report;

use load::{Calls, drive};
use providers::{Provider, classify};
use report::Gates;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, BoxError> {
    let fast = match std::env::args().nth(1).as_deref() {
        None => false,
        Some("--fast") => true,
        Some(other) => return Err(format!("{other:?}: usage: guards [--fast]").into()),
    };
    let length = Duration::from_secs(if fast { 4 } else { 10 });

    println!("bare, for {length:?}");
    let bare = bare(length).await?;
    println!("with every guard, for {length:?}");
    let guarded = guarded(length).await?;

    println!(
        "\n{}",
        report::table(&[("bare", &bare), ("guarded", &guarded)])
    );
    let helped =
        guarded.answered_share() >= 0.97 && guarded.answered_share() > bare.answered_share();
    println!(
        "{}",
        if helped {
            "ok"
        } else {
            "the guards did not help"
        }
    );
    Ok(if helped {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The pool as it is: whoever has the fewest calls in flight gets the next one.
async fn bare(length: Duration) -> Result<Calls, BoxError> {
    let roster = Roster::new();
    for provider in Provider::all(length) {
        roster.insert(provider.name, provider.clone())?;
    }
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(LeastLoaded::default()).protocol(protocol()))
        .layer(PerEndpointLayer::new(|_: &Endpoint, provider: Provider| {
            provider.service()
        }))
        .service(roster.changes());
    Ok(drive(pool, length).await)
}

/// The same with every guard, read from top to bottom as a call goes.
async fn guarded(length: Duration) -> Result<Calls, BoxError> {
    let retry = RetryLayer::new(
        RetryConfig::default().with_backoff(Backoff::fixed(Duration::from_millis(10))),
    )?;
    let breaker = CircuitBreakerLayer::new(
        CircuitBreakerConfig::default().with_open_for(Duration::from_millis(500)),
    )?;
    // Knows no limit of its own, and learns that of its upstream.
    let quota = RateLimitLayer::new(RateLimitConfig::default())?;
    let limit = ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::default())?;
    let clocks = TimeoutLayer::new(TimeoutConfig::new().with_total(Duration::from_millis(300)))?;

    let roster = Roster::new();
    for provider in Provider::all(length) {
        roster.insert(provider.name, provider.clone())?;
    }
    let gates = Gates::watch(&roster);
    let pool = ServiceBuilder::new()
        .layer(retry.protocol(protocol()))
        .layer(BalanceLayer::new(AvoidTried::new(Ebw::default())).protocol(protocol()))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, provider: Provider| {
                ServiceBuilder::new()
                    .layer(breaker.clone().protocol(protocol()).gate(endpoint))
                    .layer(quota.clone().protocol(protocol()).gate(endpoint))
                    .layer(limit.clone().protocol(protocol()).gate(endpoint))
                    .layer(clocks.clone().protocol(protocol()))
                    .service(provider.service())
            },
        ))
        .service(roster.changes());
    let calls = drive(pool, length).await;
    drop(gates);
    Ok(calls)
}

/// How the calls of this program are read and judged.
fn protocol() -> Enveloped<Unary<providers::Classifier>> {
    Enveloped::new(Unary::new(classify))
}
