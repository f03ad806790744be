use std::{
    sync::atomic::{AtomicU64 as Counter, Ordering},
    thread,
    time::Duration,
};

use futures_util::task::noop_waker_ref;
use proptest::prelude::*;

use super::{bucket, *};
use crate::{context::Priority, time::Timestamp};

const SEC: Duration = Duration::from_secs(1);
const BEGIN: u64 = 5_000_000_000_037;

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(BEGIN + nanos)
}

fn ms(millis: u64) -> Timestamp {
    at(millis * 1_000_000)
}

fn meter(rate: f64, per: Duration, burst: u64) -> Meter {
    let scale = scale(rate, per, burst);
    Meter::new(Rate::new(rate, per, scale), burst, scale)
}

fn gauges(meters: [Option<&Meter>; UNITS]) -> Gauges {
    meters.map(|meter| meter.map(|meter| meter.try_read().unwrap()))
}

fn parts(meters: [Option<&Meter>; UNITS], units: [u64; UNITS]) -> Amounts {
    std::array::from_fn(|unit| meters[unit].map_or(0, |meter| meter.parts(units[unit])))
}

fn order(cost: &Amounts, now: Timestamp) -> Order<'_> {
    Order {
        cost,
        least: &[1; UNITS],
        oversize: false,
        now,
    }
}

/// A bucket of one unit.
struct One {
    meter: Meter,
    cells: Shared,
}

impl One {
    fn new(rate: f64, per: Duration, burst: u64) -> Self {
        Self {
            meter: meter(rate, per, burst),
            cells: bucket::shared(),
        }
    }

    fn gauges(&self) -> Gauges {
        gauges([Some(&self.meter), None, None])
    }

    fn take(&self, units: u64, now: Timestamp) -> bool {
        let cost = [self.meter.parts(units), 0, 0];
        bucket::take(&self.cells, &self.gauges(), &order(&cost, now)).is_some()
    }

    /// For how long to wait for so many.
    fn wait(&self, units: u64, now: Timestamp) -> Duration {
        let cost = [self.meter.parts(units), 0, 0];
        bucket::when(&self.cells, &self.gauges(), &cost, &[0; UNITS], now).since(now)
    }
}

// ===== the meter =====

#[test]
fn what_is_due_at_a_whole_nanosecond_is_there_at_that_nanosecond() {
    for (rate, per) in [
        (1.0, SEC),
        (8.0, SEC),
        (10.0, SEC),
        (1_000.0, SEC),
        (60.0, 60 * SEC),
        (500.0, 60 * SEC),
        (2_000_000.0, 60 * SEC),
        (1.0, 86_400 * SEC),
        (1e9, SEC),
    ] {
        let one = One::new(rate, per, 1);
        let gauge = one.meter.try_read().unwrap();
        for start in [0, 1, 37, 123_456_789, 86_400_000_000_000 * 365] {
            for units in [1_u64, 2, 3, 10, 1_000] {
                let nanos = per.as_nanos() as f64 / rate * units as f64;
                if nanos.fract() != 0.0 {
                    continue;
                }
                let base = gauge.value(at(start));
                let due = base.wrapping_add(one.meter.parts(units));
                assert_eq!(
                    gauge.when(due, at(start)),
                    at(start + nanos as u64),
                    "{units} at {rate} per {per:?}, from {start}"
                );
            }
        }
    }
}

