use super::{
    super::tests::{limit, ms},
    *,
};

/// What a processor does with so many calls at once.
#[derive(Debug, Clone, Copy)]
struct Rates {
    /// Calls per second.
    calls: f64,
    /// Units of work per second.
    units: f64,
    /// Calls dropped per second.
    dropped: f64,
}

/// A processor that is told of as rates, with as many calls as `wanted` or as the limit allows.
#[derive(Debug)]
struct Flow {
    tick: Tick,
    wanted: f64,
    cap: u32,
    sums: [f64; 4],
    /// What every count starts at.
    offset: u64,
}

impl Flow {
    fn new() -> Self {
        let now = Timestamp::from_nanos(1_000_000_000);
        Self {
            tick: Tick {
                now,
                ..Tick::default()
            },
            wanted: 1e6,
            cap: 1000,
            sums: [0.0; 4],
            offset: 0,
        }
    }

    /// Lets so many seconds pass; gives the limits that were in force, and for how long.
    fn run(
        &mut self,
        elastic: &mut Elastic,
        seconds: f64,
        rates: impl Fn(f64) -> Rates,
    ) -> Vec<(f64, f64)> {
        let end = self.tick.now.after(Duration::from_secs_f64(seconds));
        let mut limits = Vec::new();
        while self.tick.now < end {
            let limit = limit(elastic).min(self.cap);
            let busy = self.wanted.min(limit.into());
            let due = elastic.next_tick().unwrap().max(self.tick.now.after(ms(1)));
            let dt = due.min(end).since(self.tick.now).as_secs_f64();
            let now = rates(busy);
            for (sum, rate) in
                self.sums
                    .iter_mut()
                    .zip([now.calls, now.units, now.dropped, busy * 1e9])
            {
                *sum += rate * dt;
            }
            self.tick = Tick {
                now: due.min(end),
                completed: self.offset.wrapping_add(self.sums[0] as u64),
                units: self.offset.wrapping_add(self.sums[1] as u64),
                dropped: self.offset.wrapping_add(self.sums[2] as u64),
                refused: self.offset,
                busy: self.offset.wrapping_add(self.sums[3] as u64),
                in_flight: busy as u32,
                limit,
            };
            limits.push((f64::from(limit), dt));
            if due <= end {
                elastic.tick(&self.tick);
            }
        }
        limits
    }

    /// The mean limit over so many seconds.
    fn mean(&mut self, elastic: &mut Elastic, seconds: f64, rates: impl Fn(f64) -> Rates) -> f64 {
        let limits = self.run(elastic, seconds, rates);
        limits.iter().map(|(limit, dt)| limit * dt).sum::<f64>() / seconds
    }
}

fn elastic() -> Elastic {
    Elastic::new(ElasticConfig::default().build().unwrap())
}

/// `slots` calls at a time of 10 ms.
fn short(slots: f64) -> impl Fn(f64) -> Rates {
    move |busy| Rates {
        calls: busy.min(slots) * 100.0,
        units: busy.min(slots) * 100.0,
        dropped: 0.0,
    }
}

/// A batch that takes 10 ms and half a millisecond for each of its calls to bring each a token; 300 tokens a call.
fn batch(speed: f64, most: f64) -> impl Fn(f64) -> Rates {
    move |busy| {
        let busy = busy.min(most);
        let units = speed * busy / (0.010 + 0.0005 * busy);
        Rates {
            calls: units / 300.0,
            units,
            dropped: 0.0,
        }
    }
}

#[test]
fn it_finds_the_slots_of_a_processor() {
    for slots in [4.0, 16.0, 64.0, 256.0] {
        let (mut elastic, mut flow) = (elastic(), Flow::new());
        flow.run(&mut elastic, 30.0, short(slots));
        let mean = flow.mean(&mut elastic, 30.0, short(slots));
        assert!(
            (0.85 * slots..1.4 * slots).contains(&mean),
            "{mean} of {slots}"
        );
    }
}

/// Work over calls to the power of a fifth is greatest where one percent more calls bring a fifth of a percent more.
#[test]
fn it_settles_where_elasticity_is_the_target() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 600.0, batch(1.0, 1e9));
    let mean = flow.mean(&mut elastic, 300.0, batch(1.0, 1e9));
    assert!((65.0..95.0).contains(&mean), "{mean} of 80");
    assert!((elastic.elasticity() - 0.2).abs() < 0.05, "{elastic:?}");
}

/// Twice as long answers are half as many calls, but as many tokens.
#[test]
fn it_is_blind_to_the_size_of_streamed_answers() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 300.0, batch(1.0, 32.0));
    let longer = |busy: f64| Rates {
        calls: batch(1.0, 32.0)(busy).calls / 5.0,
        ..batch(1.0, 32.0)(busy)
    };
    let limits = flow.run(&mut elastic, 1_000.0, longer);
    assert!(
        limits.iter().all(|(limit, _)| (24.0..44.0).contains(limit)),
        "{limits:?}"
    );
}

#[test]
fn it_starts_in_steps() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    let limits = flow.run(&mut elastic, 5.0, short(1e6));
    let mut steps: Vec<u64> = limits.iter().map(|(limit, _)| *limit as u64).collect();
    steps.dedup();
    assert_eq!(steps[..6], [4, 6, 10, 16, 26, 42]);
}

