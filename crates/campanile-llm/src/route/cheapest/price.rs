use campanile::{Cost, Endpoint};

/// What a request would cost at an endpoint. Implemented for functions `Fn(&Endpoint, &Req) -> u64`, in nano-dollars.
pub trait Prices<Req> {
    /// The price, in any unit that is the same for all endpoints; infinite where it is not known. `label` is the number in
    /// the endpoint's label `price`.
    fn price(&self, endpoint: &Endpoint, label: Option<f64>, request: &Req, cost: &Cost) -> f64;
}

/// By the endpoint's label `price`, in dollars for a million tokens, of prompt and answer alike: `0.15`. An endpoint without
/// one, or with what is no number, is taken for the dearest.
#[derive(Debug, Clone, Copy, Default)]
pub struct ByLabel;

impl<Req> Prices<Req> for ByLabel {
    #[inline]
    fn price(&self, _: &Endpoint, label: Option<f64>, _: &Req, cost: &Cost) -> f64 {
        label.map_or(f64::INFINITY, |price| price * cost.tokens.max(1) as f64)
    }
}

impl<Req, F: Fn(&Endpoint, &Req) -> u64> Prices<Req> for F {
    #[inline]
    fn price(&self, endpoint: &Endpoint, _: Option<f64>, request: &Req, _: &Cost) -> f64 {
        self(endpoint, request) as f64
    }
}