proptest! {
    #[test]
    fn a_meter_runs_true(
        rate in 1e-3..1e11_f64,
        per in 1_u64..1_000_000_000_000,
        burst in 1_u64..1 << 40,
        elapsed in 0_u64..1 << 55,
    ) {
        let per = Duration::from_nanos(per);
        prop_assume!(rate / per.as_secs_f64() <= 1e12);
        let scale = scale(rate, per, burst);
        prop_assume!(scale <= 60);
        let units = rate * (elapsed as f64 / per.as_nanos() as f64);
        prop_assume!(units * 2_f64.powi(scale as i32) < 1e18);
        let run = Rate::new(rate, per, scale).run(elapsed) as f64 / 2_f64.powi(scale as i32);
        let error = (run - units).abs();
        prop_assert!(error <= units * 1e-14 + 2_f64.powi(-(scale as i32)), "{run} for {units}");
    }

    #[test]
    fn the_time_for_so_much_is_the_earliest(
        rate in 1e-6..1e11_f64,
        slower in 1e-9..1_f64,
        parts in 1_u64..1 << 50,
    ) {
        let scale = scale(rate, SEC, 1);
        let rate = Rate::new(rate * slower, SEC, scale);
        let time = rate.time_for(parts);
        prop_assume!(time < u64::MAX);
        prop_assert!(rate.run(time) >= parts);
        // Slow ones are rounded up a little.
        if slower > 1e-4 {
            prop_assert!(rate.run(time - 1) < parts, "{time} is late");
        }
    }
}

#[test]
fn no_number_is_too_odd_for_a_rate() {
    for units in [
        0.0,
        -1.0,
        f64::NAN,
        f64::INFINITY,
        f64::MIN_POSITIVE,
        1e300,
        1e-300,
    ] {
        for per in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            for burst in [0, 1, u64::MAX] {
                let scale = scale(units, per, burst);
                let rate = Rate::new(units, per, scale.min(60));
                let _ = rate.run(u64::MAX);
                let _ = rate.time_for(u64::MAX);
            }
        }
    }
}

#[test]
fn a_change_of_rate_neither_forgives_nor_adds_a_debt() {
    let one = One::new(10.0, SEC, 10);
    assert!(one.take(10, ms(0)));
    let gauge = one.meter.try_read().unwrap();
    let scale = one.meter.scale();
    one.meter
        .set(gauge.change(Rate::new(5.0, SEC, scale), 10 << scale, ms(0)));
    assert_eq!(one.wait(1, ms(0)), Duration::from_millis(200));
    assert!(!one.take(1, ms(199)));
    assert!(one.take(1, ms(200)));
    let gauge = one.meter.try_read().unwrap();
    one.meter
        .set(gauge.change(Rate::new(20.0, SEC, scale), 10 << scale, ms(300)));
    // Half of one came in at the old rate.
    assert_eq!(one.wait(1, ms(300)), Duration::from_millis(25));
    // A smaller burst holds at once.
    let gauge = one.meter.try_read().unwrap();
    one.meter
        .set(gauge.change(Rate::new(20.0, SEC, scale), 2 << scale, ms(300)));
    assert!(one.take(2, ms(10_000)));
    assert!(!one.take(1, ms(10_000)));
}

#[test]
fn a_meter_is_never_read_half_set() {
    let meter = meter(1e3, SEC, 10);
    let scale = meter.scale();
    let done = Counter::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for turn in 1..20_000_u64 {
                let gauge = Gauge {
                    since: Timestamp::from_nanos(turn),
                    base: turn,
                    rate: Rate::new(1e3, SEC, scale),
                    burst: turn,
                };
                meter.set(gauge);
            }
            done.store(1, Ordering::Release);
        });
        let mut seen = 0;
        while done.load(Ordering::Acquire) == 0 || seen == 0 {
            if let Some(gauge) = meter.try_read()
                && gauge.base != 0
            {
                assert_eq!(
                    (gauge.since.as_nanos(), gauge.burst),
                    (gauge.base, gauge.base)
                );
                seen += 1;
            }
        }
    });
}

// ===== the bucket =====

#[test]
fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
    let one = One::new(10.0, SEC, 3);
    for _ in 0..3 {
        assert!(one.take(1, ms(0)));
    }
    assert!(!one.take(1, ms(0)));
    assert_eq!(one.wait(1, ms(0)), Duration::from_millis(100));
    assert_eq!(one.wait(3, ms(0)), Duration::from_millis(300));
    assert!(!one.take(1, at(99_999_999)), "a nanosecond early");
    assert!(one.take(1, ms(100)));
    assert!(!one.take(1, ms(100)));
    // A rest fills it, and no more than that.
    assert!(one.take(3, ms(60_000)));
    assert!(!one.take(1, ms(60_000)));
}

