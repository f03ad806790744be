use campanile::{
    Call, Completion, Context, Outcome, Rejection, Usage,
    completion::Observe,
    cost::Cost,
    protocol::Protocol,
    time::Timestamp,
    timeout::{Clocked, Countdown},
};

use super::{EmbeddingRequest, EmbeddingResponse};
use crate::error::Error;

/// How the layers of `campanile` read calls for embeddings: put it into their `protocol` method. As
/// [`Chat`](crate::Chat), but that no answer is streamed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Embeddings;

// ===== impl Embeddings =====

impl Protocol<Call<EmbeddingRequest>, EmbeddingResponse, Error> for Embeddings {
    type Response<O: Observe> = EmbeddingResponse;

    #[inline]
    fn context<'a>(&self, request: &'a Call<EmbeddingRequest>) -> Option<&'a Context> {
        Some(&request.context)
    }

    #[inline]
    fn context_mut<'a>(&self, request: &'a mut Call<EmbeddingRequest>) -> Option<&'a mut Context> {
        Some(&mut request.context)
    }

    fn cost(&self, request: &Call<EmbeddingRequest>) -> Cost {
        // Four bytes a token, where nobody made a better estimate.
        Cost::tokens(request.message.input_bytes() / 4)
    }

    fn bytes(&self, request: &Call<EmbeddingRequest>) -> u64 {
        request.message.input_bytes()
    }

    fn classify(&self, result: Result<&EmbeddingResponse, &Error>) -> Outcome {
        result.map_or_else(Error::outcome, |_| Outcome::Success)
    }

    fn status(&self, _response: &EmbeddingResponse) -> Option<u16> {
        Some(200)
    }

    fn rejection<'a>(&self, error: &'a Error) -> Option<&'a Rejection> {
        error.rejection()
    }

    fn complete<O: Observe>(
        &self,
        result: Result<EmbeddingResponse, Error>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<EmbeddingResponse, Error> {
        end(result, completion, now, EmbeddingResponse::usage)
    }
}

/// They are whole: between their data there is no clock.
impl Clocked<EmbeddingResponse> for Embeddings {
    type Response<N> = EmbeddingResponse;

    fn clocked<N>(response: EmbeddingResponse, _countdown: Countdown<N>) -> EmbeddingResponse {
        response
    }
}

/// Ends a call with its answer, which is whole.
pub(crate) fn end<T, O: Observe>(
    result: Result<T, Error>,
    mut completion: Completion<O>,
    now: Timestamp,
    usage: impl Fn(&T) -> &Usage,
) -> Result<T, Error> {
    match &result {
        Ok(answer) => {
            completion.head(now);
            completion.data(now, 1);
            completion.usage(usage(answer));
            completion.end(now, Outcome::Success);
        }
        Err(error) => completion.end(now, error.outcome()),
    }
    result
}
