//! Whether what happened is right.

use std::process::ExitCode;

use crate::drive::{Story, VICTIM};

/// Says of each claim whether it holds; the exit code is 1 unless all do.
pub(crate) fn judge(story: &Story) -> ExitCode {
    let [well, down, back] = &story.acts;
    let [_, while_down, _] = story.victim;
    let reached: u64 = story
        .members
        .iter()
        .map(|member| {
            let of = &member.outcomes;
            of.success + of.failure + of.overloaded + of.throttled + of.ignored + of.cancelled
        })
        .sum();
    let refused = well.refused + down.refused + back.refused;
    let total = well.total() + down.total() + back.total();
    let cut = down.cut + back.cut;
    // The calls that were in flight when it was killed, and the few that find out that it is dead.
    let fair = down.total() / 3;

    let claims = [
        (
            well.lies + down.lies + back.lies == 0,
            format!("none of {total} answers broke off and looked whole"),
        ),
        (
            cut > 0,
            format!(
                "the answers that {VICTIM} was giving when it was killed ended as errors: {cut}"
            ),
        ),
        (
            well.total() == well.whole.values().sum::<u64>(),
            format!("nothing failed before that: {} requests", well.total()),
        ),
        (
            while_down * 4 < fair,
            format!(
                "{VICTIM} was left alone while it was down: {while_down} calls, where {fair} would be fair"
            ),
        ),
        (
            back.whole(VICTIM) > 0,
            format!(
                "{VICTIM} has traffic again: {} of {} requests",
                back.whole(VICTIM),
                back.total()
            ),
        ),
        (
            reached + refused == total,
            format!("endpoints and callers count the same: {reached} calls, {refused} refused"),
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
