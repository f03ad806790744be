use std::{collections::VecDeque, time::Duration};

use proptest::prelude::*;

use super::*;

const SEC: Duration = Duration::from_secs(1);

fn sample(code: u8) -> Sample {
    Sample {
        fault: [Fault::None, Fault::Soft, Fault::Hard][usize::from(code % 3)],
        slow: code % 2 == 1,
    }
}

fn sums<'a>(samples: impl Iterator<Item = &'a Sample>) -> Sums {
    let mut sums = Sums::default();
    for sample in samples {
        sums.add(*sample);
    }
    sums
}

proptest! {
    /// A window that does not slide takes as many failures to trip as there were successes before.
    #[test]
    fn a_window_of_calls_is_the_latest_calls(
        size in 1_u32..20,
        steps in prop::collection::vec((0_u64..30, any::<u8>()), 0..60),
    ) {
        let mut window = Window::new(WindowKind::Calls(size));
        let mut naive = VecDeque::new();
        for (fine, code) in steps {
            window.absorb(fine);
            window.record(sample(code));
            naive.extend((0..fine).map(|_| Sample::default()));
            naive.push_back(sample(code));
            naive.drain(..naive.len().saturating_sub(size as usize));
            prop_assert_eq!(window.sums(), sums(naive.iter()));
        }
    }

    #[test]
    fn a_window_of_time_is_the_latest_ten_buckets(
        steps in prop::collection::vec((0_u64..3_000, any::<u8>()), 0..80),
    ) {
        let mut window = Window::new(WindowKind::Time(10 * SEC));
        let mut naive: Vec<(u64, Sample)> = Vec::new();
        let mut millis = 0;
        for (passed, code) in steps {
            millis += passed;
            window.roll(Timestamp::ZERO.after(Duration::from_millis(millis)));
            if code % 4 == 0 {
                window.absorb(1);
                naive.push((millis / 1_000, Sample::default()));
            } else {
                window.record(sample(code));
                naive.push((millis / 1_000, sample(code)));
            }
            let oldest = (millis / 1_000).saturating_sub(9);
            let live = naive.iter().filter(|(bucket, _)| *bucket >= oldest);
            prop_assert_eq!(window.sums(), sums(live.map(|(_, sample)| sample)));
        }
    }
}

#[test]
fn rates_are_shares_and_an_overload_is_a_part_of_a_failure() {
    let mut window = Window::new(WindowKind::Calls(100));
    assert_eq!(window.sums().failure_rate(0.5), 0.0, "of nothing, nothing");
    window.absorb(6);
    for code in [2, 4, 1, 3] {
        window.record(sample(code));
    }
    // Hard, soft, soft and slow, fine and slow.
    assert_eq!(window.sums().failure_rate(0.5), 0.2);
    assert_eq!(window.sums().slow_rate(), 0.2);
    window.clear();
    assert_eq!(window.sums(), Sums::default());
}

#[test]
fn a_clock_that_steps_back_forgets_nothing() {
    let mut window = Window::new(WindowKind::Time(10 * SEC));
    window.roll(Timestamp::ZERO.after(100 * SEC));
    window.record(sample(2));
    window.roll(Timestamp::ZERO.after(99 * SEC));
    assert_eq!(window.sums().hard, 1);
    assert_eq!(window.rolls_at(), Timestamp::ZERO.after(101 * SEC));
    assert_eq!(Window::new(WindowKind::Calls(1)).rolls_at(), Timestamp::MAX);
}
