use serde::{Deserialize, Serialize};

/// Why a member was ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OutlierCause {
    /// Too many calls failed without a success between them.
    ConsecutiveFailures,
    /// Its success rate was too far below the other members'.
    SuccessRate,
    /// Its average latency was too far beyond the other members'.
    Latency,
}

/// What is known of the outliers of a pool at one moment.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutlierSnapshot {
    /// How many members are ejected.
    pub ejected: usize,
    /// How many may be, of so many members.
    pub limit: usize,
    /// Whether the pool panics: too few members are fit, and all are used, ejected or not.
    pub panicking: bool,
    /// How often somebody has been ejected.
    pub ejections: u64,
    /// Every member, in the order of their keys.
    pub members: Vec<OutlierStatus>,
}

/// What is known of one member.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OutlierStatus {
    /// The endpoint's key.
    pub key: String,
    /// For how many seconds more it is ejected; `None` when it is not.
    pub ejected_for: Option<f64>,
    /// Why it was ejected last.
    pub cause: Option<OutlierCause>,
    /// How often it has been ejected since it joined.
    pub ejections: u64,
    /// How many of these are not forgotten: the next ejection lasts for one more than these times the first.
    pub remembered: u32,
    /// Calls in the window, up to the latest step: those that went well or failed.
    pub calls: u64,
    /// The share of them that went well; `None` without calls.
    pub success_rate: Option<f64>,
    /// Calls that have failed since the latest that went well.
    pub failures_in_row: u64,
    /// The average latency of calls that went well, in seconds.
    pub latency: Option<f64>,
}

// ===== impl OutlierCause =====

impl OutlierCause {
    /// Every cause.
    pub const ALL: [Self; 3] = [Self::ConsecutiveFailures, Self::SuccessRate, Self::Latency];

    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ConsecutiveFailures => "consecutive_failures",
            Self::SuccessRate => "success_rate",
            Self::Latency => "latency",
        }
    }
}
