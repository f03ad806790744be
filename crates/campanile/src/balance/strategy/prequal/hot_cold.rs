//! The hot-cold rule: arithmetic only.

/// What is known of a candidate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signal {
    /// What it is called: an index.
    pub(super) name: usize,
    /// Calls in flight, by weight.
    pub(super) in_flight: f64,
    /// Seconds per unit of work, by weight; `None` when unknown.
    pub(super) latency: Option<f64>,
}

/// The best and the worst by the rule: of those that are not hot the fastest, otherwise the one with the fewest calls;
/// and of those that are hot the one with the most calls, otherwise the slowest. A candidate of unknown latency is as
/// fast as the mean of the others, so that it is neither shunned nor flooded.
pub(super) fn hot_cold(signals: &[Signal], threshold: f64) -> Option<(usize, usize)> {
    let known = signals.iter().filter_map(|signal| signal.latency);
    let (sum, count) = known.fold((0.0, 0.0), |(sum, count), latency| {
        (sum + latency, count + 1.0)
    });
    let mean = if count > 0.0 { sum / count } else { 1.0 };
    // Ordered: the cold before the hot, the cold by latency and then calls, the hot by calls and then latency.
    let order = |signal: &&Signal| -> (f64, f64, f64) {
        let latency = signal.latency.unwrap_or(mean);
        if signal.in_flight > threshold {
            (1.0, signal.in_flight, latency)
        } else {
            (0.0, latency, signal.in_flight)
        }
    };
    let compare = |a: &&Signal, b: &&Signal| {
        let (a, b) = (order(a), order(b));
        a.0.total_cmp(&b.0)
            .then(a.1.total_cmp(&b.1))
            .then(a.2.total_cmp(&b.2))
    };
    let best = signals.iter().min_by(compare)?;
    let worst = signals.iter().max_by(compare)?;
    Some((best.name, worst.name))
}

/// The number that `quantile` of the sorted `numbers` do not exceed.
pub(super) fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.max(1) - 1)
        .or(sorted.last())
        .copied()
        .unwrap_or(f64::INFINITY)
}
