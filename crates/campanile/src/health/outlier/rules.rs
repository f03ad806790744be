//! Who stands out: numbers in, members out.

use super::config::OutlierConfig;

#[cfg(test)]
mod tests;

/// Whose success rate is too far below the pool's, the worst first. Each is who, the calls, and the share of them that
/// went well.
pub(super) fn worst_rates<I: Copy>(config: &OutlierConfig, members: &[(I, u64, f64)]) -> Vec<I> {
    let Some(deviations) = config.success_rate_deviations else {
        return Vec::new();
    };
    if members.len() < config.min_members {
        return Vec::new();
    }
    let (mean, deviation) = spread(members.iter().map(|(_, _, rate)| *rate));
    let mut out: Vec<_> = members
        .iter()
        .filter(|(_, calls, rate)| {
            let error = (mean * (1.0 - mean) / *calls as f64).max(0.0).sqrt();
            *rate < mean - deviations * deviation
                && *rate < mean - config.success_rate_errors * error
        })
        .map(|(id, _, rate)| (*id, *rate))
        .collect();
    out.sort_by(|(_, a), (_, b)| a.total_cmp(b));
    out.into_iter().map(|(id, _)| id).collect()
}

/// Whose average latency is too far beyond the pool's, the slowest first. Each is who, and the average in seconds.
pub(super) fn slowest<I: Copy>(config: &OutlierConfig, members: &[(I, f64)]) -> Vec<I> {
    let Some(factor) = config.latency_factor else {
        return Vec::new();
    };
    if members.len() < config.min_members {
        return Vec::new();
    }
    let (mean, deviation) = spread(members.iter().map(|(_, latency)| *latency));
    let middle = median(members.iter().map(|(_, latency)| *latency).collect());
    let mut out: Vec<_> = members
        .iter()
        .filter(|(_, latency)| {
            *latency > factor * middle && *latency > mean + config.latency_deviations * deviation
        })
        .copied()
        .collect();
    out.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    out.into_iter().map(|(id, _)| id).collect()
}

/// Mean and standard deviation of the values, of which there is at least one: of all of them, not of a sample.
fn spread(values: impl ExactSizeIterator<Item = f64> + Clone) -> (f64, f64) {
    let count = values.len() as f64;
    let mean = values.clone().sum::<f64>() / count;
    let variance = values.map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    (mean, variance.sqrt())
}

/// The middle value; of an even number, the lower of the two.
fn median(mut values: Vec<f64>) -> f64 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f64::total_cmp).1
}
