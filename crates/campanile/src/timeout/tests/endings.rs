//! However a call ends, nothing is left of it.

use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::{protocol::Streaming, testing::seeded};

#[tokio::test(start_paused = true)]
async fn ten_thousand_random_endings_leave_nothing() {
    const CALLS: u64 = 10_000;
    let permits = Permits::new(64);
    let script = Script::<_>::rule(|call| {
        let mut rng = seeded(call);
        let mut stream = ScriptStream::new();
        for _ in 0..rng.u32(..4) {
            stream = stream.piece(rng.u32(..)).pause(rng.u32(..40) * MS);
        }
        let stream = match rng.u32(..5) {
            0 => stream.cut("reset"),
            1 => stream.stall(),
            2 => stream.panic(),
            _ => stream,
        };
        let step = match rng.u32(..6) {
            0 => Step::error("failed"),
            1 => Step::stall(),
            2 => Step::panic_in_poll(),
            3 => Step::panic_in_call(),
            _ => Step::answer(stream),
        };
        step.after(rng.u32(..40) * MS)
    });
    let config = clocks()
        .with_head(30 * MS)
        .with_first_data(50 * MS)
        .with_between_data(30 * MS)
        .with_total(80 * MS);
    let probe = ReadinessProbe::new(script.service()).permits(permits.clone());
    let inner = ServiceExt::<()>::map_response(probe, |stream: ScriptStream<u32>| {
        stream.map(|item| item.map_err(BoxError::from))
    });
    let service = TimeoutLayer::new(config)
        .unwrap()
        .protocol(Streaming::default())
        .layer(inner);
    let mut rng = seeded(7);
    let mut ends = [0_u32; 5];
    for _ in 0..CALLS {
        let service = service.clone();
        let patience = rng.u32(..160) * MS;
        let call = async move {
            let mut stream = std::pin::pin!(service.oneshot(()).await?);
            while let Some(item) = stream.next().await {
                item?;
            }
            Ok::<_, BoxError>(())
        };
        let call = std::panic::AssertUnwindSafe(tokio::time::timeout(patience, call));
        ends[match call.catch_unwind().await {
            Ok(Ok(Ok(()))) => 0,
            Ok(Ok(Err(error))) if Rejection::find(&*error).is_some() => 1,
            Ok(Ok(Err(_))) => 2,
            Ok(Err(_)) => 3,
            Err(_) => 4,
        }] += 1;
        let counts = script.counts();
        assert_eq!(counts.in_flight, 0);
        assert_eq!((permits.used(), permits.reserved()), (0, 0));
    }
    assert!(ends.iter().all(|end| *end > 200), "{ends:?}");
    let counts = script.counts();
    assert_eq!(
        counts.calls,
        counts.finished + counts.cancelled + counts.panicked
    );
}
