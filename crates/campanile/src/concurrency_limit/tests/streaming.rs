use futures_util::StreamExt;

use super::*;
use crate::{
    protocol::Streaming,
    testing::{Cut, ScriptStream},
};

type Words = ScriptStream<&'static str>;

fn streams(config: ConcurrencyLimitConfig, words: &Words) -> Limited<Words, Streaming> {
    let script = Script::new(Step::answer(words.clone()));
    ConcurrencyLimitLayer::new(config)
        .unwrap()
        .protocol(Streaming::default())
        .layer(script.service())
}

/// 50 streams open under tower-resilience's `Bulkhead(2)`, `Adaptive(2)` and tower's `ConcurrencyLimit(2)`.
#[tokio::test(start_paused = true)]
async fn a_permit_lasts_to_the_end_of_the_stream() {
    let words = ScriptStream::new().piece("one").pause(SEC).piece("two");
    let service = streams(ConcurrencyLimitConfig::fixed(2).refusing(), &words);
    let handle = service.handle();
    let mut open = Vec::new();
    for _ in 0..50 {
        if let Ok(stream) = call(&service).await {
            open.push(stream);
        }
    }
    assert_eq!((open.len(), handle.in_use()), (2, 2));
    for (left, mut stream) in (0..2).rev().zip(open) {
        assert_eq!(stream.next().await.unwrap().unwrap(), "one");
        assert_eq!(stream.next().await.unwrap().unwrap(), "two");
        assert_eq!(handle.in_use(), left + 1, "the end has not been seen yet");
        assert!(stream.next().await.is_none());
        assert_eq!(handle.in_use(), left, "though the stream is still there");
    }
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn a_permit_outlives_no_stream_however_it_ends() {
    let words = ScriptStream::new().piece("one").cut("reset");
    let service = streams(ConcurrencyLimitConfig::fixed(1).refusing(), &words);
    let handle = service.handle();
    // Cut, and dropped then.
    let mut stream = call(&service).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    assert_eq!(stream.next().await.unwrap(), Err(Cut("reset".into())));
    drop(stream);
    assert_at_rest(&handle);
    // Dropped unread; dropped in the middle.
    drop(call(&service).await.unwrap());
    assert_at_rest(&handle);
    let mut stream = call(&service).await.unwrap();
    assert!(stream.next().await.unwrap().is_ok());
    drop(stream);
    assert_at_rest(&handle);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_stream_lets_the_next_go() {
    let words = ScriptStream::new().piece("one");
    let service = streams(ConcurrencyLimitConfig::fixed(1), &words);
    let stream = call(&service).await.unwrap();
    let mut waiting = Box::pin(call(&service));
    assert!((&mut waiting).now_or_never().is_none());
    assert_eq!(stream.count().await, 1);
    assert_eq!(waiting.await.unwrap().count().await, 1);
    assert_at_rest(&service.handle());
}
