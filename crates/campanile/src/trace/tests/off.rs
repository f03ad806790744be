//! Where nobody listens.

use super::*;
use crate::{completion::Observe, time::Timestamp};

#[tokio::test(start_paused = true)]
async fn nothing_is_made_where_nobody_listens() {
    for (level, only) in [
        (LevelFilter::OFF, "campanile::"),
        (LevelFilter::ERROR, "campanile::"),
        (LevelFilter::TRACE, "something::else"),
    ] {
        let (capture, _guard) = Capture::of(level, only);
        let (well, down) = (well(), down());
        for script in [&well, &down] {
            let mut service = stage(script);
            let mut call = Call::new(());
            assert!(service.begin(&mut call).is_none(), "{level} {only}");
            assert!(call.context.id.is_none() && call.context.trail.is_none());
            let _ = ServiceBuilder::new()
                .layer(TraceLayer::stage("chat").calls())
                .layer(TraceLayer::attempt().calls())
                .layer(TraceLayer::endpoint(&Endpoint::new("a")).calls())
                .service(script.service())
                .oneshot(Call::new(()))
                .await;
        }
        assert_eq!(capture.text(), "[] []");
    }
}

#[test]
fn a_call_that_nobody_listens_to_reads_no_clock() {
    assert_eq!(Traced::OFF.clock(), Timestamp::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_stage_that_writes_no_lines_needs_a_span_to_be_on() {
    let config = TraceConfig::default()
        .with_failure(LogLevel::Off)
        .with_throttled(LogLevel::Off)
        .with_overloaded(LogLevel::Off)
        .with_ignored(LogLevel::Off)
        .with_cancelled(LogLevel::Off);
    let (capture, _guard) = Capture::of(LevelFilter::WARN, "campanile::");
    let layer = TraceLayer::stage("chat").calls().config(config).unwrap();
    assert!(
        layer
            .layer(down().service())
            .oneshot(Call::new(()))
            .await
            .is_err()
    );
    assert_eq!(capture.text(), "[] []");
}
