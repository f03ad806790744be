use std::fmt;

use thiserror::Error;

/// A setting of a strategy that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{strategy}.{field} is {value}: {rule}")]
pub struct InvalidStrategy {
    /// The strategy.
    pub strategy: &'static str,
    /// The field.
    pub field: &'static str,
    /// What it was set to.
    pub value: String,
    /// What it must be.
    pub rule: &'static str,
}

// ===== impl InvalidStrategy =====

impl InvalidStrategy {
    /// An error, unless the field keeps its rule.
    pub(super) fn unless(
        kept: bool,
        strategy: &'static str,
        field: &'static str,
        value: &dyn fmt::Debug,
        rule: &'static str,
    ) -> Result<(), Self> {
        if kept {
            return Ok(());
        }
        Err(Self {
            strategy,
            field,
            value: format!("{value:?}"),
            rule,
        })
    }
}
