use proptest::prelude::*;

use super::*;

const MS: Duration = Duration::from_millis(1);

fn at(millis: u32) -> Timestamp {
    Timestamp::ZERO.after(millis * MS)
}

fn limits(head: u32, first: u32, between: u32, total: u32) -> Limits {
    let limit = |millis: u32| (millis > 0).then(|| millis * MS);
    Limits::new(&TimeoutConfig {
        head: limit(head),
        first_data: limit(first),
        between_data: limit(between),
        total: limit(total),
        ..TimeoutConfig::default()
    })
}

fn running(limits: Limits) -> Running {
    Running::begin(limits, at(1_000), Timestamp::MAX)
}

fn due(clock: Clock, millis: u32) -> Due {
    Due {
        at: at(millis),
        clock,
    }
}

#[test]
fn without_limits_no_clock_runs() {
    let limits = limits(0, 0, 0, 0);
    assert!(!limits.count_from_begin());
    let mut running = running(limits);
    assert!(running.due().is_never());
    assert!(!running.due().is_over(Timestamp::MAX));
    running.head();
    running.idle(at(5));
    assert!(running.due().is_never());
    running.data();
    running.idle(at(6));
    assert!(running.due().is_never());
    assert!(!running.is_capped());
}

#[test]
fn each_phase_has_its_clock() {
    let mut running = running(limits(100, 200, 50, 10_000));
    assert_eq!(running.due(), due(Clock::Head, 1_100));
    running.head();
    // From the begin, not from the head.
    assert_eq!(running.due(), due(Clock::FirstData, 1_200));
    running.data();
    assert_eq!(
        running.due(),
        due(Clock::Total, 11_000),
        "nothing is waited for yet"
    );
    running.idle(at(1_500));
    assert_eq!(running.due(), due(Clock::BetweenData, 1_550));
    running.idle(at(1_540));
    assert_eq!(
        running.due(),
        due(Clock::BetweenData, 1_550),
        "the wait goes on"
    );
    running.data();
    running.idle(at(1_600));
    assert_eq!(running.due(), due(Clock::BetweenData, 1_650));
    running.data();
    running.idle(at(10_990));
    assert_eq!(running.due(), due(Clock::Total, 11_000));
}

#[test]
fn the_limit_of_the_first_data_holds_while_the_head_is_waited_for() {
    assert_eq!(
        running(limits(0, 70, 0, 0)).due(),
        due(Clock::FirstData, 1_070)
    );
    assert_eq!(
        running(limits(90, 70, 0, 0)).due(),
        due(Clock::FirstData, 1_070)
    );
}

#[test]
fn without_a_limit_of_its_own_the_first_data_is_one_of_many() {
    let mut running = running(limits(0, 0, 50, 0));
    running.idle(at(1_200));
    assert!(running.due().is_never(), "the head has no limit");
    running.head();
    running.idle(at(1_300));
    assert_eq!(running.due(), due(Clock::BetweenData, 1_350));
}

#[test]
fn a_deadline_tightens_every_phase() {
    let mut running = Running::begin(limits(100, 200, 50, 300), at(1_000), at(1_080));
    assert_eq!(running.due(), due(Clock::Deadline, 1_080));
    assert!(running.is_capped());
    running.head();
    assert_eq!(running.due(), due(Clock::Deadline, 1_080));
    running.data();
    running.idle(at(1_020));
    assert_eq!(running.due(), due(Clock::BetweenData, 1_070));
    // At the same time the more special clock is named.
    assert_eq!(
        Running::begin(limits(80, 80, 0, 80), at(1_000), at(1_080)).due(),
        due(Clock::Head, 1_080)
    );
}

#[test]
fn readiness_may_take_as_long_as_the_begin_of_the_answer() {
    assert_eq!(limits(100, 70, 5, 300).readiness(), 70_000_000);
    assert_eq!(limits(100, 0, 5, 30).readiness(), 30_000_000);
    assert_eq!(limits(0, 0, 5, 0).readiness(), u64::MAX);
}

proptest! {
    /// Whatever the limits, none is overstepped, nothing overflows, and what is named is what ran out.
    #[test]
    fn the_first_clock_is_due(
        head in any::<Option<u64>>(), first in any::<Option<u64>>(), between in any::<Option<u64>>(),
        total in any::<Option<u64>>(), start in any::<u64>(), deadline in any::<u64>(), idle in any::<u64>(),
        phase in 0..3_u8,
    ) {
        let config = TimeoutConfig {
            head: head.map(Duration::from_nanos),
            first_data: first.map(Duration::from_nanos),
            between_data: between.map(Duration::from_nanos),
            total: total.map(Duration::from_nanos),
            ..TimeoutConfig::default()
        };
        let mut running =
            Running::begin(Limits::new(&config), Timestamp::from_nanos(start), Timestamp::from_nanos(deadline));
        if phase > 0 { running.head(); }
        if phase > 1 { running.data(); }
        running.idle(Timestamp::from_nanos(idle));
        let due = running.due();
        let by = |from: u64, limit: Option<u64>| limit.map_or(u64::MAX, |limit| from.saturating_add(limit));
        let at = due.at.as_nanos();
        prop_assert!(at <= deadline && at <= by(start, total));
        if phase == 0 { prop_assert!(at <= by(start, head)); }
        if phase <= 1 { prop_assert!(at <= by(start, first)); }
        if phase == 2 { prop_assert!(at <= by(idle, between)); }
        let named = match due.clock {
            Clock::Head => by(start, head),
            Clock::FirstData => by(start, first),
            Clock::BetweenData => by(idle, between),
            Clock::Total => by(start, total),
            Clock::Deadline => deadline,
            Clock::Readiness => unreachable!(),
        };
        prop_assert_eq!(at, named);
    }
}
