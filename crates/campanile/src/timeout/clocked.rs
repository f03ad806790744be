use super::{Countdown, TimedStream};
use crate::protocol::{Costed, Enveloped, Reported, Streaming, Unary};

/// How the answers of a [protocol](crate::protocol) go on under the clocks of their call. Write one for a protocol of
/// your own.
pub trait Clocked<Res> {
    /// The answer under its clocks; `N` tells what counts as data.
    type Response<N>;

    /// The head has arrived: puts what follows it under the clocks.
    fn clocked<N>(response: Res, countdown: Countdown<N>) -> Self::Response<N>;
}

impl<C, Res> Clocked<Res> for Unary<C> {
    type Response<N> = Res;

    #[inline]
    fn clocked<N>(response: Res, _countdown: Countdown<N>) -> Res {
        response
    }
}

impl<C, M, Res> Clocked<Res> for Streaming<C, M> {
    type Response<N> = TimedStream<Res, N>;

    #[inline]
    fn clocked<N>(response: Res, countdown: Countdown<N>) -> TimedStream<Res, N> {
        TimedStream::new(response, countdown)
    }
}

#[cfg(feature = "http")]
impl<C, M, B> Clocked<http::Response<B>> for crate::protocol::Http<C, M> {
    type Response<N> = http::Response<super::TimedBody<B, N>>;

    #[inline]
    fn clocked<N>(response: http::Response<B>, countdown: Countdown<N>) -> Self::Response<N> {
        response.map(|body| super::TimedBody::new(body, countdown))
    }
}

impl<P: Clocked<Res>, Res> Clocked<Res> for Enveloped<P> {
    type Response<N> = P::Response<N>;

    #[inline]
    fn clocked<N>(response: Res, countdown: Countdown<N>) -> P::Response<N> {
        P::clocked(response, countdown)
    }
}

impl<P: Clocked<Res>, F, Res> Clocked<Res> for Costed<P, F> {
    type Response<N> = P::Response<N>;

    #[inline]
    fn clocked<N>(response: Res, countdown: Countdown<N>) -> P::Response<N> {
        P::clocked(response, countdown)
    }
}

impl<P: Clocked<Res>, F, Res> Clocked<Res> for Reported<P, F> {
    type Response<N> = P::Response<N>;

    #[inline]
    fn clocked<N>(response: Res, countdown: Countdown<N>) -> P::Response<N> {
        P::clocked(response, countdown)
    }
}