#[test]
fn more_than_a_burst_never_goes_unless_it_may_owe() {
    let one = One::new(10.0, SEC, 3);
    assert!(!one.take(4, ms(0)));
    let gauges = one.gauges();
    let cost = [one.meter.parts(4), 0, 0];
    let mut order = order(&cost, ms(0));
    assert!(bucket::exceeds(&gauges, &cost));
    order.oversize = true;
    assert!(bucket::take(&one.cells, &gauges, &order).is_some());
    // One is owed, so the next comes after two.
    assert_eq!(one.wait(1, ms(0)), Duration::from_millis(200));
}

#[test]
fn what_is_given_back_can_be_taken_again_and_never_fills_it_beyond_its_burst() {
    let one = One::new(10.0, SEC, 10);
    assert!(one.take(10, ms(0)));
    bucket::give_back(&one.cells, 0, one.meter.parts(4));
    assert!(one.take(4, ms(0)));
    assert!(!one.take(1, ms(0)));
    // Long after it is full again.
    bucket::give_back(&one.cells, 0, one.meter.parts(10));
    assert!(one.take(10, ms(60_000)));
    assert!(!one.take(1, ms(60_000)));
}

#[test]
fn more_than_there_was_is_owed() {
    let one = One::new(10.0, SEC, 10);
    let gauge = one.meter.try_read().unwrap();
    assert!(one.take(10, ms(0)));
    bucket::charge(&one.cells, 0, &gauge, one.meter.parts(20), ms(0));
    assert_eq!(one.wait(1, ms(0)), Duration::from_millis(2_100));
}

#[test]
fn a_parked_bucket_gives_nothing_until_then() {
    let one = One::new(10.0, SEC, 10);
    assert!(bucket::park(&one.cells, ms(500)));
    assert!(!bucket::park(&one.cells, ms(400)), "it is parked longer");
    assert!(!one.take(1, ms(499)));
    assert_eq!(one.wait(1, ms(100)), Duration::from_millis(400));
    assert!(one.take(1, ms(500)));
    bucket::park(&one.cells, ms(900));
    bucket::unpark(&one.cells, ms(600));
    assert!(one.take(1, ms(600)));
}

#[test]
fn all_units_are_taken_or_none() {
    let requests = meter(10.0, SEC, 10);
    let tokens = meter(100.0, SEC, 100);
    let money = meter(1e9, SEC, 1_000);
    let meters = [Some(&requests), Some(&tokens), Some(&money)];
    let gauges = gauges(meters);
    let cells = bucket::shared();
    let take = |units| bucket::take(&cells, &gauges, &order(&parts(meters, units), ms(0)));
    assert!(take([1, 101, 0]).is_none());
    assert!(take([1, 1, 1_001]).is_none());
    for _ in 0..10 {
        assert!(take([1, 10, 100]).is_some(), "nothing had been taken");
    }
    assert!(take([0, 0, 1]).is_none());
    // A call that takes nothing of a unit is not stopped by it.
    assert!(take([0, 0, 0]).is_some());
}

#[test]
fn a_nano_dollar_is_not_nothing() {
    // A cheap model: 0.05 dollars for a million tokens, 50 nano-dollars for one.
    let one = One::new(1_000.0, SEC, 1_000);
    let admitted = (0..100).filter(|_| one.take(50, ms(0))).count();
    assert_eq!(admitted, 20);
    assert!(One::new(1.0, SEC, 1).meter.parts(1) > 0);
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Take(u64),
    Back,
}

