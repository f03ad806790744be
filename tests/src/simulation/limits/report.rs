use std::time::Duration;

/// What a run measured, or the mean of several.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The size of the calls served in time, a second, after the warm-up.
    pub goodput: f64,
    /// Their number, a second.
    pub calls: f64,
    /// Work done a second, less that of calls given up, after the warm-up.
    pub work: f64,
    /// The mean limit after the warm-up.
    pub limit: f64,
    /// The least limit after the warm-up.
    pub least_limit: f64,
    /// Median latency in seconds.
    pub p50: f64,
    /// 99th percentile of latency in seconds.
    pub p99: f64,
    /// Calls dropped a second, after the warm-up.
    pub dropped: f64,
    /// Work in each bin, a second.
    pub bins: Vec<f64>,
    /// The limit at the end of each bin.
    pub limits: Vec<f64>,
}

/// What a phase between two changes is compared with.
#[derive(Debug, Clone, Copy)]
pub struct Phase {
    /// When it begins.
    pub from: Duration,
    /// When it ends.
    pub to: Duration,
    /// Work a second of the best static limit.
    pub best: f64,
}

// ===== impl Report =====

impl Report {
    /// The mean of several.
    #[must_use]
    pub fn mean(reports: &[Self]) -> Self {
        let n = reports.len().max(1) as f64;
        let mean = |value: fn(&Self) -> f64| reports.iter().map(value).sum::<f64>() / n;
        let curve = |curve: fn(&Self) -> &Vec<f64>| {
            let bins = reports.iter().map(|report| curve(report).len()).min();
            (0..bins.unwrap_or(0))
                .map(|bin| reports.iter().map(|report| curve(report)[bin]).sum::<f64>() / n)
                .collect()
        };
        Self {
            goodput: mean(|report| report.goodput),
            calls: mean(|report| report.calls),
            work: mean(|report| report.work),
            limit: mean(|report| report.limit),
            least_limit: reports
                .iter()
                .map(|report| report.least_limit)
                .fold(f64::MAX, f64::min),
            p50: mean(|report| report.p50),
            p99: mean(|report| report.p99),
            dropped: mean(|report| report.dropped),
            bins: curve(|report| &report.bins),
            limits: curve(|report| &report.limits),
        }
    }

    /// How many seconds after the phase began its work is at least 85 % of the best for two bins in a row; infinite if
    /// never.
    #[must_use]
    pub fn recovery(&self, phase: &Phase, bin: Duration) -> f64 {
        let index = |time: Duration| (time.as_secs_f64() / bin.as_secs_f64()).round() as usize;
        let bins = &self.bins[index(phase.from)..index(phase.to).min(self.bins.len())];
        bins.windows(2)
            .position(|two| two.iter().all(|work| *work >= 0.85 * phase.best))
            .map_or(f64::INFINITY, |bins| bins as f64 * bin.as_secs_f64())
    }

    /// Work a second from one time to another.
    #[must_use]
    pub fn work_between(&self, phase: &Phase, bin: Duration) -> f64 {
        let index = |time: Duration| (time.as_secs_f64() / bin.as_secs_f64()).round() as usize;
        let bins = &self.bins[index(phase.from)..index(phase.to).min(self.bins.len())];
        bins.iter().sum::<f64>() / bins.len().max(1) as f64
    }
}
