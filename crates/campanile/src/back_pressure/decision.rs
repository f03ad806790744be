use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Counts, Verdict};
use crate::control::Dial;

/// What the rule decided at the end of a window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Decision {
    /// The number of the window, from 1.
    pub window: u64,
    /// What it meant.
    pub verdict: Verdict,
    /// Its calls.
    pub counts: Counts,
    /// How each capacity moved, in the order in which they were added; empty when they stayed.
    pub capacities: Vec<Move>,
    /// How each rate moved.
    pub rates: Vec<Move>,
}

/// How a setting moved.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Move {
    /// Where it stood.
    pub from: f64,
    /// Where its owner let it go.
    pub to: f64,
}

// ===== impl Decision =====

impl Decision {
    /// As an event.
    pub(super) fn tell(&self) {
        let Decision {
            verdict,
            counts,
            capacities,
            rates,
            ..
        } = self;
        let (calls, error_rate) = (counts.calls, counts.error_rate());
        if *verdict == Verdict::Grow {
            tracing::info!(
                calls,
                error_rate,
                ?capacities,
                ?rates,
                "back pressure eases"
            );
        } else {
            tracing::warn!(
                ?verdict,
                calls,
                error_rate,
                slow = counts.slow,
                ?capacities,
                ?rates,
                "back pressure rises"
            );
        }
    }
}

/// Multiplies where each dial stands.
pub(super) fn turn(dials: &[Arc<dyn Dial>], factor: f64, whole: bool) -> Vec<Move> {
    dials
        .iter()
        .map(|dial| {
            let from = dial.value();
            let mut to = dial.set(from * factor);
            // An owner of whole calls may round a small step away, and a limit of one would never grow again.
            if whole && factor > 1.0 && to <= from {
                to = dial.set(from + 1.0);
            } else if whole && factor < 1.0 && to >= from {
                to = dial.set((from - 1.0).max(0.0));
            }
            Move { from, to }
        })
        .collect()
}
