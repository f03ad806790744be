use super::*;

fn aimd(initial: f64) -> Aimd {
    Aimd::new(AimdConfig {
        initial,
        ..AimdConfig::default()
    })
}

#[test]
fn it_rises_by_one_each_round_trip() {
    let mut algorithm = aimd(20.0);
    let mut calls = Calls::new(1000);
    for round_trip in 1..=10 {
        let limit = algorithm.limit();
        calls.end(&mut algorithm, limit.round() as u32, |_| done(ms(50)));
        let wanted = 20.0 + f64::from(round_trip);
        assert!((algorithm.limit() - wanted).abs() < 0.5, "{algorithm:?}");
    }
}

#[test]
fn each_round_trip_with_drops_lowers_it_once() {
    let mut algorithm = aimd(100.0);
    let mut calls = Calls::new(1000);
    let dropped = |_| Went {
        latency: ms(50),
        verdict: Verdict::Dropped,
    };
    calls.end(&mut algorithm, 1, dropped);
    assert_eq!(algorithm.limit(), 70.0);
    // Those of the same round trip began before.
    calls.end(&mut algorithm, 69, dropped);
    assert_eq!(algorithm.limit(), 70.0);
    calls.end(&mut algorithm, 3, dropped);
    assert!((algorithm.limit() - 49.0).abs() < 1e-9, "{algorithm:?}");
}

#[test]
fn slowness_is_a_drop_only_where_asked_for() {
    let mut patient = aimd(10.0);
    Calls::new(1000).end(&mut patient, 100, |_| done(ms(60_000)));
    assert!(patient.limit() > 10.0);

    let mut strict = Aimd::new(AimdConfig {
        initial: 10.0,
        slow: Some(ms(5_000)),
        ..AimdConfig::default()
    });
    Calls::new(1000).end(&mut strict, 100, |_| done(ms(60_000)));
    assert!(strict.limit() < 10.0, "{strict:?}");
}
