use std::time::Duration;

use campanile::time::human;
use serde::{Deserialize, Serialize};

use super::Random;

/// What calls ask for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// Normal with mean and deviation 1, above 0.05, scaled to this mean. Work is in seconds.
    Short {
        /// The mean.
        #[serde(with = "human")]
        mean: Duration,
    },
    /// A prompt and an answer of a language model. Work is in tokens.
    Llm,
    /// Any size between these alike. Work is in seconds.
    Uniform {
        /// The least.
        #[serde(with = "human")]
        from: Duration,
        /// The most.
        #[serde(with = "human")]
        to: Duration,
    },
}

/// The size of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Size {
    /// Work before the first data.
    pub first: f64,
    /// Work in all.
    pub total: f64,
}

// ===== impl Work =====

impl Work {
    /// The mean of a normal number with mean and deviation 1, above 0.05.
    const MEAN: f64 = 1.306_5;

    /// The size of the next call.
    pub fn size(&self, random: &mut Random) -> Size {
        match self {
            Self::Short { mean } => loop {
                let size = 1.0 + random.normal();
                if size > 0.05 {
                    return Size::at_once(size / Self::MEAN * mean.as_secs_f64());
                }
            },
            Self::Uniform { from, to } => {
                Size::at_once((*from + (*to - *from).mul_f64(random.unit())).as_secs_f64())
            }
            Self::Llm => {
                let prompt = random.lognormal(600.0, 1.2).min(32_000.0);
                let output = if random.happens(0.1) {
                    random.pareto(1.5, 400.0)
                } else {
                    random.lognormal(150.0, 0.9)
                };
                let output = output.clamp(1.0, 8_192.0).round();
                let first = 0.012 * prompt;
                Size {
                    first,
                    total: first + output,
                }
            }
        }
    }

    /// Whether data come while the call is worked on.
    #[must_use]
    pub fn streams(&self) -> bool {
        matches!(self, Self::Llm)
    }
}

// ===== impl Size =====

impl Size {
    /// A call all of whose data come at its end.
    #[must_use]
    pub fn at_once(total: f64) -> Self {
        Self {
            first: total,
            total,
        }
    }
}
