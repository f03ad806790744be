use proptest::prelude::*;

use super::*;

fn waits(backoff: Backoff, randoms: &[f64]) -> Vec<Duration> {
    let mut previous = Duration::ZERO;
    let wait = |(retry, random): (usize, &f64)| {
        previous = backoff.wait(retry as u32, previous, *random);
        previous
    };
    randoms.iter().enumerate().map(wait).collect()
}

#[test]
fn each_kind_waits_as_it_says() {
    let (base, cap) = (100 * MS, 500 * MS);
    assert_eq!(
        waits(Backoff::decorrelated(base, cap), &[0.0, 1.0, 1.0, 0.5]),
        [100 * MS, 300 * MS, 500 * MS, 300 * MS]
    );
    assert_eq!(
        waits(Backoff::full(base, cap), &[1.0, 0.5, 0.0, 1.0]),
        [100 * MS, 100 * MS, Duration::ZERO, 500 * MS]
    );
    assert_eq!(
        waits(Backoff::exponential(base, cap), &[0.0, 1.0, 0.5, 0.0]),
        [100 * MS, 100 * MS, 300 * MS, 500 * MS]
    );
    assert_eq!(waits(Backoff::fixed(base), &[0.0, 1.0]), [base, base]);
    assert_eq!(
        waits(Backoff::fixed(base).with_jitter(0.2), &[0.0, 1.0]),
        [100 * MS, 80 * MS]
    );
}

/// tower's `ExponentialBackoff` of 1 s has no jitter at all, whatever it is told: its jitter is below a second, and its
/// arithmetic in whole seconds.
#[test]
fn an_exponential_backoff_of_a_second_has_jitter() {
    let backoff = Backoff::exponential(SEC, 60 * SEC);
    let mut rng = seeded(3);
    let waits: Vec<_> = (0..1_000)
        .map(|_| backoff.wait(0, Duration::ZERO, rng.f64()))
        .collect();
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(*least < 510 * MS && *most > 990 * MS, "{least:?} {most:?}");
    let distinct: std::collections::HashSet<_> = waits.iter().collect();
    assert!(distinct.len() > 990);
}

proptest! {
    #[test]
    fn no_wait_is_beyond_its_bounds(
        base in 1_u64..10_000, factor in 1_u64..1_000, retry in 0_u32..200,
        previous in 0_u64..1_000_000, random in 0.0..=1.0_f64, jitter in 0.0..=1.0_f64,
    ) {
        let base = Duration::from_millis(base);
        let cap = base * factor as u32;
        let previous = Duration::from_millis(previous);
        let decorrelated = Backoff::decorrelated(base, cap).wait(retry, previous, random);
        prop_assert!((base..=cap).contains(&decorrelated));
        prop_assert!(Backoff::full(base, cap).wait(retry, previous, random) <= cap);
        let exponential = Backoff::exponential(base, cap).with_jitter(jitter);
        let wait = exponential.wait(retry, previous, random);
        prop_assert!(wait <= cap && wait >= base.mul_f64((1.0 - jitter) * 0.999));
        let fixed = Backoff::fixed(base).with_jitter(jitter).wait(retry, previous, random);
        prop_assert!(fixed <= base);
    }
}

#[test]
fn a_mistake_names_field_value_and_rule() {
    let refused = |config: RetryConfig| config.build().unwrap_err().to_string();
    let with = |backoff| refused(RetryConfig::default().with_backoff(backoff));
    assert_eq!(
        with(Backoff::full(Duration::ZERO, SEC)),
        "retry.backoff.base is 0ns: it must be above 0"
    );
    assert_eq!(
        with(Backoff::decorrelated(SEC, MS)),
        "retry.backoff.cap is 1ms: it must not be below base"
    );
    assert_eq!(
        with(Backoff::fixed(SEC).with_jitter(2.0)),
        "retry.backoff.jitter is 2.0: it must be from 0 to 1"
    );
    assert_eq!(
        with(Backoff::fixed(100_000 * SEC)),
        "retry.backoff.wait is 100000s: it must be at most a day"
    );
    assert_eq!(
        refused(RetryConfig::default().with_attempts(0)),
        "retry.attempts is Some(0): it must be at least 1"
    );
    let budget = BudgetConfig::default().with_cap(0.0);
    assert_eq!(
        refused(RetryConfig::default().with_budget(Some(budget))),
        "budget.cap is 0.0: it must be from 1 to 1e12"
    );
    let eager = RetryConfig::default().with_backoff(Backoff::fixed(Duration::ZERO));
    assert!(eager.build().is_ok(), "no wait at all is a choice");
}

#[test]
fn it_is_read_and_written_as_people_do() {
    let text = r#"{"max_retries":4,"backoff":{"kind":"full","cap":"10s"},"retry_after":"elsewhere","patience":"2s","budget":null,"attempts":3,"trail":"with_context"}"#;
    let config: RetryConfig = serde_json::from_str(text).unwrap();
    let expected = RetryConfig::default()
        .with_max_retries(4)
        .with_backoff(Backoff::full(200 * MS, 10 * SEC))
        .with_retry_after(RetryAfter::Elsewhere)
        .with_patience(2 * SEC)
        .with_budget(None)
        .with_attempts(3)
        .with_trail(KeepTrail::WithContext);
    assert_eq!(config, expected);
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<RetryConfig>(&text).unwrap(), config);
    let default: RetryConfig = serde_json::from_str("{}").unwrap();
    assert_eq!(default, RetryConfig::default());
    for unknown in [
        r#"{"retrys":1}"#,
        r#"{"backoff":{"kind":"full","bse":"1s"}}"#,
    ] {
        assert!(serde_json::from_str::<RetryConfig>(unknown).is_err());
    }
}
