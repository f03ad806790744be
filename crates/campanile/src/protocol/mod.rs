//! How a layer reads requests and follows answers: what is a request's context and cost, what its answer means, and when
//! the call is over.
//!
//! | protocol | requests | the call ends with |
//! |---|---|---|
//! | [`Unary`] | any | its response |
//! | [`Streaming`] | any | the stream that is its response |
//! | [`Enveloped`] | [`Call`], whose context is read | as the protocol within says |
//! | [`Http`] (feature `http`) | `http::Request`, context in its extensions | the body of its response |
//!
//! Every layer that measures a call takes a protocol, and answers through a response future of this module: [`Guarded`] where it
//! may refuse the call, [`Followed`] where it refuses none.

use std::task::Poll;

use crate::{
    completion::{Chunks, Completion, GuardedStream, Observe},
    context::{Call, Context},
    cost::Cost,
    endpoint::LoadReport,
    outcome::{Classify, ClassifyResult, Outcome},
    rejection::Rejection,
    time::Timestamp,
};

/// What a protocol that is another within makes of answers: the same.
macro_rules! forward_answers {
    () => {
        #[inline]
        fn classify(&self, result: Result<&Res, &Err>) -> Outcome
        where
            Err: 'static,
        {
            self.inner.classify(result)
        }

        fn rejection<'a>(&self, error: &'a Err) -> Option<&'a Rejection>
        where
            Err: 'static,
        {
            self.inner.rejection(error)
        }

        fn status(&self, response: &Res) -> Option<u16> {
            self.inner.status(response)
        }

        #[inline]
        fn complete<O: Observe>(
            &self,
            result: Result<Res, Err>,
            completion: Completion<O>,
            now: Timestamp,
        ) -> Result<Self::Response<O>, Err>
        where
            Err: 'static,
        {
            self.inner.complete(result, completion, now)
        }

        #[inline(always)]
        fn arrived<O: Observe>(
            &self,
            result: &Result<Res, Err>,
            completion: &mut Option<Completion<O>>,
            now: Timestamp,
        ) where
            Err: 'static,
        {
            self.inner.arrived(result, completion, now);
        }

        #[inline(always)]
        fn complete_in<O: Observe>(
            &self,
            result: Result<Res, Err>,
            completion: &mut Option<Completion<O>>,
            now: Timestamp,
        ) -> Result<Self::Response<O>, Err>
        where
            Err: 'static,
        {
            self.inner.complete_in(result, completion, now)
        }

        #[inline(always)]
        fn hand_on<O: Observe>(
            &self,
            polled: ::std::task::Poll<Result<Res, Err>>,
            completion: &mut Option<Completion<O>>,
            now: Timestamp,
        ) -> ::std::task::Poll<Result<Self::Response<O>, Err>>
        where
            Err: 'static,
        {
            self.inner.hand_on(polled, completion, now)
        }

        #[inline(always)]
        fn pass(
            &self,
            polled: ::std::task::Poll<Result<Res, Err>>,
        ) -> ::std::task::Poll<Result<Res, Err>> {
            self.inner.pass(polled)
        }
    };
}

mod decorate;
mod followed;
mod guarded;
#[cfg(all(test, not(campanile_loom)))]
mod tests;

#[cfg(feature = "http")]
mod http;

#[cfg(feature = "http")]
pub use self::http::Http;
pub use decorate::{Costed, Reported};
pub use followed::Followed;
pub use guarded::Guarded;

/// How a layer reads a request's context and cost, judges its answer, and lets the answer carry the completion.
pub trait Protocol<Req, Res, Err>: Clone {
    /// What the layer answers: the service's response, or one that carries the completion on.
    type Response<O: Observe>;

