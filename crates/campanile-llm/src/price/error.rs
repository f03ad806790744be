use std::{io, path::PathBuf};

use campanile::config::Invalid;

/// Why prices cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// The file cannot be read.
    #[error("prices in {}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It is no list of prices. The error says at which model, in which field, and where in the text.
    #[error("prices: {0}")]
    Format(#[from] serde_json::Error),
    /// A price breaks a rule.
    #[error("{model}: {source}")]
    Price {
        /// Whose price.
        model: String,
        /// Which field, and the rule.
        source: Invalid,
    },
    /// A name breaks a rule.
    #[error("prices: {name:?}: {rule}")]
    Name {
        /// The name.
        name: String,
        /// The rule.
        rule: &'static str,
    },
}
