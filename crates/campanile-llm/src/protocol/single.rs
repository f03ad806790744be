use campanile::{Completion, Outcome, Usage, completion::Observe, time::Timestamp};

use crate::error::Error;

/// The protocol of calls whose answers are never streamed: each ends with its answer. What a request costs, how many bytes it is,
/// and what its answer tells of usage differ.
macro_rules! single {
    ($protocol:ident: $request:ty => $answer:ty, $cost:expr, $bytes:expr, $usage:expr) => {
        impl campanile::protocol::Protocol<campanile::Call<$request>, $answer, $crate::Error>
            for $protocol
        {
            type Response<O: campanile::completion::Observe> = $answer;

            #[inline]
            fn context<'a>(
                &self,
                request: &'a campanile::Call<$request>,
            ) -> Option<&'a campanile::Context> {
                Some(&request.context)
            }

            #[inline]
            fn context_mut<'a>(
                &self,
                request: &'a mut campanile::Call<$request>,
            ) -> Option<&'a mut campanile::Context> {
                Some(&mut request.context)
            }

            fn cost(&self, request: &campanile::Call<$request>) -> campanile::Cost {
                $cost(&request.message)
            }

            fn bytes(&self, request: &campanile::Call<$request>) -> u64 {
                $bytes(&request.message)
            }

            fn classify(&self, result: Result<&$answer, &$crate::Error>) -> campanile::Outcome {
                result.map_or_else($crate::Error::outcome, |_| campanile::Outcome::Success)
            }

            fn status(&self, _response: &$answer) -> Option<u16> {
                Some(200)
            }

            fn rejection<'a>(&self, error: &'a $crate::Error) -> Option<&'a campanile::Rejection> {
                error.rejection()
            }

            fn complete<O: campanile::completion::Observe>(
                &self,
                result: Result<$answer, $crate::Error>,
                completion: campanile::Completion<O>,
                now: campanile::time::Timestamp,
            ) -> Result<$answer, $crate::Error> {
                $crate::protocol::single::end(result, completion, now, $usage)
            }
        }

        /// They are whole: between their data there is no clock.
        impl campanile::timeout::Clocked<$answer> for $protocol {
            type Response<N> = $answer;

            fn clocked<N>(
                response: $answer,
                _countdown: campanile::timeout::Countdown<N>,
            ) -> $answer {
                response
            }
        }
    };
}

pub(crate) use single;

/// Ends a call with its answer.
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
