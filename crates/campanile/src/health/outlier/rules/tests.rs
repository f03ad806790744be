use super::*;

const CONFIG: fn() -> OutlierConfig = OutlierConfig::default;

/// Members with so many calls each, and these rates; who is ejected, by their place.
fn rates(config: &OutlierConfig, calls: u64, rates: &[f64]) -> Vec<usize> {
    let members: Vec<_> = rates
        .iter()
        .enumerate()
        .map(|(n, rate)| (n, calls, *rate))
        .collect();
    worst_rates(config, &members)
}

fn latencies(config: &OutlierConfig, seconds: &[f64]) -> Vec<usize> {
    let members: Vec<_> = seconds.iter().copied().enumerate().collect();
    slowest(config, &members)
}

#[test]
fn a_rate_far_below_the_others_stands_out() {
    // Mean 0.9, deviation sqrt((4 * 0.01 + 0.16) / 5) = 0.2: below 0.9 - 1.9 * 0.2 = 0.52.
    assert_eq!(rates(&CONFIG(), 20, &[1.0, 1.0, 0.5, 1.0, 1.0]), [2]);
    // Of ten, one: mean 0.95, deviation 0.15, below 0.665.
    let mut ten = [1.0; 10];
    ten[9] = 0.5;
    assert_eq!(rates(&CONFIG(), 20, &ten), [9]);
    // Two: mean 0.9, deviation 0.2, below 0.52. The worst first.
    ten[3] = 0.49;
    assert_eq!(rates(&CONFIG(), 20, &ten), [3, 9]);
    // Three: mean 0.85, deviation 0.23, below 0.415: nobody.
    ten[3] = 0.5;
    ten[0] = 0.5;
    assert_eq!(rates(&CONFIG(), 20, &ten), [] as [usize; 0]);
}

#[test]
fn too_few_members_are_no_pool_to_compare_with() {
    assert_eq!(
        rates(&CONFIG(), 20, &[1.0, 1.0, 1.0, 0.0]),
        [] as [usize; 0]
    );
    let three = CONFIG()
        .with_min_members(3)
        .with_success_rate_deviations(Some(1.2));
    // Mean 2/3, deviation 0.471: below 0.667 - 0.566 = 0.101. One standard error is 0.105.
    assert_eq!(rates(&three, 20, &[1.0, 1.0, 0.0]), [2]);
}

#[test]
fn what_chance_may_make_does_not_stand_out() {
    // One failure in twenty calls, and none elsewhere. Mean 0.99, deviation 0.02: below 0.952 by Envoy's rule.
    let one = [1.0, 1.0, 0.95, 1.0, 1.0];
    assert_eq!(
        rates(&CONFIG().with_success_rate_errors(0.0), 20, &one),
        [2]
    );
    // A standard error of 20 calls is sqrt(0.99 * 0.01 / 20) = 0.0222: below 0.923.
    assert_eq!(rates(&CONFIG(), 20, &one), [] as [usize; 0]);
    // The same share of 200 calls: 0.99 - 3 * 0.00704 = 0.969.
    assert_eq!(rates(&CONFIG(), 200, &one), [2]);
}

#[test]
fn members_that_are_alike_do_not_stand_out() {
    for rate in [0.0, 0.3, 0.5, 1.0] {
        assert_eq!(rates(&CONFIG(), 1_000, &[rate; 8]), [] as [usize; 0]);
    }
    let nearly = [0.5, 0.52, 0.48, 0.5, 0.44];
    assert_eq!(rates(&CONFIG(), 25, &nearly), [] as [usize; 0]);
}

#[test]
fn a_rule_that_is_off_finds_nobody() {
    let off = CONFIG().with_success_rate_deviations(None);
    assert_eq!(
        rates(&off, 20, &[1.0, 1.0, 0.0, 1.0, 1.0]),
        [] as [usize; 0]
    );
    assert_eq!(
        latencies(&CONFIG(), &[1.0, 1.0, 99.0, 1.0, 1.0]),
        [] as [usize; 0]
    );
}

#[test]
fn a_latency_far_beyond_the_others_stands_out() {
    let config = CONFIG().with_latency_factor(Some(3.0));
    // Mean 1.6, deviation 1.2: beyond 3.88, and beyond 3 times the median of 1.
    assert_eq!(latencies(&config, &[1.0, 4.0, 1.0, 1.0, 1.0]), [1]);
    assert_eq!(
        latencies(&config, &[1.0, 3.0, 1.0, 1.0, 1.0]),
        [] as [usize; 0]
    );
    // Two of five: mean 2.2, deviation 1.47: beyond 4.99.
    assert_eq!(
        latencies(&config, &[1.0, 4.0, 4.0, 1.0, 1.0]),
        [] as [usize; 0]
    );
    // Two of ten: mean 1.8, deviation 1.6: beyond 4.84. The slowest first.
    let mut ten = [1.0; 10];
    (ten[2], ten[5]) = (5.0, 5.1);
    assert_eq!(latencies(&config, &ten), [5, 2]);
    // A pool that is spread wide: mean 3, deviation 1.41, beyond 5.69.
    assert_eq!(
        latencies(&config, &[1.0, 2.0, 3.0, 4.0, 5.0]),
        [] as [usize; 0]
    );
    // And among four there is no telling.
    assert_eq!(latencies(&config, &[1.0, 9.0, 1.0, 1.0]), [] as [usize; 0]);
}

#[test]
fn of_an_even_number_the_lower_is_the_middle() {
    assert_eq!(median(vec![4.0, 1.0, 3.0, 2.0]), 2.0);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(vec![7.0]), 7.0);
}
