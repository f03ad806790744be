use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::from_nanos(1);

fn config(unhealthy_after: u32, healthy_after: u32) -> HealthConfig {
    HealthConfig::default()
        .with_unhealthy_after(unhealthy_after)
        .with_healthy_after(healthy_after)
}

/// The state after these checks: `+` good, `-` bad, `?` cannot tell.
fn after(checks: &str, config: &HealthConfig) -> State {
    let mut state = State::new(NOW);
    for (second, check) in (1..).zip(checks.chars()) {
        let now = Timestamp::from_nanos(second * 1_000_000_000);
        state.record(verdict(check), config, now);
    }
    state
}

fn verdict(check: char) -> Verdict {
    match check {
        '+' => Verdict::Healthy,
        '-' => Verdict::Unhealthy,
        _ => Verdict::Unknown,
    }
}

#[test]
fn unknown_until_the_first_good_check() {
    let config = config(3, 2);
    assert_eq!(after("", &config).state(), HealthState::Unknown);
    assert_eq!(after("??", &config).state(), HealthState::Unknown);
    assert_eq!(after("--", &config).state(), HealthState::Unknown);
    assert_eq!(
        after("+", &config).state(),
        HealthState::Healthy,
        "one good check is enough where nothing bad is known"
    );
    assert_eq!(after("--+", &config).state(), HealthState::Healthy);
}

#[test]
fn unknown_and_healthy_turn_unhealthy_after_so_many_bad_checks_in_a_row() {
    let config = config(3, 1);
    assert_eq!(after("---", &config).state(), HealthState::Unhealthy);
    assert_eq!(after("+--", &config).state(), HealthState::Healthy);
    assert_eq!(after("+---", &config).state(), HealthState::Unhealthy);
    assert_eq!(
        after("+--+--+--", &config).state(),
        HealthState::Healthy,
        "a good check ends the row"
    );
    assert_eq!(
        after("+-?-?-", &config).state(),
        HealthState::Unhealthy,
        "one that cannot tell does not"
    );
}

#[test]
fn unhealthy_turns_healthy_after_so_many_good_checks_in_a_row() {
    let config = config(1, 3);
    assert_eq!(after("-++", &config).state(), HealthState::Unhealthy);
    assert_eq!(after("-+++", &config).state(), HealthState::Healthy);
    assert_eq!(after("-++-++", &config).state(), HealthState::Unhealthy);
    assert_eq!(after("-+?+?+", &config).state(), HealthState::Healthy);
}

#[test]
fn a_turn_says_from_where_to_where_and_why_and_comes_once() {
    let config = config(2, 2);
    let mut state = State::new(NOW);
    let mut turns = Vec::new();
    for (second, check) in (1..).zip("+---+++".chars()) {
        let now = Timestamp::from_nanos(second);
        turns.push(state.record(verdict(check), &config, now));
    }
    let turn = |from, to, checks| Some(Turn { from, to, checks });
    use HealthState::{Healthy, Unhealthy, Unknown};
    assert_eq!(
        turns,
        [
            turn(Unknown, Healthy, 1),
            None,
            turn(Healthy, Unhealthy, 2),
            None,
            None,
            turn(Unhealthy, Healthy, 2),
            None,
        ]
    );
    assert_eq!(state.since(), Timestamp::from_nanos(6));
    assert_eq!((state.successes(), state.failures()), (3, 0));
}

#[test]
fn the_error_rate_is_of_the_latest_checks() {
    let config = config(3, 1);
    assert_eq!(after("??", &config).error_rate(), None);
    assert_eq!(after("+-?--", &config).error_rate(), Some(0.75));
    let long = "-".repeat(100) + &"+".repeat(48);
    assert_eq!(after(&long, &config).error_rate(), Some(0.25));
}

proptest! {
    /// Beside a model that looks at the whole past each time.
    #[test]
    fn no_sequence_breaks_the_thresholds(
        checks in "[-+?]{0,200}",
        unhealthy_after in 1u32..6,
        healthy_after in 1u32..6,
    ) {
        let config = config(unhealthy_after, healthy_after);
        let mut state = State::new(NOW);
        let mut model = HealthState::Unknown;
        let mut past = String::new();
        for check in checks.chars() {
            let turn = state.record(verdict(check), &config, NOW);
            if check != '?' {
                past.push(check);
            }
            let ends_with = |sign: &str, times| past.ends_with(&sign.repeat(times as usize));
            let to = match (check, model) {
                ('+', HealthState::Unknown) => HealthState::Healthy,
                ('+', HealthState::Unhealthy) if ends_with("+", healthy_after) => HealthState::Healthy,
                ('-', _) if ends_with("-", unhealthy_after) => HealthState::Unhealthy,
                _ => model,
            };
            prop_assert_eq!(turn.is_some(), to != model);
            if let Some(turn) = turn {
                prop_assert_eq!((turn.from, turn.to), (model, to));
            }
            prop_assert_eq!(state.state(), to);
            model = to;
            prop_assert!(state.failures() == 0 || state.successes() == 0);
            prop_assert!(state.error_rate().is_none_or(|rate| (0.0..=1.0).contains(&rate)));
        }
    }
}