proptest! {
    /// The same decisions as a plain token bucket in exact fractions, but for the last nanosecond.
    #[test]
    fn it_decides_as_a_token_bucket(
        rate in 1_u64..5_000,
        per in prop::sample::select(vec![1_u64, 7, 60]),
        burst in 1_u64..50,
        steps in prop::collection::vec(prop_oneof![
            3 => (0_u64..300_000_000).prop_map(Step::Pass),
            4 => (0_u64..60).prop_map(Step::Take),
            1 => Just(Step::Back),
        ], 1..200),
    ) {
        let one = One::new(rate as f64, Duration::from_secs(per), burst);
        let unit = u128::from(per) * 1_000_000_000;
        let full = u128::from(burst) * unit;
        let (mut now, mut level, mut admitted, mut last) = (0, full, 0_u128, 0);
        for step in steps {
            match step {
                Step::Pass(nanos) => {
                    now += nanos;
                    level = full.min(level + u128::from(nanos) * u128::from(rate));
                }
                Step::Take(units) => {
                    let cost = u128::from(units) * unit;
                    let took = one.take(units, at(now));
                    let near = level.abs_diff(cost) <= u128::from(rate);
                    prop_assert!(near || took == (level >= cost), "{units} at {now}: {level}");
                    if took {
                        level = level.saturating_sub(cost);
                        admitted += u128::from(units);
                        last = units;
                    }
                }
                Step::Back => {
                    bucket::give_back(&one.cells, 0, one.meter.parts(last));
                    level = full.min(level + u128::from(last) * unit);
                    admitted -= u128::from(last);
                    last = 0;
                }
            }
            let most = u128::from(rate) * u128::from(now) / unit + u128::from(burst);
            prop_assert!(admitted <= most, "{admitted} of {most}");
        }
    }

    #[test]
    fn a_wait_is_exact(
        rate in 1_u64..100_000,
        burst in 1_u64..100,
        taken in 0_u64..100,
        cost in 1_u64..100,
    ) {
        prop_assume!(cost <= burst && taken <= burst);
        let one = One::new(rate as f64, SEC, burst);
        prop_assert!(one.take(taken, ms(0)));
        let wait = one.wait(cost, ms(0)).as_nanos() as u64;
        if wait > 0 {
            prop_assert!(!one.take(cost, at(wait - 1)));
        }
        prop_assert!(one.take(cost, at(wait)));
        let ideal = (taken + cost).saturating_sub(burst) as f64 / rate as f64 * 1e9;
        prop_assert!((wait as f64 - ideal).abs() <= 1.0, "{wait} for {ideal}");
    }
}

/// 64 threads, each at a time of its own, in two units.
#[test]
fn threads_never_take_more_than_rate_times_time_and_burst() {
    const THREADS: u64 = 64;
    const MILLIS: u64 = 500;
    let requests = meter(1_000.0, SEC, 20);
    let tokens = meter(30_000.0, SEC, 1_000);
    let meters = [Some(&requests), Some(&tokens), None];
    let gauges = gauges(meters);
    let cells = bucket::shared();
    let (calls, spent) = (Counter::new(0), Counter::new(0));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (cells, gauges, calls, spent) = (&cells, &gauges, &calls, &spent);
            scope.spawn(move || {
                for milli in 0..=MILLIS {
                    for turn in 0..4 {
                        let cost = (thread * 7 + milli * 3 + turn) % 60;
                        let parts = parts(meters, [1, cost, 0]);
                        if bucket::take(cells, gauges, &order(&parts, ms(milli))).is_some() {
                            calls.fetch_add(1, Ordering::Relaxed);
                            spent.fetch_add(cost, Ordering::Relaxed);
                        }
                    }
                }
            });
        }
    });
    let (calls, spent) = (calls.into_inner(), spent.into_inner());
    assert!(calls <= 20 + MILLIS, "{calls} calls");
    assert!(spent <= 1_000 + 30 * MILLIS, "{spent} tokens");
    // Nor much less: what is refused for one unit is put back in the other.
    assert!(
        calls + 20 >= 20 + MILLIS || spent + 1_000 >= 1_000 + 30 * MILLIS,
        "{calls} calls, {spent} tokens"
    );
}

