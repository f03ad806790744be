use std::fmt;

use serde::{Deserialize, Serialize};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Calls.
    Requests,
    /// Tokens, of the prompt and of the answer together.
    Tokens,
    /// Money.
    NanoDollars,
}

// ===== impl Unit =====

impl Unit {
    /// Every unit.
    pub const ALL: [Self; 3] = [Self::Requests, Self::Tokens, Self::NanoDollars];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    /// Its name: lower case, words joined by underscores, as in its serialised form.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::NanoDollars => "nano_dollars",
        }
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
