use std::time::Duration;

use campanile::time::Timestamp;

use super::*;

fn at(seconds: f64) -> Timestamp {
    Timestamp::ZERO.after(Duration::from_secs_f64(seconds))
}

/// Lets a server work on until nothing is left; tells what came when, in seconds.
fn rest(server: &mut Server) -> Vec<(f64, u64, Progress)> {
    std::iter::from_fn(|| {
        let now = server.next_at()?;
        let (id, progress) = server.pop(now)?;
        Some((now.as_nanos() as f64 / 1e9, id, progress))
    })
    .collect()
}

const BATCH: Law = Law::Batch {
    base: Duration::from_millis(10),
    each: Duration::from_millis(10),
    most: 2,
};

#[test]
fn events_come_in_order_of_time_and_then_of_insertion() {
    let mut queue = Queue::default();
    for (time, event) in [(2.0, 'c'), (1.0, 'a'), (2.0, 'd'), (1.0, 'b')] {
        queue.push(at(time), event);
    }
    assert_eq!(queue.next_at(), Some(at(1.0)));
    let events: String = std::iter::from_fn(|| queue.pop())
        .map(|(_, event)| event)
        .collect();
    assert_eq!(events, "abcd");
}

#[test]
fn calls_share_the_slots() {
    let mut server = Server::new(Law::Slots(1));
    server.arrive(at(0.0), 1, Size::at_once(1.0));
    server.arrive(at(0.5), 2, Size::at_once(1.0));
    // The first has half of its work left when the second comes, and gets half of the slot from then on.
    let ends = rest(&mut server);
    assert_eq!(ends, [(1.5, 1, Progress::Done), (2.0, 2, Progress::Done)]);
}

#[test]
fn a_batch_takes_the_others_in_turn() {
    let mut server = Server::new(BATCH);
    for id in 1..=3 {
        server.arrive(
            at(0.0),
            id,
            Size {
                first: 1.0,
                total: 3.0,
            },
        );
    }
    // Two at a time, 30 ms a step; then one, 20 ms a step.
    let ends = rest(&mut server);
    let times: Vec<u64> = ends
        .iter()
        .map(|(time, ..)| (time * 1000.0).round() as u64)
        .collect();
    assert_eq!(times, [30, 30, 90, 90, 110, 150]);
    assert!((server.done(at(1.0)) - 9.0).abs() < 1e-9);
    assert!(
        (server.streamed(at(1.0)) - 6.0).abs() < 1e-6,
        "what comes after the first data"
    );
    assert!(!server.is_streaming());
}

#[test]
fn a_call_that_is_given_up_makes_room() {
    let mut server = Server::new(BATCH);
    for id in 1..=4 {
        server.arrive(at(0.0), id, Size::at_once(3.0));
    }
    assert_eq!(server.cancel(at(0.0), 3), 0.0, "it waited");
    let lost = server.cancel(at(0.03), 1);
    assert!((lost - 1.0).abs() < 1e-9, "{lost}");
    assert_eq!(server.calls(), 2);
    let ids: Vec<u64> = rest(&mut server).iter().map(|(_, id, _)| *id).collect();
    assert_eq!(ids, [2, 4]);
    assert_eq!(server.next_at(), None);
}

#[test]
fn a_change_of_speed_changes_what_is_left() {
    let mut server = Server::new(Law::Slots(1));
    server.arrive(at(0.0), 1, Size::at_once(1.0));
    server.change(at(0.5), Law::Slots(1), 0.25);
    assert_eq!(rest(&mut server), [(2.5, 1, Progress::Done)]);
}

/// Processor sharing with random arrivals: a call takes its size by one less the load on average, whatever the sizes.
#[test]
fn latency_is_what_theory_says() {
    let (mut server, mut random) = (Server::new(Law::Slots(1)), Random::new(7));
    let work = Work::Short {
        mean: Duration::from_millis(20),
    };
    let (mut arrival, mut started, mut total) = (at(0.0), Vec::new(), 0.0);
    while started.len() < 100_000 {
        match server.next_at() {
            Some(now) if now <= arrival => {
                let (id, _) = server.pop(now).unwrap();
                total += now.since(started[id as usize]).as_secs_f64();
            }
            _ => {
                server.arrive(arrival, started.len() as u64, work.size(&mut random));
                started.push(arrival);
                arrival = arrival.after(random.exponential(Duration::from_millis(40)));
            }
        }
    }
    let mean = total / started.len() as f64;
    assert!(
        (0.038..0.042).contains(&mean),
        "{mean} s, not 20 ms / (1 - 1/2)"
    );
}

#[test]
fn sizes_have_the_means_that_capacities_are_made_of() {
    let mut random = Random::new(3);
    let mut mean = |work: Work| {
        let sizes = (0..200_000).map(|_| work.size(&mut random).total);
        sizes.sum::<f64>() / 200_000.0
    };
    let short = mean(Work::Short {
        mean: Duration::from_millis(20),
    });
    assert!((0.0198..0.0202).contains(&short), "{short}");
    // 32 calls at a time, 26 ms a step: 1,231 tokens/s, or 3.86 calls/s.
    let llm = mean(Work::Llm);
    assert!((0.98..1.02).contains(&(32.0 / 0.026 / llm / 3.86)), "{llm}");
}
