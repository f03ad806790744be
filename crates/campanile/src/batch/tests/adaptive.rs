//! The size of batches follows a latency target.

use proptest::prelude::*;

use super::super::size::Aimd;
use super::*;

fn aimd(initial: usize) -> Aimd {
    let adaptive = AdaptiveSize::new(100 * MS)
        .with_min(2)
        .with_initial(initial);
    Aimd::new(&plain().with_adaptive(adaptive)).unwrap()
}

#[test]
fn a_full_batch_in_time_adds_one_and_a_late_one_takes_a_tenth() {
    let mut size = aimd(20);
    size.ended(1, true, 100 * MS, 1);
    assert_eq!(size.size(), 21);
    size.ended(2, false, 100 * MS, 2);
    assert_eq!(size.size(), 21, "not full, so it proves nothing");
    size.ended(3, false, 101 * MS, 3);
    assert_eq!(size.size(), 18, "21 * 0.9 is 18.9");
    size.ended(4, true, MS, 4);
    assert_eq!(size.size(), 19);
}

#[test]
fn batches_that_were_under_way_together_are_late_once() {
    let mut size = aimd(30);
    // Ten are under way when the first comes in late.
    for number in 1..=10 {
        size.ended(number, true, SEC, 10);
    }
    assert_eq!(size.size(), 27);
    size.ended(11, true, SEC, 11);
    assert_eq!(size.size(), 24);
}

proptest! {
    #[test]
    fn it_stays_within_its_bounds(ends in prop::collection::vec((any::<bool>(), 0..200_u32), 1..300)) {
        let mut size = aimd(2);
        for (number, (full, ms)) in (1..).zip(ends) {
            let before = size.size();
            size.ended(number, full, ms * MS, number);
            let now = size.size();
            prop_assert!((2..=32).contains(&now));
            prop_assert!(now <= before + 1);
            if ms > 100 {
                prop_assert!(now <= before);
            } else {
                prop_assert!(now >= before);
            }
        }
    }
}

/// An upstream of 10 ms and 5 ms an item: 18 items take 100 ms.
#[tokio::test(start_paused = true)]
async fn the_size_settles_where_the_target_is_met() {
    let upstream = Upstream::new(|batch| {
        let items = u32::try_from(batch.len()).unwrap();
        (10 * MS + items * 5 * MS, Act::Double)
    });
    let config = plain()
        .with_max_in_flight(1)
        .with_adaptive(AdaptiveSize::new(100 * MS));
    let service = over(&upstream, config);
    // Each of them calls again when it is answered.
    let callers: Vec<_> = (0..100)
        .map(|caller| {
            let service = service.clone();
            tokio::spawn(async move {
                for turn in 0..100 {
                    let n = caller * 1_001 + turn * 7 + 1;
                    let _ = service.clone().oneshot(n).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    let sizes = upstream.sizes();
    assert_eq!(sizes[..3], [1, 1, 1], "{sizes:?}");
    // From its first decrease on it stays about there.
    let settled = &sizes[sizes.len() / 2..];
    let mean = settled.iter().sum::<usize>() as f64 / settled.len() as f64;
    assert!((15.0..=18.5).contains(&mean), "{mean}: {settled:?}");
    assert!(settled.iter().all(|size| *size <= 20), "{settled:?}");
}

/// What fails at once is no proof of speed, and what times out is one of slowness.
#[tokio::test(start_paused = true)]
async fn failures_do_not_make_batches_grow() {
    fn late() -> BoxError {
        std::io::Error::from(std::io::ErrorKind::TimedOut).into()
    }
    let grown = AdaptiveSize::new(100 * MS).with_initial(10);
    let cases = [
        (
            MS,
            Act::Fail as fn(fn() -> BoxError) -> Act,
            (|| "down".into()) as fn() -> BoxError,
            10,
        ),
        (SEC, Act::Fail, || "down".into(), 10),
        (SEC, Act::Fail, late, 9),
    ];
    for (latency, act, error, size) in cases {
        let upstream = Upstream::new(move |_| (latency, act(error)));
        let service = over(&upstream, plain().with_adaptive(grown));
        let calls = (0..10).map(|n| service.clone().oneshot(n));
        assert!(join_all(calls).await.iter().all(Result::is_err));
        assert_eq!(
            (service.snapshot().size, upstream.sizes()),
            (size, vec![10])
        );
    }
}