#[test]
fn threads_that_give_back_what_they_took_leave_it_full() {
    let one = One::new(1.0, 3_600 * SEC, 64);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let one = &one;
            scope.spawn(move || {
                for turn in 0..2_000 {
                    let units = (thread + turn) % 9;
                    if one.take(units, ms(0)) {
                        bucket::give_back(&one.cells, 0, one.meter.parts(units));
                    }
                }
            });
        }
    });
    assert!(bucket::is_full(&one.cells, &one.gauges(), ms(0)));
    assert!(one.take(64, ms(0)));
    assert!(!one.take(1, ms(0)));
}

// ===== the line =====

fn advance(
    line: &mut Line,
    place: Rank,
    one: &One,
    now: Timestamp,
) -> Result<(), Option<Timestamp>> {
    match line.advance(place, &one.cells, &one.gauges(), now, noop_waker_ref()) {
        Asked::Goes(_) => Ok(()),
        Asked::Waits(at) => Err(at),
        Asked::Displaced => panic!("displaced"),
    }
}

#[test]
fn a_line_is_served_in_order_at_its_times() {
    let one = One::new(10.0, SEC, 1);
    assert!(one.take(1, ms(0)));
    let mut line = Line::default();
    let cost = [one.meter.parts(1), 0, 0];
    let places = [0, 1, 2].map(|_| line.join(cost, Priority::Normal, ms(0)));
    assert_eq!(line.ahead(Priority::Normal), [one.meter.parts(3), 0, 0]);
    assert_eq!(line.ahead(Priority::Critical), [0; UNITS]);
    assert_eq!(advance(&mut line, places[1], &one, ms(0)), Err(None));
    assert_eq!(
        advance(&mut line, places[0], &one, ms(0)),
        Err(Some(ms(100)))
    );
    assert_eq!(advance(&mut line, places[0], &one, ms(100)), Ok(()));
    assert_eq!(
        advance(&mut line, places[1], &one, ms(100)),
        Err(Some(ms(200)))
    );
    // The second gives up; the third takes its time.
    line.leave(places[1]);
    assert_eq!(
        advance(&mut line, places[2], &one, ms(150)),
        Err(Some(ms(200)))
    );
    assert_eq!(advance(&mut line, places[2], &one, ms(200)), Ok(()));
    assert!(line.is_empty());
    assert_eq!(line.ahead(Priority::Sheddable), [0; UNITS]);
    assert!(!one.take(1, ms(299)));
    assert!(one.take(1, ms(300)));
}

#[test]
fn a_timer_that_is_late_by_less_than_a_millisecond_costs_no_turn() {
    let one = One::new(10_000.0, SEC, 1);
    assert!(one.take(1, ms(0)));
    let mut line = Line::default();
    let cost = [one.meter.parts(1), 0, 0];
    let places: Vec<Rank> = (0..10)
        .map(|_| line.join(cost, Priority::Normal, ms(0)))
        .collect();
    for place in places {
        assert_eq!(advance(&mut line, place, &one, ms(1)), Ok(()));
    }
    // All ten were due within that millisecond, and the next is due after it.
    assert!(!one.take(1, at(1_099_999)));
    assert!(one.take(1, at(1_100_000)));
}

#[test]
fn a_line_that_was_held_up_for_long_gets_no_more_than_a_burst() {
    let one = One::new(10.0, SEC, 2);
    assert!(one.take(2, ms(0)));
    let mut line = Line::default();
    let cost = [one.meter.parts(1), 0, 0];
    let places: Vec<Rank> = (0..10)
        .map(|_| line.join(cost, Priority::Normal, ms(0)))
        .collect();
    let went = places
        .iter()
        .take_while(|place| advance(&mut line, **place, &one, ms(5_000)).is_ok())
        .count();
    assert_eq!(went, 2);
}

