use campanile::config::Invalid;
use tower_layer::Layer;

use super::{Estimate, EstimateConfig, Estimator};

/// Tells every call what it is estimated to take, and learns from its end. See the [module](super).
#[derive(Debug, Clone)]
pub struct EstimateLayer {
    estimator: Estimator,
}

// ===== impl EstimateLayer =====

impl EstimateLayer {
    /// Estimates as `config` says, without prices. All services of this layer learn together.
    ///
    /// # Errors
    ///
    /// When a setting is out of range.
    pub fn new(config: EstimateConfig) -> Result<Self, Invalid> {
        Ok(Self {
            estimator: Estimator::new(config)?,
        })
    }

    /// Estimates by an estimator that there is already.
    #[must_use]
    pub fn shared(estimator: &Estimator) -> Self {
        Self {
            estimator: estimator.clone(),
        }
    }

    /// Estimates money too, by these prices.
    #[must_use]
    pub fn prices(self, prices: &crate::price::Prices) -> Self {
        Self {
            estimator: self.estimator.prices(prices),
        }
    }

    /// What estimates and learns.
    #[must_use]
    pub const fn handle(&self) -> &Estimator {
        &self.estimator
    }
}

impl<S> Layer<S> for EstimateLayer {
    type Service = Estimate<S>;

    fn layer(&self, inner: S) -> Estimate<S> {
        Estimate::new(inner, self.estimator.clone())
    }
}
