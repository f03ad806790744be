use super::*;

fn vegas() -> Vegas {
    Vegas::new(VegasConfig::default())
}

/// The limit, not that of a look at the base.
fn settled(calls: &mut Calls, vegas: &mut Vegas, mut went: impl FnMut(u32) -> Went) -> f64 {
    (0..300)
        .map(|_| {
            calls.end(vegas, 20, &mut went);
            vegas.limit()
        })
        .fold(0.0, f64::max)
}

#[test]
fn it_settles_where_a_few_calls_queue() {
    let (mut vegas, mut calls) = (vegas(), Calls::new(1000));
    calls.end(&mut vegas, 20_000, slots(40, ms(10)));
    let limit = settled(&mut calls, &mut vegas, slots(40, ms(10)));
    assert!((40.0..60.0).contains(&limit), "{limit}");
}

/// A peer's limit ended at 1 although capacity was unlimited: answers differ in length, and the shortest was the base.
#[test]
fn latency_that_varies_does_not_take_it_down() {
    let (mut vegas, mut calls) = (vegas(), Calls::new(100_000));
    let mut random = random(1);
    let mut went = |_| done(Duration::from_secs_f64(0.005 + 0.3 * random().powi(3)));
    calls.end(&mut vegas, 20_000, &mut went);
    let limit = settled(&mut calls, &mut vegas, &mut went);
    assert!(limit > 40.0, "{limit}");
}

/// One answer in a microsecond was a peer's base for ever.
#[test]
fn one_quick_answer_does_not_take_it_down() {
    let (mut vegas, mut calls) = (vegas(), Calls::new(1000));
    calls.end(&mut vegas, 5_000, slots(40, ms(10)));
    calls.end(&mut vegas, 1, |_| done(Duration::from_micros(1)));
    for _ in 0..200 {
        calls.end(&mut vegas, 20, slots(40, ms(10)));
        assert!(vegas.limit() >= 18.0, "{vegas:?}");
    }
}

#[test]
fn it_accepts_a_processor_that_has_become_slower() {
    let (mut vegas, mut calls) = (vegas(), Calls::new(1000));
    calls.end(&mut vegas, 10_000, slots(40, ms(10)));
    calls.end(&mut vegas, 10_000, slots(40, ms(100)));
    let limit = settled(&mut calls, &mut vegas, slots(40, ms(100)));
    assert!((35.0..60.0).contains(&limit), "{limit}");
}

#[test]
fn it_follows_capacity_down() {
    let (mut vegas, mut calls) = (vegas(), Calls::new(1000));
    calls.end(&mut vegas, 10_000, slots(40, ms(10)));
    calls.end(&mut vegas, 20_000, slots(10, ms(10)));
    let limit = settled(&mut calls, &mut vegas, slots(10, ms(10)));
    assert!((10.0..25.0).contains(&limit), "{limit}");
}
