use campanile::{
    Call, Completion, Context, Outcome, Rejection, Usage,
    completion::Observe,
    cost::Cost,
    protocol::Protocol,
    time::Timestamp,
    timeout::{Clocked, Countdown},
};

use super::{ListModels, ModelList};
use crate::{embed::end, error::Error};

/// How the layers of `campanile` read calls for lists of models: put it into their `protocol` method. They take no tokens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Models;

const NOTHING: Usage = Usage {
    input_tokens: Some(0),
    output_tokens: Some(0),
    cached_tokens: None,
    cache_write_tokens: None,
    reasoning_tokens: None,
    nano_dollars: Some(0),
};

// ===== impl Models =====

impl Protocol<Call<ListModels>, ModelList, Error> for Models {
    type Response<O: Observe> = ModelList;

    #[inline]
    fn context<'a>(&self, request: &'a Call<ListModels>) -> Option<&'a Context> {
        Some(&request.context)
    }

    #[inline]
    fn context_mut<'a>(&self, request: &'a mut Call<ListModels>) -> Option<&'a mut Context> {
        Some(&mut request.context)
    }

    fn cost(&self, _request: &Call<ListModels>) -> Cost {
        Cost::default()
    }

    fn classify(&self, result: Result<&ModelList, &Error>) -> Outcome {
        result.map_or_else(Error::outcome, |_| Outcome::Success)
    }

    fn status(&self, _response: &ModelList) -> Option<u16> {
        Some(200)
    }

    fn rejection<'a>(&self, error: &'a Error) -> Option<&'a Rejection> {
        error.rejection()
    }

    fn complete<O: Observe>(
        &self,
        result: Result<ModelList, Error>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<ModelList, Error> {
        end(result, completion, now, |_| &NOTHING)
    }
}

/// They are whole: between their data there is no clock.
impl Clocked<ModelList> for Models {
    type Response<N> = ModelList;

    fn clocked<N>(response: ModelList, _countdown: Countdown<N>) -> ModelList {
        response
    }
}
