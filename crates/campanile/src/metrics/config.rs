use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Recorder;
use crate::config::{Invalid, seconds};

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// How measurements are named and laid out when they are written down.
///
/// ```
/// use campanile::metrics::MetricsConfig;
///
/// let config: MetricsConfig = serde_json::from_str(
///     r#"{ "prefix": "shop", "labels": ["zone", "model"], "buckets": ["10ms", "100ms", "1s", "10s"] }"#,
/// )?;
/// assert_eq!(config.clone().build()?, config);
///
/// let error = MetricsConfig::default().with_labels(["price tier"]).build().unwrap_err();
/// assert!(error.to_string().starts_with(r#"metrics.labels is "price tier""#));
/// # Ok::<_, campanile::BoxError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// What the name of every metric begins with, an underscore after it. `campanile` by default; empty for nothing.
    pub prefix: String,
    /// The labels of endpoints that are written down, beside `stage` and `endpoint`; none by default. An endpoint that
    /// lacks one has it empty. No other label is ever written: values come from the roster, never from a request.
    pub labels: Vec<String>,
    /// The upper bounds of the buckets of histograms, ascending, 100 at most. From 1 ms to 5 min by default, in 17 steps.
    #[serde(with = "seconds::list")]
    pub buckets: Vec<Duration>,
    /// How many of the latest calls of each stage and endpoint are looked at, from 1 to 100,000, at 6 bytes each. 1,000 by
    /// default.
    pub latest: usize,
}

/// Labels with a meaning of their own.
const RESERVED: [&str; 12] = [
    "stage", "endpoint", "outcome", "kind", "layer", "reason", "state", "unit", "name", "le",
    "quantile", "job",
];

// ===== impl MetricsConfig =====

impl Default for MetricsConfig {
    fn default() -> Self {
        const MILLIS: [u64; 17] = [
            1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000,
            120_000, 300_000,
        ];
        Self {
            prefix: "campanile".to_owned(),
            labels: Vec::new(),
            buckets: MILLIS.map(Duration::from_millis).to_vec(),
            latest: Recorder::LATEST,
        }
    }
}

impl MetricsConfig {
    /// Sets what the name of every metric begins with.
    #[must_use]
    pub fn with_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the labels of endpoints that are written down.
    #[must_use]
    pub fn with_labels<L: Into<String>>(mut self, labels: impl IntoIterator<Item = L>) -> Self {
        self.labels = labels.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the upper bounds of the buckets of histograms.
    #[must_use]
    pub fn with_buckets(mut self, buckets: impl IntoIterator<Item = Duration>) -> Self {
        self.buckets = buckets.into_iter().collect();
        self
    }

    /// Sets how many of the latest calls are looked at.
    #[must_use]
    pub const fn with_latest(mut self, calls: usize) -> Self {
        self.latest = calls;
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// Names the first field that is out of range.
    pub fn build(self) -> Result<Self, Invalid> {
        let rule = "it must be empty, or a letter and letters, digits and underscores after it";
        let named = self.prefix.is_empty() || is_name(&self.prefix);
        Invalid::unless(named, "metrics", "prefix", &self.prefix, rule)?;
        for (place, label) in self.labels.iter().enumerate() {
            let rule = "it must be a letter and letters, digits and underscores after it";
            Invalid::unless(is_name(label), "metrics", "labels", label, rule)?;
            let rule = "it is a label with a meaning of its own, as are stage, endpoint, outcome, \
                        kind, layer, reason, state, unit, name, le, quantile and job";
            let free = !RESERVED.contains(&label.as_str());
            Invalid::unless(free, "metrics", "labels", label, rule)?;
            let once = !self.labels[..place].contains(label);
            Invalid::unless(once, "metrics", "labels", label, "it is there twice")?;
        }
        let buckets = &self.buckets;
        let rule = "it must have from 1 to 100 bounds";
        let some = (1..=100).contains(&buckets.len());
        Invalid::unless(some, "metrics", "buckets", &buckets.len(), rule)?;
        let rule = "bounds must be above 0, each above the one before";
        let ascending = !buckets[0].is_zero() && buckets.is_sorted_by(|a, b| a < b);
        Invalid::unless(ascending, "metrics", "buckets", buckets, rule)?;
        let rule = "it must be from 1 to 100,000";
        let within = (1..=100_000).contains(&self.latest);
        Invalid::unless(within, "metrics", "latest", &self.latest, rule)?;
        Ok(self)
    }
}

/// Whether it can be the name of a metric or a label: a letter first, so that it is none of those names with underscores in
/// front that collectors keep for themselves.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