    /// What travels with a request.
    fn context<'a>(&self, request: &'a Req) -> Option<&'a Context> {
        let _ = request;
        None
    }

    /// What travels with a request, to change it; a request that can carry one gets a default one.
    fn context_mut<'a>(&self, request: &'a mut Req) -> Option<&'a mut Context> {
        let _ = request;
        None
    }

    /// What a request is estimated to take, unless its context says so.
    fn cost(&self, request: &Req) -> Cost {
        let _ = request;
        Cost::default()
    }

    /// How many bytes the body of a request is, where that is known beforehand; 0 otherwise.
    fn bytes(&self, request: &Req) -> u64 {
        let _ = request;
        0
    }

    /// The load that an endpoint reports on a response.
    fn report(&self, response: &Res) -> Option<LoadReport> {
        let _ = response;
        None
    }

    /// The status code of a response, where responses have one.
    fn status(&self, response: &Res) -> Option<u16> {
        let _ = response;
        None
    }

    /// What an answer means by its head, or an error. Unless a protocol says otherwise an answer is a success, and an
    /// error is what [`classify_error`](crate::outcome::classify_error) says of it.
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static,
    {
        ClassifyResult.classify(result)
    }

    /// The rejection that an error is, or carries: a layer further in refused the call. Unless a protocol says otherwise it
    /// is [found](Rejection::within) in errors of the types that are known here; one for errors of a type of its own says
    /// where in it a rejection lies.
    fn rejection<'a>(&self, error: &'a Err) -> Option<&'a Rejection>
    where
        Err: 'static,
    {
        Rejection::within(error)
    }

    /// Ends the call, or hands its completion to the answer. The head, or the error, arrived at `now`.
    ///
    /// # Errors
    ///
    /// The error that it was given.
    fn complete<O: Observe>(
        &self,
        result: Result<Res, Err>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Err>
    where
        Err: 'static;

    /// The head, or the error, has arrived at `now`, for a completion that lies in the response future; what became of it is
    /// looked at where it lies. A protocol whose answers are large tells the completion here, and ends the call here if it is
    /// over, so that nothing is left for [`complete_in`](Self::complete_in) but to move the answer. Does nothing unless a
    /// protocol says otherwise.
    #[inline(always)]
    fn arrived<O: Observe>(
        &self,
        result: &Result<Res, Err>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) where
        Err: 'static,
    {
        let _ = (result, completion, now);
    }

    /// [`complete`](Self::complete), for a completion that lies in the response future. A protocol whose calls end with the
    /// response ends it where it lies: to move it costs as much as the rest of a cheap guard. Follows upon
    /// [`arrived`](Self::arrived), with the same.
    ///
    /// # Errors
    ///
    /// The error that it was given.
    ///
    /// # Panics
    ///
    /// When the completion is gone.
    #[inline(always)]
    fn complete_in<O: Observe>(
        &self,
        result: Result<Res, Err>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Err>
    where
        Err: 'static,
    {
        let Some(completion) = completion.take() else {
            unreachable!("a call ends once");
        };
        self.complete(result, completion, now)
    }

    /// [`complete_in`](Self::complete_in) of what a future was polled to, as it lies there. A protocol whose responses are
    /// large takes from it what is there, so that it is not moved as large as it can be.
    #[inline(always)]
    fn hand_on<O: Observe>(
        &self,
        polled: Poll<Result<Res, Err>>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) -> Poll<Result<Self::Response<O>, Err>>
    where
        Err: 'static,
    {
        match polled {
            Poll::Ready(result) => Poll::Ready(self.complete_in(result, completion, now)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// What a future was polled to, as it is: for layers that hand answers on unchanged. Likewise not moved as large as it can
    /// be.
    #[inline(always)]
    fn pass(&self, polled: Poll<Result<Res, Err>>) -> Poll<Result<Res, Err>> {
        polled
    }
}

/// Answers that are whole when they arrive: the call ends with its response. Any request, no context.
#[derive(Debug, Clone, Copy)]
pub struct Unary<C = ClassifyResult> {
    classify: C,
}

/// Answers that are streams of results: the call ends with the stream.
#[derive(Debug, Clone, Copy)]
pub struct Streaming<C = ClassifyResult, M = Chunks> {
    classify: C,
    meter: M,
}

/// Requests in the [`Call`] envelope, whose context is read; answers as `P` follows them.
#[derive(Debug, Clone, Copy)]
pub struct Enveloped<P = Unary> {
    inner: P,
}

// ===== impl Unary =====

// Of the plainest kind alone, so that `Unary::default()` needs no annotation.
impl Default for Unary {
    fn default() -> Self {
        Self::new(ClassifyResult)
    }
}

impl<C> Unary<C> {
    /// Judges answers by `classify`.
    pub const fn new(classify: C) -> Self {
        Self { classify }
    }

    #[inline(always)]
    fn end<Res, Err: 'static, O: Observe>(
        &self,
        result: &Result<Res, Err>,
        completion: &mut Completion<O>,
        now: Timestamp,
    ) where
        C: Classify<Res, Err>,
    {
        let outcome = self.classify.classify(result.as_ref());
        if result.is_ok() {
            completion.head(now);
        }
        completion.end_in_place(now, outcome);
    }
}

impl<Req, Res, Err, C> Protocol<Req, Res, Err> for Unary<C>
where
    C: Classify<Res, Err> + Clone,
{
    type Response<O: Observe> = Res;

    #[inline(always)]
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static,
    {
        self.classify.classify(result)
    }

    #[inline(always)]
    fn complete<O: Observe>(
        &self,
        result: Result<Res, Err>,
        mut completion: Completion<O>,
        now: Timestamp,
    ) -> Result<Res, Err>
    where
        Err: 'static,
    {
        self.end(&result, &mut completion, now);
        result
    }

    #[inline(always)]
    fn complete_in<O: Observe>(
        &self,
        result: Result<Res, Err>,
        completion: &mut Option<Completion<O>>,
        now: Timestamp,
    ) -> Result<Res, Err>
    where
        Err: 'static,
    {
        let Some(ending) = completion else {
            unreachable!("a call ends once");
        };
        self.end(&result, ending, now);
        *completion = None;
        result
    }
}

// ===== impl Streaming =====

impl Default for Streaming {
    fn default() -> Self {
        Self::new(ClassifyResult, Chunks)
    }
}

impl<C, M> Streaming<C, M> {
    /// Judges answers by `classify`, and counts each item's work with `meter`.
    pub const fn new(classify: C, meter: M) -> Self {
        Self { classify, meter }
    }
}

impl<Req, Res, Err, C, M> Protocol<Req, Res, Err> for Streaming<C, M>
where
    C: Classify<Res, Err> + Clone,
    M: Clone,
{
    type Response<O: Observe> = GuardedStream<Res, O, M>;

    #[inline]
    fn classify(&self, result: Result<&Res, &Err>) -> Outcome
    where
        Err: 'static,
    {
        self.classify.classify(result)
    }

    fn complete<O: Observe>(
        &self,
        result: Result<Res, Err>,
        completion: Completion<O>,
        now: Timestamp,
    ) -> Result<Self::Response<O>, Err>
    where
        Err: 'static,
    {
        let outcome = self.classify.classify(result.as_ref());
        let (stream, completion) = head(result, completion, outcome, now)?;
        Ok(GuardedStream::new(
            stream,
            completion,
            self.meter.clone(),
            outcome,
        ))
    }
}

/// Tells of the head; an error ends the call.
fn head<T, Err, O: Observe>(
    result: Result<T, Err>,
    mut completion: Completion<O>,
    outcome: Outcome,
    now: Timestamp,
) -> Result<(T, Completion<O>), Err> {
    match result {
        Ok(answer) => {
            completion.head(now);
            Ok((answer, completion))
        }
        Err(error) => {
            completion.end(now, outcome);
            Err(error)
        }
    }
}

// ===== impl Enveloped =====

impl Default for Enveloped {
    fn default() -> Self {
        Self::new(Unary::default())
    }
}

impl<P> Enveloped<P> {
    /// Follows answers as `inner` does.
    pub const fn new(inner: P) -> Self {
        Self { inner }
    }
}

impl<T, Res, Err, P> Protocol<Call<T>, Res, Err> for Enveloped<P>
where
    P: Protocol<T, Res, Err>,
{
    type Response<O: Observe> = P::Response<O>;

    fn context<'a>(&self, request: &'a Call<T>) -> Option<&'a Context> {
        Some(&request.context)
    }

    fn context_mut<'a>(&self, request: &'a mut Call<T>) -> Option<&'a mut Context> {
        Some(&mut request.context)
    }

    fn cost(&self, request: &Call<T>) -> Cost {
        self.inner.cost(&request.message)
    }

    fn bytes(&self, request: &Call<T>) -> u64 {
        self.inner.bytes(&request.message)
    }

    fn report(&self, response: &Res) -> Option<LoadReport> {
        self.inner.report(response)
    }

    forward_answers!();
}
