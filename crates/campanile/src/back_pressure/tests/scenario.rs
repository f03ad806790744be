//! The control loop: a service of changing capacity goes in, bounds on limit and goodput come out.

use super::*;

/// A stretch of time in which the service can do so many calls at once, each in so many seconds. Calls beyond that fail.
struct Stretch {
    windows: u32,
    capacity: f64,
    latency: Duration,
}

/// What the loop made of a stretch: where the limit stood in each window, and which part of what the service could do was
/// done.
struct Seen {
    limits: Vec<f64>,
    goodput: f64,
}

fn run(start: f64, stretches: &[Stretch]) -> Vec<Seen> {
    let config = config();
    let dial: Arc<dyn Dial> = Knob::whole(start);
    let mut seen = Vec::new();
    for stretch in stretches {
        let mut limits = Vec::new();
        let mut done = 0.0;
        for _ in 0..stretch.windows {
            let limit = dial.value();
            let served = limit.min(stretch.capacity);
            limits.push(limit);
            done += served / stretch.capacity.min(100.0);
            let calls = (limit * 10.0) as u64;
            let errors = ((limit - served) * 10.0) as u64;
            let beyond = |bound| if bound { calls - errors } else { 0 };
            let counts = Counts {
                calls,
                errors,
                slow: beyond(stretch.latency > config.high_latency),
                not_fast: beyond(stretch.latency >= config.low_latency),
            };
            if let Some((capacity, _)) = counts.judge(&config).factors(&config) {
                decision::turn(&[Arc::clone(&dial)], capacity, true);
            }
        }
        seen.push(Seen {
            limits,
            goodput: done / f64::from(stretch.windows),
        });
    }
    seen
}

const fn stretch(windows: u32, capacity: f64, seconds: u64) -> Stretch {
    Stretch {
        windows,
        capacity,
        latency: Duration::from_secs(seconds),
    }
}

#[test]
fn it_finds_a_capacity_and_follows_it() {
    let seen = run(
        100.0,
        &[
            stretch(60, 40.0, 1),
            stretch(60, 20.0, 1),
            stretch(60, 40.0, 1),
        ],
    );
    for (seen, capacity) in seen.iter().zip([40.0, 20.0, 40.0]) {
        let settled = &seen.limits[5..];
        assert!(
            settled
                .iter()
                .all(|limit| (0.7 * capacity..=1.4 * capacity).contains(limit)),
            "{:?}",
            seen.limits
        );
        assert!(seen.goodput > 0.9, "{}", seen.goodput);
    }
}

#[test]
fn an_outage_leads_to_the_floor_and_back() {
    let seen = run(
        100.0,
        &[
            stretch(5, 200.0, 1),
            stretch(30, 0.0, 1),
            stretch(30, 200.0, 1),
        ],
    );
    assert_eq!(seen[0].limits[4], 100.0);
    assert_eq!(seen[1].limits.last(), Some(&1.0));
    let back = seen[2].limits.iter().position(|limit| *limit == 100.0);
    assert!(back.is_some_and(|windows| windows <= 20), "{back:?}");
}

#[test]
fn slow_calls_lower_it_and_middling_ones_hold_it() {
    let seen = run(
        80.0,
        &[
            stretch(3, 200.0, 40),
            stretch(20, 200.0, 10),
            stretch(20, 200.0, 2),
        ],
    );
    assert_eq!(seen[0].limits, [80.0, 60.0, 45.0]);
    assert_eq!(seen[1].limits, [33.0; 20]);
    assert_eq!(seen[2].limits.last(), Some(&100.0));
}
