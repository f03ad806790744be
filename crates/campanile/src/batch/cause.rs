use serde::{Deserialize, Serialize};

/// Why a batch was sent when it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FlushCause {
    /// It had as many items as it may have.
    Size,
    /// Another item would have cost too much.
    Cost,
    /// Its first item had waited long enough.
    Timeout,
    /// No other batch was in flight.
    Idle,
    /// An item's deadline is near.
    Deadline,
    /// Somebody [asked for it](super::BatchHandle::flush).
    Asked,
    /// Nobody could join any more: the last handle of the service was dropped.
    Closed,
}

// ===== impl FlushCause =====

impl FlushCause {
    /// Every cause.
    pub const ALL: [Self; 7] = [
        Self::Size,
        Self::Cost,
        Self::Timeout,
        Self::Idle,
        Self::Deadline,
        Self::Asked,
        Self::Closed,
    ];

    /// Its name: lower case, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Cost => "cost",
            Self::Timeout => "timeout",
            Self::Idle => "idle",
            Self::Deadline => "deadline",
            Self::Asked => "asked",
            Self::Closed => "closed",
        }
    }
}
