//! Slowness and queue from reports: arithmetic only.

use super::{
    super::{LoadReport, few::Few},
    WjsqConfig,
};

/// The law that turns a report into a score.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    batch: f64,
    hidden: f64,
}

/// What is known of a candidate.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signal {
    /// What it is called: an index.
    pub(super) name: usize,
    pub(super) in_flight: f64,
    /// Seconds per unit of work when it is alone; `None` when it does not say.
    pub(super) slowness: Option<f64>,
    /// How much that counts, from 0 to 1.
    pub(super) belief: f64,
    pub(super) weight: f64,
}

// ===== impl Rule =====

impl Rule {
    pub(super) const fn new(config: &WjsqConfig) -> Self {
        Self {
            batch: config.batch,
            hidden: config.hidden,
        }
    }

    /// Reads a report. Our own calls are a part of everybody's: when they are more, the report is older than they.
    pub(super) fn signal(&self, name: usize, own: u32, report: &LoadReport, weight: f32) -> Signal {
        let reported = f64::from(report.in_flight.unwrap_or(own));
        let batch = report
            .max_batch
            .filter(|batch| *batch > 0)
            .map_or(self.batch, f64::from);
        Signal {
            name,
            in_flight: reported.max(f64::from(own)),
            // A nanosecond at least: nothing is infinitely good.
            slowness: report
                .time_per_unit
                .map(|time| time.as_secs_f64().max(1e-9) / (1.0 + reported / batch)),
            belief: 1.0,
            weight: f64::from(weight),
        }
    }

    /// The score of each, lower is better, by name. A candidate that does not report its slowness has the mean of
    /// those that do; one whose report is believed less has a mixture.
    pub(super) fn scores(&self, signals: &[Signal]) -> Few<(usize, f64)> {
        let known = signals.iter().filter_map(|signal| signal.slowness);
        let (sum, count) = known.fold((0.0, 0.0), |(sum, count), slowness| {
            (sum + slowness, count + 1.0)
        });
        let mean = if count > 0.0 { sum / count } else { 1.0 };
        let mut scores = Few::new();
        for signal in signals {
            let slowness = signal
                .slowness
                .map_or(mean, |slowness| mean + signal.belief * (slowness - mean));
            let queue = signal.in_flight + 1.0 + self.hidden;
            scores.push((signal.name, slowness * queue / signal.weight));
        }
        scores
    }
}

/// The best and the second best by score, the first of equals.
pub(super) fn best_two(scores: &[(usize, f64)]) -> Option<(usize, Option<usize>)> {
    let best = scores.iter().min_by(|a, b| a.1.total_cmp(&b.1))?.0;
    let second = scores
        .iter()
        .filter(|(name, _)| *name != best)
        .min_by(|a, b| a.1.total_cmp(&b.1))
        .map(|(name, _)| *name);
    Some((best, second))
}
