use std::{f64::consts::TAU, time::Duration};

/// Random numbers from a seed.
#[derive(Debug, Clone)]
pub struct Random(fastrand::Rng);

// ===== impl Random =====

impl Random {
    /// The numbers of that seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// From 0 to 1, without 0.
    pub fn unit(&mut self) -> f64 {
        1.0 - self.0.f64()
    }

    /// Whether what happens in that part of cases happens.
    pub fn happens(&mut self, part: f64) -> bool {
        part > 0.0 && self.unit() <= part
    }

    /// An exponential time of that mean.
    pub fn exponential(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-self.unit().ln())
    }

    /// A normal number of mean 0 and deviation 1.
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.unit().ln()).sqrt() * (TAU * self.unit()).cos()
    }

    /// A number whose logarithm is normal with that deviation.
    pub fn lognormal(&mut self, median: f64, sigma: f64) -> f64 {
        median * (sigma * self.normal()).exp()
    }

    /// A Pareto number of that shape, from `least` on.
    pub fn pareto(&mut self, shape: f64, least: f64) -> f64 {
        least / self.unit().powf(1.0 / shape)
    }
}
