use http::{Request, Response};
use http_body::Body;

use super::{Protocol, head};
use crate::{
    completion::{Chunks, Completion, GuardedBody, Observe},
    context::Context,
    outcome::{Classify, ClassifyHttp, FailureKind, FirstDataFailed, Outcome},
    time::Timestamp,
};

/// HTTP: context from the request's extensions, and the call ends with the response's body.
#[derive(Debug, Clone, Copy)]
pub struct Http<C = ClassifyHttp, M = Chunks> {
    classify: C,
    meter: M,
}

// ===== impl Http =====

impl Default for Http {
    fn default() -> Self {
        Self::new(ClassifyHttp::default(), Chunks)
    }
}

impl<C, M> Http<C, M> {
    /// Judges responses by `classify`, and counts each piece of a body with `meter`.
    pub const fn new(classify: C, meter: M) -> Self {
        Self { classify, meter }
    }
}

impl<B, R, Err, C, M> Protocol<Request<B>, Response<R>, Err> for Http<C, M>
where
    R: Body,
    C: Classify<Response<R>, Err> + Clone,
    M: Clone,
{
    type Response<O: Observe> = Response<GuardedBody<R, O, M>>;

    fn context<'a>(&self, request: &'a Request<B>) -> Option<&'a Context> {
        Context::of(request)
    }

    fn context_mut<'a>(&self, request: &'a mut Request<B>) -> Option<&'a mut Context> {
        Some(Context::of_mut(request))
    }

    fn bytes(&self, request: &Request<B>) -> u64 {
        let length = request.headers().get(http::header::CONTENT_LENGTH);
        length
            .and_then(|length| length.to_str().ok()?.parse().ok())
            .unwrap_or(0)
    }

    fn status(&self, response: &Response<R>) -> Option<u16> {
        Some(response.status().as_u16())
    }

    fn classify(&self, result: Result<&Response<R>, &Err>) -> Outcome
    where
        Err: 'static,
    {
        judge(&self.classify, result)
    }

    fn complete<O: Observe>(
        &self,
        result: Result<Response<R>, Err>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Err>
    where
        Err: 'static,
    {
        let outcome = judge(&self.classify, result.as_ref());
        let (response, completion) = head(result, completion, outcome, now)?;
        Ok(response
            .map(|body| GuardedBody::new(body, completion, self.meter.clone(), outcome, now)))
    }
}

/// What an answer means, whose first data may have been waited for already.
fn judge<C, R, Err>(classify: &C, result: Result<&Response<R>, &Err>) -> Outcome
where
    C: Classify<Response<R>, Err>,
    Err: 'static,
{
    let outcome = classify.classify(result);
    match result {
        Ok(response)
            if outcome.is_success() && response.extensions().get::<FirstDataFailed>().is_some() =>
        {
            Outcome::Failure(FailureKind::Interrupted)
        }
        _ => outcome,
    }
}
