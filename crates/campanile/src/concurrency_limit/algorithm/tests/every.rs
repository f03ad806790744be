//! What every algorithm must keep.

use proptest::prelude::*;

use super::*;

fn every() -> Vec<Box<dyn Algorithm>> {
    [
        "elastic",
        "static",
        "aimd",
        "vegas",
        "gradient2",
        "envoy_gradient",
    ]
    .map(|name| {
        AlgorithmConfig::named(name)
            .unwrap()
            .build()
            .unwrap()
            .boxed()
    })
    .into()
}

/// One client that calls again and again raised the limit of a peer to its maximum: nobody asked whether it was used.
#[test]
fn one_sequential_client_never_raises_the_limit() {
    for mut algorithm in every() {
        let before = limit(&*algorithm).max(20);
        let mut calls = Calls::new(1);
        calls.end(&mut *algorithm, 20_000, |_| done(ms(5)));
        assert!(limit(&*algorithm) <= before, "{algorithm:?}");
    }
}

/// Eight time-outs at once took a peer's limit from 100 to 1: each counted as an event of its own.
#[test]
fn simultaneous_time_outs_are_one_event() {
    for name in ["aimd", "vegas", "gradient2", "envoy_gradient"] {
        let json = format!(r#"{{ "{name}": {{ "initial": 100.0 }} }}"#);
        let config: AlgorithmConfig = serde_json::from_str(&json).unwrap();
        let mut algorithm = config.build().unwrap().boxed();
        let mut calls = Calls::new(100);
        calls.end(&mut *algorithm, 60, |_| done(ms(100)));
        let before = algorithm.limit();
        for _ in 0..8 {
            algorithm.sample(&Sample {
                started: calls.now,
                now: calls.now.after(ms(100)),
                latency: None,
                units: 0,
                in_flight: 100,
                limit: limit(&*algorithm),
                verdict: Verdict::Dropped,
            });
        }
        let after = algorithm.limit();
        assert!(
            after < before && after >= before * 0.69,
            "{name}: {before} to {after}"
        );
    }
}

/// Calls that are refused at once come back many times in a round trip.
#[test]
fn quick_refusals_lower_the_limit_once_a_round_trip() {
    let mut algorithm = Aimd::new(AimdConfig {
        initial: 100.0,
        ..AimdConfig::default()
    });
    let mut calls = Calls::new(200);
    calls.end(&mut algorithm, 50, |_| done(ms(1000)));
    let refused = Went {
        latency: ms(5),
        verdict: Verdict::Dropped,
    };
    let before = algorithm.limit();
    calls.end(&mut algorithm, 1000, |_| refused);
    assert!(algorithm.limit() >= before * 0.69, "{}", algorithm.limit());
}

#[test]
fn what_says_nothing_changes_nothing() {
    for mut algorithm in every() {
        let before = algorithm.limit();
        Calls::new(1000).end(&mut *algorithm, 1000, |_| Went {
            latency: ms(1),
            verdict: Verdict::Ignored,
        });
        assert_eq!(algorithm.limit(), before, "{algorithm:?}");
    }
}

/// A cap is the owner's; when it is lifted after an hour the limit must not have wound up behind it.
#[test]
fn a_cap_does_not_wind_the_limit_up() {
    for name in ["aimd", "vegas", "gradient2"] {
        let mut algorithm = AlgorithmConfig::named(name).unwrap().boxed();
        let mut now = Timestamp::from_nanos(1);
        for _ in 0..50_000 {
            now = now.after(ms(1));
            algorithm.sample(&Sample {
                started: now,
                now: now.after(ms(10)),
                latency: Some(ms(10)),
                units: 1,
                in_flight: 10,
                limit: 10.min(limit(&*algorithm)),
                verdict: Verdict::Done,
            });
        }
        assert!(algorithm.limit() <= 20.0, "{algorithm:?}");
    }
}

proptest! {
    /// Whatever calls do, a limit is a number, and never ends all traffic.
    #[test]
    fn a_limit_is_always_finite_and_at_least_1(
        ends in prop::collection::vec((0_u64..20_000, 0_u8..4, 1_u32..500, 0_u64..500), 1..400),
    ) {
        for mut algorithm in every() {
            let mut tick = Tick { now: Timestamp::from_nanos(1), ..Tick::default() };
            for &(micros, how, in_flight, units) in &ends {
                let took = Duration::from_micros(micros);
                tick.now = tick.now.after(took / 4);
                let verdict = [Verdict::Done, Verdict::Dropped, Verdict::Ignored, Verdict::Done][usize::from(how)];
                let in_force = limit(&*algorithm).clamp(1, 1000);
                if algorithm.samples() {
                    algorithm.sample(&Sample {
                        started: Timestamp::from_nanos(tick.now.as_nanos().saturating_sub(micros * 1000)),
                        now: tick.now,
                        latency: (how != 3).then_some(took),
                        units,
                        in_flight,
                        limit: in_force,
                        verdict,
                    });
                }
                tick.units = tick.units.wrapping_add(units);
                tick.completed = tick.completed.wrapping_add(u64::from(verdict == Verdict::Done));
                tick.dropped = tick.dropped.wrapping_add(u64::from(verdict == Verdict::Dropped));
                tick.busy = tick.busy.wrapping_add(u64::from(in_flight) * micros * 250);
                tick.in_flight = in_flight;
                tick.limit = in_force;
                if algorithm.next_tick().is_some_and(|due| due <= tick.now) {
                    algorithm.tick(&tick);
                }
                prop_assert!(algorithm.limit().is_finite() && algorithm.limit() >= 1.0);
            }
        }
    }
}
