use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::{CellRef, Endpoint, InvalidWeight, Weight};

/// Describes an [`Endpoint`]; made by [`Endpoint::builder`].
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct Builder {
    key: Arc<str>,
    weight: f64,
    labels: BTreeMap<String, String>,
}

/// Why an endpoint cannot be built.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum InvalidEndpoint {
    /// The key is empty.
    #[error("endpoint key is \"\": it must not be empty")]
    EmptyKey,
    /// The weight is out of range.
    #[error("endpoint {key:?}: {source}")]
    Weight {
        /// The endpoint's key.
        key: String,
        /// What is wrong with its weight.
        source: InvalidWeight,
    },
}

// ===== impl Builder =====

impl Builder {
    pub(super) const fn new(key: Arc<str>) -> Self {
        Self {
            key,
            weight: 1.0,
            labels: BTreeMap::new(),
        }
    }

    /// Its share of the traffic, 1 unless set.
    pub const fn weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }

    /// Adds a label; the last one of a name counts. Strategies read `tier` (see the pool's priority tiers).
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(name.into(), value.into());
        self
    }

    /// Its key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Makes an endpoint that belongs to no roster.
    ///
    /// # Errors
    ///
    /// When the key is empty or the weight out of range.
    pub fn build(self) -> Result<Endpoint, InvalidEndpoint> {
        self.build_with(CellRef::single)
    }

    pub(crate) fn build_with(
        self,
        cell: impl FnOnce() -> CellRef,
    ) -> Result<Endpoint, InvalidEndpoint> {
        if self.key.is_empty() {
            return Err(InvalidEndpoint::EmptyKey);
        }
        let weight = Weight::new(self.weight).map_err(|source| InvalidEndpoint::Weight {
            key: self.key.to_string(),
            source,
        })?;
        Ok(Endpoint::assemble(cell(), self.key, weight, self.labels))
    }
}

impl From<&str> for Builder {
    fn from(key: &str) -> Self {
        Self::new(key.into())
    }
}

impl From<String> for Builder {
    fn from(key: String) -> Self {
        Self::new(key.into())
    }
}
