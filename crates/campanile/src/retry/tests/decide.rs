use super::{
    super::state::{Ended, Next},
    *,
};
use crate::outcome::FailureKind;

const FAILED: Outcome = Outcome::Failure(FailureKind::Server);

fn ended(outcome: Outcome) -> Ended {
    Ended {
        outcome,
        advice: Advice::Judge,
        asked: outcome.retry_after(),
        retries: 0,
        previous: Duration::ZERO,
        left: None,
        random: 0.0,
    }
}

fn next(ended: Ended) -> Next {
    ended.next(&plain())
}

fn retry(wait: Duration) -> Next {
    Next::Retry {
        wait,
        budgeted: true,
    }
}

#[test]
fn failures_and_refusals_are_tried_again_and_nothing_else() {
    let refused = Outcome::Overloaded { retry_after: None };
    for outcome in [FAILED, Outcome::Failure(FailureKind::Timeout), refused] {
        assert_eq!(next(ended(outcome)), retry(100 * MS), "{outcome:?}");
    }
    for outcome in [Outcome::Success, Outcome::Ignored, Outcome::Cancelled] {
        assert_eq!(next(ended(outcome)), Next::Answer, "{outcome:?}");
    }
}

/// The upstream is well: a throttled call waits as long as it was told, which costs the upstream nothing.
#[test]
fn a_throttled_call_does_not_draw_on_the_budget() {
    let retry_after = Some(2 * SEC);
    let unbudgeted = Next::Retry {
        wait: 2 * SEC,
        budgeted: false,
    };
    assert_eq!(next(ended(Outcome::Throttled { retry_after })), unbudgeted);
    assert_eq!(
        next(ended(Outcome::Overloaded { retry_after })),
        retry(2 * SEC)
    );
}

#[test]
fn advice_wins_over_the_outcome() {
    let advised = |outcome, advice| Ended {
        advice,
        ..ended(outcome)
    };
    assert_eq!(next(advised(FAILED, Advice::GiveUp)), Next::Answer);
    assert_eq!(
        next(advised(Outcome::Ignored, Advice::Retry)),
        retry(100 * MS)
    );
    let spent = Ended {
        retries: 2,
        ..advised(FAILED, Advice::Retry)
    };
    assert_eq!(next(spent), Next::Answer, "but not over the limit");
}

#[test]
fn what_does_not_fit_the_deadline_is_not_waited_for() {
    let left = |outcome, left| Ended {
        left: Some(left),
        ..ended(outcome)
    };
    assert_eq!(next(left(FAILED, 101 * MS)), retry(100 * MS));
    assert_eq!(next(left(FAILED, 100 * MS)), Next::Answer);
    let asked = Outcome::Overloaded {
        retry_after: Some(2 * SEC),
    };
    assert_eq!(next(left(asked, 2_001 * MS)), retry(2 * SEC));
    assert_eq!(next(left(asked, 2 * SEC)), Next::Answer);
    assert_eq!(next(left(asked, Duration::ZERO)), Next::Answer);
}

#[test]
fn a_retry_after_beyond_the_longest_ends_the_call() {
    let asked = |after| {
        ended(Outcome::Overloaded {
            retry_after: Some(after),
        })
    };
    assert_eq!(next(asked(60 * SEC)), retry(60 * SEC));
    assert_eq!(next(asked(61 * SEC)), Next::Answer);
    assert_eq!(next(asked(Duration::MAX)), Next::Answer);
}

/// All who were told the same do not come at once, but nobody comes too early or too late.
#[test]
fn a_retry_after_is_spread_a_little() {
    let asked = |random, left| {
        let outcome = Outcome::Overloaded {
            retry_after: Some(10 * SEC),
        };
        let ended = Ended {
            random,
            left,
            ..ended(outcome)
        };
        match next(ended) {
            Next::Retry { wait, .. } => wait,
            Next::Answer => panic!("not tried again"),
        }
    };
    assert_eq!(asked(0.0, None), 10 * SEC);
    assert_eq!(asked(1.0, None), 11 * SEC);
    assert_eq!(asked(1.0, Some(10_200 * MS)), 10_100 * MS);
}
