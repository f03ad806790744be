use std::time::Duration;

use super::number;
use crate::metrics::histogram::slots::Slots;

/// The buckets of histograms, and how their bounds are written.
#[derive(Debug)]
pub(in crate::metrics) struct Bounds {
    pub(in crate::metrics) slots: Slots,
    /// `le="0.005"` and so on.
    pub(super) labels: Vec<String>,
}

// ===== impl Bounds =====

impl Bounds {
    pub(in crate::metrics) fn new(bounds: &[Duration]) -> Self {
        let label = |bound: &Duration| {
            let mut text = "le=\"".to_owned();
            let start = text.len();
            // A `String` takes everything.
            let _ = number::seconds(&mut text, *bound);
            // As OpenMetrics wants bounds: a series has the same name in both formats, and 1 is written 1.0.
            if !text[start..].contains('.') {
                text.push_str(".0");
            }
            text.push('"');
            text
        };
        Self {
            slots: Slots::new(bounds),
            labels: bounds.iter().map(label).collect(),
        }
    }
}
