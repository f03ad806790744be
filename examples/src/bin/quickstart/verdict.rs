//! Whether what was shown is right.

use std::process::ExitCode;

use campanile::{balance::PoolSnapshot, time::Timestamp};

use crate::{
    fleet::{FAILS, Fleet, JOINS, LEAVES},
    load::Tally,
    table::finished,
};

/// Says of each claim whether it holds; the exit code is 1 unless all do.
pub(crate) fn judge(fleet: &Fleet, pool: &PoolSnapshot, tally: &Tally) -> ExitCode {
    let now = Timestamp::now();
    let seats = &fleet.seats;
    let endpoints: Vec<_> = seats
        .iter()
        .filter_map(|seat| Some(seat.endpoint.as_ref()?.snapshot(now)))
        .collect();
    let reached: u64 = endpoints.iter().map(finished).sum();
    let called = tally.answered() + tally.failed();
    let calls = |seat: usize| seats[seat].processor.calls();
    let drained = fleet.drained();
    let failures: u64 = endpoints
        .iter()
        .map(|endpoint| endpoint.outcomes.failure)
        .sum();

    let claims = [
        (
            called > 0
                && reached == called
                && seats.iter().map(|seat| seat.processor.calls()).sum::<u64>() == called,
            format!("callers, endpoints and processors count the same: {called} calls"),
        ),
        (
            endpoints
                .iter()
                .zip(seats)
                .all(|(endpoint, seat)| finished(endpoint) == seat.processor.calls()),
            "each endpoint has counted each call of its own".to_owned(),
        ),
        (
            endpoints.iter().all(|endpoint| endpoint.in_flight == 0),
            "nothing is left in flight".to_owned(),
        ),
        (
            failures == tally.failed() && failures == calls(FAILS),
            format!("every failure is {}'s: {failures}", seats[FAILS].name),
        ),
        (
            calls(FAILS) * 5 <= called,
            format!(
                "{} got no more than a fair fifth: {}",
                seats[FAILS].name,
                percent(calls(FAILS), called)
            ),
        ),
        (
            drained.is_some_and(|drained| drained.is_over() && drained.calls == calls(LEAVES)),
            format!(
                "{} got no call after its drain began, and left",
                seats[LEAVES].name
            ),
        ),
        (
            pool.members
                .iter()
                .all(|member| member.endpoint.key != seats[LEAVES].name)
                && pool.members.len() == 5,
            "the pool has the other five".to_owned(),
        ),
        (
            calls(JOINS) > 0,
            format!(
                "{} got calls after it joined: {}",
                seats[JOINS].name,
                percent(calls(JOINS), called)
            ),
        ),
        (
            calls(0) > calls(2) && calls(2) > calls(3),
            format!(
                "the faster one is, the more it gets: {} > {} > {}",
                calls(0),
                calls(2),
                calls(3)
            ),
        ),
    ];

    println!();
    for (holds, claim) in &claims {
        println!("  {}  {claim}", if *holds { "ok   " } else { "WRONG" });
    }
    if claims.iter().all(|(holds, _)| *holds) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", part as f64 / whole.max(1) as f64 * 100.0)
}
