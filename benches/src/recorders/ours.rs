use std::task::{Context, Poll};

use campanile::{
    BoxError,
    completion::{Completion, GuardedStream},
    metrics::{MetricsLayer, Recorder},
    protocol::{Guarded, Streaming},
};
use tower::{Layer, Service};

use super::{
    Open, STREAM, UNARY, WAITED,
    stream::{Drain, Pieces},
    waited,
};
use crate::{
    Instant0,
    case::{Case, Message, OURS},
    guards::{Frame, Last},
};

/// What recording costs when nothing is recorded.
const FOLLOWING: &str = "campanile, following the call only";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::numbers(UNARY, OURS, || layer().layer(Instant0)),
        Case::numbers(UNARY, "campanile, stage and endpoint", || {
            layer().layer(layer().layer(Instant0))
        }),
        Case::new(WAITED, OURS, Message::Called, waited, || {
            layer().calls().layer(Open)
        }),
        Case::new(
            STREAM,
            OURS,
            Message::Stream,
            |number| number,
            || Drain(layer().protocol(Streaming::default()).layer(Pieces)),
        ),
        Case::numbers(UNARY, FOLLOWING, || Frame),
        Case::new(
            STREAM,
            FOLLOWING,
            Message::Stream,
            |number| number,
            || Drain(Following),
        ),
    ]
}

/// Records everything, for an endpoint of its own.
fn layer() -> MetricsLayer {
    MetricsLayer::new(&Recorder::new())
}

/// Follows streams and keeps nothing of them.
#[derive(Debug, Clone)]
struct Following;

impl Service<u64> for Following {
    type Response = GuardedStream<<Pieces as Service<u64>>::Response, Last>;
    type Error = BoxError;
    type Future = Guarded<Pieces, Streaming, Last, u64>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        let completion = Completion::new(Last);
        Guarded::calling(Pieces.call(request), completion, Streaming::default())
    }
}
