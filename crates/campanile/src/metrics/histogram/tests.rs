use proptest::prelude::*;

use super::{
    bucket::{BUCKETS, bucket, middle},
    *,
};

/// Whether what is told of a duration is within what is promised.
fn close(told: Duration, exact: u64) -> bool {
    #[allow(clippy::cast_precision_loss)]
    let bound = (exact as f64 * Histogram::ERROR).max(32.0);
    #[allow(clippy::cast_precision_loss)]
    let error = told.as_nanos().abs_diff(u128::from(exact)) as f64;
    error <= bound
}

/// Durations of every length that can be told.
fn durations() -> impl Strategy<Value = Vec<u64>> {
    let duration = (0_u32..42, any::<u64>()).prop_map(|(bits, random)| random % (1 << bits));
    prop::collection::vec(duration, 1..400)
}

fn histogram(nanos: &[u64]) -> Histogram {
    nanos.iter().copied().map(Duration::from_nanos).collect()
}

#[test]
fn every_bucket_holds_its_own_middle_and_follows_the_one_before() {
    for at in 0..BUCKETS {
        assert_eq!(bucket(middle(at)), at);
        assert!(at == 0 || middle(at) > middle(at - 1));
    }
}

#[test]
fn what_is_too_long_is_the_longest() {
    for nanos in [1 << 42, u64::MAX] {
        assert_eq!(bucket(nanos), BUCKETS - 1);
    }
    let longest = Duration::from_nanos(middle(BUCKETS - 1));
    assert!(longest > Duration::from_secs(72 * 60));
    let histogram: Histogram = [Duration::MAX].into_iter().collect();
    assert_eq!(histogram.max(), Some(longest));
}

#[test]
fn of_nothing_nothing_is_told() {
    let histogram = Histogram::default();
    assert_eq!(histogram.count(), 0);
    assert_eq!(histogram.sum(), Duration::ZERO);
    assert_eq!(histogram.mean(), None);
    assert_eq!((histogram.min(), histogram.max()), (None, None));
    assert_eq!(histogram.quantile(0.5), None);
    assert_eq!(histogram.cumulative(&[Duration::MAX]), [0]);
    assert!(histogram.to_hdr().is_empty());
}

#[test]
fn a_sum_beyond_64_bits_of_nanoseconds_is_told() {
    let mut histogram = Histogram::default();
    histogram.push(BUCKETS - 1, 1 << 40);
    assert!(histogram.sum() > Duration::from_nanos(u64::MAX));
    assert_eq!(histogram.mean(), histogram.max());
}

proptest! {
    #[test]
    fn every_quantile_is_near_the_exact_one(mut nanos in durations()) {
        let histogram = histogram(&nanos);
        nanos.sort_unstable();
        for quantile in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let rank = ((quantile * nanos.len() as f64).ceil() as usize).max(1);
            let told = histogram.quantile(quantile).unwrap();
            prop_assert!(close(told, nanos[rank - 1]), "{quantile}: {told:?}, {}", nanos[rank - 1]);
        }
        prop_assert!(close(histogram.min().unwrap(), nanos[0]));
        prop_assert!(close(histogram.max().unwrap(), *nanos.last().unwrap()));
        prop_assert_eq!(histogram.count(), nanos.len() as u64);
    }

    #[test]
    fn sum_and_mean_are_near_the_exact_ones(nanos in durations()) {
        let histogram = histogram(&nanos);
        let (count, sum) = (nanos.len() as u64, nanos.iter().sum::<u64>());
        let bound = sum / 128 + 32 * count + 1;
        prop_assert!(u64::try_from(histogram.sum().as_nanos()).unwrap().abs_diff(sum) <= bound);
        let mean = u64::try_from(histogram.mean().unwrap().as_nanos()).unwrap();
        prop_assert!(mean.abs_diff(sum / count) <= bound / count + 1);
    }

    #[test]
    fn what_is_merged_is_as_if_seen_by_one(one in durations(), other in durations()) {
        let mut merged = histogram(&one);
        merged.merge(&histogram(&other));
        let all: Vec<_> = one.into_iter().chain(other).collect();
        prop_assert_eq!(merged, histogram(&all));
    }

    #[test]
    fn counts_up_to_a_bound_are_off_by_those_near_it_alone(nanos in durations(), bounds in durations()) {
        let mut bounds = bounds;
        bounds.sort_unstable();
        let asked: Vec<_> = bounds.iter().copied().map(Duration::from_nanos).collect();
        let counts = histogram(&nanos).cumulative(&asked);
        for (bound, count) in bounds.into_iter().zip(counts) {
            let slack = bound / 100 + 64;
            let surely = nanos.iter().filter(|nanos| **nanos + slack <= bound).count() as u64;
            let maybe = nanos.iter().filter(|nanos| **nanos <= bound + slack).count() as u64;
            prop_assert!((surely..=maybe).contains(&count));
        }
    }

    #[test]
    fn the_crates_own_type_says_the_same(nanos in durations()) {
        let histogram = histogram(&nanos);
        let hdr = histogram.to_hdr();
        prop_assert_eq!(hdr.len(), histogram.count());
        for quantile in [0.0, 0.5, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let (ours, theirs) = (histogram.quantile(quantile).unwrap(), hdr.value_at_quantile(quantile));
            let ours = u64::try_from(ours.as_nanos()).unwrap();
            prop_assert!(ours.abs_diff(theirs) <= ours / 1_000 + 1, "{quantile}: {ours}, {theirs}");
        }
    }
}

proptest! {
    /// By bounds the same is told as by buckets.
    #[test]
    fn slots_tell_what_the_histogram_tells(
        times in proptest::collection::vec(0..20_000_000_000_u64, 0..200),
        bounds in proptest::collection::btree_set(1..20_000_000_000_u64, 1..100),
    ) {
        let bounds: Vec<_> = bounds.into_iter().map(Duration::from_nanos).collect();
        let slots = slots::Slots::new(&bounds);
        let histogram: Histogram = times.into_iter().map(Duration::from_nanos).collect();
        let mut slotted = slots::Slotted::default();
        for (bucket, count) in histogram.buckets() {
            slotted.add(&slots, bucket, count);
        }
        prop_assert_eq!(slotted.count(), histogram.count());
        prop_assert_eq!(slotted.sum(), histogram.sum());
        let cumulative: Vec<_> = slotted.cumulative(bounds.len()).collect();
        prop_assert_eq!(cumulative, histogram.cumulative(&bounds));
    }
}