#[test]
fn a_line_behind_a_park_gets_a_burst_at_its_end_and_no_more() {
    let one = One::new(10.0, SEC, 2);
    bucket::park(&one.cells, ms(5_000));
    let mut line = Line::default();
    let cost = [one.meter.parts(1), 0, 0];
    let places: Vec<Rank> = (0..10)
        .map(|_| line.join(cost, Priority::Normal, ms(0)))
        .collect();
    assert_eq!(
        advance(&mut line, places[0], &one, ms(0)),
        Err(Some(ms(5_000)))
    );
    let went = places
        .iter()
        .take_while(|place| advance(&mut line, **place, &one, ms(5_000)).is_ok())
        .count();
    assert_eq!(went, 2);
    assert_eq!(
        advance(&mut line, places[2], &one, ms(5_000)),
        Err(Some(ms(5_100)))
    );
}

const ALL: [Priority; 4] = [
    Priority::Critical,
    Priority::Normal,
    Priority::Batch,
    Priority::Sheddable,
];

/// What may happen to a line; the numbers choose among priorities and places.
#[derive(Debug, Clone)]
enum Change {
    Join(usize, u64),
    Displace(usize),
    Leave(usize),
    Ask(usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let change = prop_oneof![
        3 => (0..4_usize, 1..20_u64).prop_map(|(priority, cost)| Change::Join(priority, cost)),
        1 => (0..4_usize).prop_map(Change::Displace),
        1 => any::<usize>().prop_map(Change::Leave),
        2 => any::<usize>().prop_map(Change::Ask),
    ];
    prop::collection::vec(change, 0..60)
}

proptest! {
    /// Against a list that is sorted anew each time.
    #[test]
    fn a_line_stands_by_priority_and_then_by_arrival(changes in changes()) {
        let one = One::new(1.0, SEC, 1_000);
        prop_assert!(one.take(1_000, ms(0)));
        let mut line = Line::default();
        let mut model: Vec<(Rank, u64)> = Vec::new();
        let mut gone: Vec<Rank> = Vec::new();
        for change in changes {
            match change {
                Change::Join(priority, cost) => {
                    let amounts = [one.meter.parts(cost), 0, 0];
                    let priority = ALL[priority];
                    let first = model.iter().all(|(rank, _)| priority < rank.priority);
                    prop_assert_eq!(line.is_first(priority), first);
                    model.push((line.join(amounts, priority, ms(0)), cost));
                    // Stable: who came earlier stays before who matters as much.
                    model.sort_by_key(|(rank, _)| rank.priority);
                }
                Change::Displace(priority) => {
                    let last = model.last().is_some_and(|(rank, _)| ALL[priority] < rank.priority);
                    prop_assert_eq!(line.displace(ALL[priority]).is_some(), last);
                    gone.extend(model.pop_if(|_| last).map(|(rank, _)| rank));
                }
                Change::Leave(index) if !model.is_empty() => {
                    let (rank, _) = model.remove(index % model.len());
                    line.leave(rank);
                    gone.push(rank);
                }
                Change::Ask(index) if !model.is_empty() => {
                    let index = index % model.len();
                    let (rank, cost) = model[index];
                    let due = (index == 0).then(|| ms(cost * 1_000));
                    prop_assert_eq!(advance(&mut line, rank, &one, ms(0)), Err(due));
                }
                Change::Leave(_) | Change::Ask(_) => {}
            }
            prop_assert_eq!(line.len(), model.len());
            for priority in ALL {
                let before = model.iter().filter(|(rank, _)| rank.priority <= priority);
                let ahead: u64 = before.map(|(_, cost)| cost).sum();
                prop_assert_eq!(line.ahead(priority), [one.meter.parts(ahead), 0, 0]);
            }
            for rank in &gone {
                let asked =
                    line.advance(*rank, &one.cells, &one.gauges(), ms(0), noop_waker_ref());
                prop_assert!(matches!(asked, Asked::Displaced), "{asked:?}");
                prop_assert!(line.leave(*rank).is_none());
            }
        }
    }
}
