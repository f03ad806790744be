//! The arithmetic of the rule.

use proptest::prelude::*;

use super::*;

fn counts(calls: u64, errors: u64, slow: u64, not_fast: u64) -> Counts {
    Counts {
        calls,
        errors,
        slow,
        not_fast,
    }
}

#[test]
fn each_bound_decides() {
    for (counts, verdict) in [
        (counts(100, 0, 0, 0), Verdict::Grow),
        (counts(100, 4, 0, 0), Verdict::Grow),
        (counts(100, 5, 0, 0), Verdict::Hold),
        (counts(100, 20, 0, 0), Verdict::Hold),
        (counts(100, 21, 0, 0), Verdict::ShrinkForErrors),
        (counts(100, 100, 0, 0), Verdict::ShrinkForErrors),
        (counts(100, 0, 0, 50), Verdict::Grow),
        (counts(100, 0, 0, 51), Verdict::Hold),
        (counts(100, 0, 50, 100), Verdict::Hold),
        (counts(100, 0, 51, 100), Verdict::ShrinkForLatency),
        // Half of the 80 that succeeded.
        (counts(100, 20, 40, 80), Verdict::Hold),
        (counts(100, 20, 41, 80), Verdict::ShrinkForLatency),
        (counts(9, 9, 0, 0), Verdict::TooFew),
        (counts(0, 0, 0, 0), Verdict::TooFew),
    ] {
        assert_eq!(counts.judge(&config()), verdict, "{counts:?}");
    }
}

#[test]
fn the_latency_of_the_slowest_is_that_of_the_last_quantile() {
    let all = config().with_quantile(1.0);
    assert_eq!(counts(100, 0, 1, 1).judge(&all), Verdict::ShrinkForLatency);
    assert_eq!(counts(100, 0, 0, 1).judge(&all), Verdict::Hold);
    let p95 = config().with_quantile(0.95);
    assert_eq!(counts(100, 0, 5, 5).judge(&p95), Verdict::Grow);
    assert_eq!(counts(100, 0, 6, 6).judge(&p95), Verdict::ShrinkForLatency);
}

#[test]
fn bounds_can_be_switched_off() {
    let config = config().with_error_rates(0.0, 1.0);
    assert_eq!(counts(100, 100, 0, 0).judge(&config), Verdict::Hold);
    assert_eq!(counts(100, 0, 0, 0).judge(&config), Verdict::Hold);
}

/// The rule as one would write it down, over the latencies themselves.
fn by_hand(config: &BackPressureConfig, latencies: &[u64], errors: u64) -> Verdict {
    let calls = latencies.len() as u64 + errors;
    if calls < config.minimum_calls {
        return Verdict::TooFew;
    }
    let rate = errors as f64 / calls as f64;
    if rate > config.high_error_rate {
        return Verdict::ShrinkForErrors;
    }
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    let rank = (config.quantile * sorted.len() as f64).ceil() as usize;
    let Some(latency) = sorted.get(rank.max(1) - 1).map(|ms| MS * *ms as u32) else {
        return Verdict::Hold;
    };
    if latency > config.high_latency {
        Verdict::ShrinkForLatency
    } else if rate < config.low_error_rate && latency < config.low_latency {
        Verdict::Grow
    } else {
        Verdict::Hold
    }
}

proptest! {
    #[test]
    fn counting_beyond_two_bounds_is_as_good_as_sorting(
        latencies in prop::collection::vec(0_u64..100, 0..60),
        errors in 0_u64..20,
        quantile in 0.001..=1.0,
        low in 0_u64..100,
        wider in 0_u64..100,
    ) {
        let (low, high) = (MS * low as u32, MS * (low + wider) as u32);
        let config = config().with_quantile(quantile).with_latencies(low, high).build().unwrap();
        let beyond = |over: &dyn Fn(Duration) -> bool| {
            latencies.iter().filter(|ms| over(MS * **ms as u32)).count() as u64
        };
        let counts = counts(
            latencies.len() as u64 + errors,
            errors,
            beyond(&|latency| latency > high),
            beyond(&|latency| latency >= low),
        );
        prop_assert_eq!(counts.judge(&config), by_hand(&config, &latencies, errors));
    }

    #[test]
    fn any_counts_can_be_judged(calls: u64, errors: u64, slow: u64, not_fast: u64) {
        let counts = counts(calls, errors, slow, not_fast);
        let verdict = counts.judge(&config());
        prop_assert!(verdict != Verdict::Paused);
        prop_assert!(counts.error_rate() >= 0.0);
    }
}

/// An owner that rounds to the nearest whole call, from 1 up.
struct Nearest(Mutex<f64>);

impl Dial for Nearest {
    fn value(&self) -> f64 {
        *self.0.lock().unwrap()
    }

    fn set(&self, value: f64) -> f64 {
        let value = value.round().max(1.0);
        *self.0.lock().unwrap() = value;
        value
    }
}

#[test]
fn a_step_that_is_rounded_away_is_one_call() {
    let step = |from: f64, factor, whole| {
        let dial: Arc<dyn Dial> = Arc::new(Nearest(Mutex::new(from)));
        decision::turn(&[dial], factor, whole)[0].to
    };
    assert_eq!(step(2.0, 0.75, true), 1.0);
    assert_eq!(step(1.0, 0.75, true), 1.0, "the owner's floor");
    assert_eq!(step(1.0, 1.33, true), 2.0);
    assert_eq!(step(40.0, 0.75, true), 30.0);
    assert_eq!(step(40.0, 1.0, true), 40.0, "no step is asked for");
    assert_eq!(step(1.0, 1.33, false), 1.0, "rates are no whole numbers");
}
