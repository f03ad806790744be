//! What a keyed rate limiter remembers of 1,000,000 keys: bytes of heap a key, the key itself not counted.
//!
//! `cargo bench -p campanile-benches --bench keyed -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{num::NonZeroU32, process::ExitCode};

use campanile_benches::{Table, report};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Keys that call once each.
const KEYS: u64 = 1_000_000;

fn main() -> ExitCode {
    let mut table = Table::new([
        "whose",
        "bytes a key, besides the key",
        "bytes a key at the worst moment",
    ]);
    table.row(measure("governor", || {
        let limiter = DefaultKeyedRateLimiter::keyed(Quota::per_hour(NonZeroU32::MIN));
        let call = |limiter: &DefaultKeyedRateLimiter<u64>, key| limiter.check_key(&key).is_ok();
        (limiter, call)
    }));
    report(&table, "keyed")
}

/// Bytes that stay allocated and that were at most, a key.
fn measure<L>(who: &str, build: impl FnOnce() -> (L, fn(&L, u64) -> bool)) -> [String; 3] {
    let mut kept = None;
    let counted = allocation_counter::measure(|| {
        let (limiter, call) = build();
        for key in 0..KEYS {
            assert!(call(&limiter, key), "the first call of a key is admitted");
        }
        kept = Some(limiter);
    });
    let each = |bytes: f64| format!("{:.1}", bytes / KEYS as f64 - size_of::<u64>() as f64);
    [
        who.to_owned(),
        each(counted.bytes_current as f64),
        each(counted.bytes_max as f64),
    ]
}
