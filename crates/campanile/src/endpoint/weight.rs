use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An endpoint's share of the traffic, relative to the other members': from 0.000001 to 1,000,000, so that a load
/// divided by it is a number in single precision too.
///
/// ```
/// use campanile::endpoint::Weight;
///
/// assert!(Weight::new(2.5).is_ok());
/// assert_eq!(
///     Weight::new(0.0).unwrap_err().to_string(),
///     "weight is 0: it must be from 0.000001 to 1000000; to send no traffic, disable the endpoint",
/// );
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Weight(f64);

/// A number that is no weight.
#[derive(Debug, Clone, Copy, PartialEq, Error)]
#[error(
    "weight is {0}: it must be from 0.000001 to 1000000; to send no traffic, disable the endpoint"
)]
pub struct InvalidWeight(pub f64);

// ===== impl Weight =====

impl Weight {
    /// The weight of an endpoint that was given none.
    pub const ONE: Self = Self(1.0);

    /// Checks a number.
    ///
    /// # Errors
    ///
    /// When it is not a number, below 0.000001, or above 1,000,000.
    pub fn new(weight: f64) -> Result<Self, InvalidWeight> {
        if (1e-6..=1e6).contains(&weight) {
            Ok(Self(weight))
        } else {
            Err(InvalidWeight(weight))
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(f64::from_bits(bits))
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::ONE
    }
}

impl TryFrom<f64> for Weight {
    type Error = InvalidWeight;

    fn try_from(weight: f64) -> Result<Self, InvalidWeight> {
        Self::new(weight)
    }
}

impl From<Weight> for f64 {
    fn from(weight: Weight) -> Self {
        weight.0
    }
}
