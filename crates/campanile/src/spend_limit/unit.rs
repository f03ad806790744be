use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cost::{Cost, Usage};

/// What a budget is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SpendUnit {
    /// Tokens, of the prompt and of the answer together.
    Tokens,
    /// Money, in whole nano-dollars.
    Money,
}

// ===== impl SpendUnit =====

impl SpendUnit {
    /// Its name: lower case, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tokens => "tokens",
            Self::Money => "money",
        }
    }

    /// So much of it is in a cost.
    #[inline]
    pub(super) const fn of(self, cost: &Cost) -> u64 {
        match self {
            Self::Tokens => cost.tokens,
            Self::Money => cost.nano_dollars,
        }
    }

    /// So much of it was reported.
    #[inline]
    pub(super) fn used(self, usage: &Usage) -> Option<u64> {
        match self {
            Self::Tokens => usage.total_tokens(),
            Self::Money => usage.nano_dollars,
        }
    }
}

impl fmt::Display for SpendUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