/// A limit of four whose start ends at the first time-out takes long to come to sixty.
#[test]
fn one_drop_does_not_end_the_start() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    let dropping = |busy| Rates {
        dropped: 200.0,
        ..short(64.0)(busy)
    };
    flow.run(&mut elastic, 0.6, short(64.0));
    let before = elastic.center;
    flow.run(&mut elastic, 0.05, dropping);
    assert!(elastic.center < before, "{before}: {elastic:?}");
    let limits = flow.run(&mut elastic, 5.0, short(64.0));
    assert!(limits.iter().any(|(limit, _)| *limit > 50.0), "{limits:?}");
}

#[test]
fn it_starts_again_where_calls_bring_as_much_more_work() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 30.0, short(4.0));
    assert!(elastic.center < 8.0 && elastic.start.is_none());
    let limits = flow.run(&mut elastic, 15.0, short(1e6));
    let fastest = limits.windows(2).map(|two| two[1].0 / two[0].0);
    assert!(fastest.fold(0.0, f64::max) > 1.5, "{limits:?}");
    assert!(elastic.center > 200.0, "{elastic:?}");
}

#[test]
fn small_limits_differ_by_whole_calls() {
    for center in 1..10 {
        let mut elastic = elastic();
        (elastic.center, elastic.start) = (f64::from(center), None);
        let low = elastic.limit();
        elastic.high = true;
        let high = elastic.limit();
        assert!(
            low >= 1.0 && (1.0..=2.0).contains(&(high - low)),
            "{low} and {high}"
        );
    }
}

#[test]
fn a_limit_that_is_not_used_stays() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 30.0, short(64.0));
    let before = elastic.center;
    flow.wanted = 10.0;
    flow.run(&mut elastic, 600.0, short(64.0));
    assert_eq!(elastic.center, before);
    assert!(before > 50.0);
}

#[test]
fn one_sequential_client_never_raises_it() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.wanted = 1.0;
    flow.run(&mut elastic, 60.0, short(64.0));
    assert_eq!(elastic.limit(), 4.0);
}

/// On average 2.8 of 4 slots are in use when every third call is refused: random arrivals come together.
#[test]
fn a_limit_that_refuses_counts_as_used() {
    let half = measure::Half::between(
        &Tick::default(),
        &Tick {
            now: Timestamp::from_nanos(1_000_000_000),
            completed: 70,
            refused: 30,
            busy: 2_800_000_000,
            limit: 4,
            ..Tick::default()
        },
        false,
    );
    assert!(half.used(0.8, 0.02));
    assert!(!half.used(0.8, 0.5));
}

#[test]
fn drops_lower_it_once_a_round_trip() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 30.0, batch(1.0, 32.0));
    let before = elastic.center;
    let told_to_slow_down = |busy: f64| Rates {
        dropped: 50.0,
        ..batch(1.0, 32.0)(busy)
    };
    // A round trip is about 7 s.
    flow.run(&mut elastic, 5.0, told_to_slow_down);
    assert!(
        (0.65 * before..0.8 * before).contains(&elastic.center),
        "{before}: {elastic:?}"
    );
    flow.run(&mut elastic, 9.0, told_to_slow_down);
    assert!(elastic.center < 0.6 * before, "{before}: {elastic:?}");
}

#[test]
fn one_time_out_in_a_hundred_calls_does_not_hold_it_down() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    let rates = |busy| Rates {
        dropped: 0.01 * short(64.0)(busy).calls,
        ..short(64.0)(busy)
    };
    flow.run(&mut elastic, 30.0, rates);
    let mean = flow.mean(&mut elastic, 60.0, rates);
    assert!(mean > 50.0, "{mean}");
}

/// A pair in the middle of which the processor slows down sees less work at more calls, and must not believe it.
#[test]
fn a_processor_that_slows_down_does_not_take_it_down() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 300.0, batch(1.0, 32.0));
    for speed in [0.5, 1.0, 0.25, 1.0] {
        let limits = flow.run(&mut elastic, 300.0, batch(speed, 32.0));
        assert!(
            limits.iter().all(|(limit, _)| *limit > 20.0),
            "{speed}: {limits:?}"
        );
    }
}

#[test]
fn it_follows_slots_down_and_up() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.run(&mut elastic, 100.0, batch(1.0, 64.0));
    flow.run(&mut elastic, 150.0, batch(1.0, 16.0));
    let mean = flow.mean(&mut elastic, 60.0, batch(1.0, 16.0));
    assert!((13.0..24.0).contains(&mean), "{mean}");
    flow.run(&mut elastic, 150.0, batch(1.0, 64.0));
    let mean = flow.mean(&mut elastic, 60.0, batch(1.0, 64.0));
    assert!(mean > 40.0, "{mean}");
}

#[test]
fn a_cap_does_not_wind_it_up() {
    let (mut elastic, mut flow) = (elastic(), Flow::new());
    flow.cap = 10;
    flow.run(&mut elastic, 60.0, short(64.0));
    assert!((9.0..=12.0).contains(&elastic.center), "{elastic:?}");
    flow.cap = 1000;
    flow.run(&mut elastic, 60.0, short(64.0));
    assert!(elastic.center > 50.0, "{elastic:?}");
}

#[test]
fn counts_may_start_anywhere_and_wrap() {
    let run = |offset: u64| {
        let (mut elastic, mut flow) = (elastic(), Flow::new());
        flow.offset = offset;
        flow.mean(&mut elastic, 60.0, short(32.0))
    };
    assert_eq!(run(u64::MAX - 100), run(0));
}
