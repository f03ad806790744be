//! Answers that are streams.

use futures_util::{Stream, StreamExt};
use tokio_test::task;
use tower::util::BoxCloneSyncService;

use super::*;
use crate::{protocol::Streaming, testing::Cut};

/// A stream whose error can be a rejection.
type Words = std::pin::Pin<Box<dyn Stream<Item = Result<&'static str, BoxError>> + Send>>;
type Boxed<Req> = BoxCloneSyncService<Req, Words, BoxError>;
type Timed = Timeout<Boxed<()>, Streaming, Everything>;

fn boxed<Req: Send + 'static>(script: &Script<ScriptStream<&'static str>>) -> Boxed<Req> {
    let words = |stream: ScriptStream<&'static str>| {
        stream.map(|item| item.map_err(BoxError::from)).boxed() as Words
    };
    BoxCloneSyncService::new(ServiceExt::<Req>::map_response(script.service(), words))
}

/// Streams of this script, the head after `latency`.
fn streaming(
    stream: ScriptStream<&'static str>,
    latency: Duration,
    config: TimeoutConfig,
) -> Timed {
    let script = Script::new(Step::answer(stream).after(latency));
    TimeoutLayer::new(config)
        .unwrap()
        .streaming()
        .layer(boxed(&script))
}

/// The pieces up to the end, the error if there was one, and how long it took from the call.
async fn read(service: Timed) -> (Vec<&'static str>, Option<BoxError>, Duration) {
    let begin = Instant::now();
    let mut pieces = Vec::new();
    let mut error = None;
    match service.oneshot(()).await {
        Ok(stream) => {
            let mut stream = std::pin::pin!(stream);
            while let Some(item) = stream.next().await {
                assert!(error.is_none(), "something follows the error");
                match item {
                    Ok(piece) => pieces.push(piece),
                    Err(cut) => error = Some(cut),
                }
            }
        }
        Err(head) => error = Some(head),
    }
    (pieces, error, Instant::now() - begin)
}

#[tokio::test(start_paused = true)]
async fn a_stream_in_time_is_left_alone() {
    let script = ScriptStream::new().piece("one").pause(40 * MS).piece("two");
    let config = clocks()
        .with_head(30 * MS)
        .with_first_data(60 * MS)
        .with_between_data(50 * MS)
        .with_total(SEC);
    let service = streaming(script.clone(), 20 * MS, config.clone());
    let (pieces, error, took) = read(service).await;
    assert!(error.is_none(), "{error:?}");
    assert_eq!((pieces, took), (vec!["one", "two"], 60 * MS));

    let service = streaming(script.cut("reset"), 20 * MS, config);
    let (pieces, error, _) = read(service).await;
    assert_eq!(pieces, ["one", "two"]);
    assert!(error.unwrap().is::<Cut>(), "its own error passes through");
}

#[tokio::test(start_paused = true)]
async fn each_clock_cuts_what_it_is_for() {
    let stalls = ScriptStream::new().stall();
    let once = ScriptStream::new().piece("one").stall();
    let slow = |pause: Duration| {
        (0..100).fold(ScriptStream::new(), |stream, _| {
            stream.piece("x").pause(pause)
        })
    };
    let all = clocks()
        .with_head(30 * MS)
        .with_first_data(60 * MS)
        .with_between_data(50 * MS)
        .with_total(500 * MS);
    for (stream, head, clock, after) in [
        (stalls.clone(), 31 * MS, Clock::Head, 30 * MS),
        (stalls.clone(), 20 * MS, Clock::FirstData, 60 * MS),
        (once.clone(), 20 * MS, Clock::BetweenData, 70 * MS),
        (slow(40 * MS), 20 * MS, Clock::Total, 500 * MS),
        (slow(60 * MS), 20 * MS, Clock::BetweenData, 70 * MS),
    ] {
        let service = streaming(stream, head, all.clone());
        let (_, error, took) = read(service).await;
        assert_timed_out(&error.expect("it ended cleanly"), clock);
        assert!((after..=after + MS).contains(&took), "{clock}: {took:?}");
    }
    // Without one of its own the first data is waited for as any other.
    let service = streaming(stalls, 20 * MS, clocks().with_between_data(50 * MS));
    let (_, error, took) = read(service).await;
    assert_timed_out(&error.unwrap(), Clock::BetweenData);
    assert!((70 * MS..=71 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deadline_cuts_a_stream() {
    let script =
        Script::<ScriptStream<&str>>::new(Step::answer(ScriptStream::new().piece("one").stall()));
    let service = TimeoutLayer::new(clocks())
        .unwrap()
        .protocol(crate::protocol::Enveloped::new(Streaming::default()))
        .layer(boxed(&script));
    let stream = service.oneshot(call_within(80 * MS)).await.unwrap();
    let (items, took) = taking(stream.collect::<Vec<_>>()).await;
    assert_eq!(items.len(), 2);
    assert_timed_out(items[1].as_ref().unwrap_err(), Clock::Deadline);
    assert!((80 * MS..=81 * MS).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_uses_up_the_total_and_not_the_gaps() {
    let pieces = ["one", "two", "three"]
        .into_iter()
        .collect::<ScriptStream<_>>();
    let service = streaming(pieces.clone(), MS, clocks().with_between_data(50 * MS));
    let mut stream = Box::pin(service.oneshot(()).await.unwrap());
    for _ in 0..3 {
        tokio::time::sleep(10 * SEC).await;
        assert!(stream.next().await.unwrap().is_ok());
    }
    assert!(stream.next().await.is_none());

    // Always something at hand, and stopped all the same.
    let service = streaming(pieces, MS, clocks().with_total(15 * SEC));
    let mut stream = Box::pin(service.oneshot(()).await.unwrap());
    tokio::time::sleep(10 * SEC).await;
    assert!(stream.next().await.unwrap().is_ok());
    tokio::time::sleep(10 * SEC).await;
    assert_timed_out(&stream.next().await.unwrap().unwrap_err(), Clock::Total);
    assert!(stream.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_gap_while_the_reader_is_away_may_be_long() {
    // The reader asks once, finds nothing, and comes back when there is something, long after.
    let script = ScriptStream::new().piece("one").pause(30 * MS).piece("two");
    let service = streaming(script, MS, clocks().with_between_data(50 * MS));
    let mut stream = task::spawn(Box::pin(service.oneshot(()).await.unwrap()));
    assert!(stream.poll_next().is_ready());
    assert!(stream.poll_next().is_pending());
    tokio::time::sleep(10 * SEC).await;
    assert!(matches!(
        stream.poll_next(),
        std::task::Poll::Ready(Some(Ok("two")))
    ));
}

#[tokio::test(start_paused = true)]
async fn comments_can_be_told_not_to_count() {
    let comments = |ends: &'static str| {
        (0..50)
            .fold(ScriptStream::new(), |stream, _| {
                stream.pause(20 * MS).piece(": still here\n\n")
            })
            .piece(ends)
    };
    let config = clocks()
        .with_first_data(200 * MS)
        .with_between_data(100 * MS);

    // Counted as data they keep a stream alive that says nothing.
    let service = streaming(comments("data: x\n\n"), MS, config.clone());
    let (pieces, error, _) = read(service).await;
    assert!(error.is_none());
    assert_eq!(pieces.len(), 51);

    for (config, clock, after) in [
        (config.clone(), Clock::FirstData, 200 * MS),
        (
            clocks().with_between_data(100 * MS),
            Clock::BetweenData,
            101 * MS,
        ),
    ] {
        let script = Script::new(Step::answer(comments("data: x\n\n")).after(MS));
        let service = TimeoutLayer::new(config)
            .unwrap()
            .streaming()
            .counting(SseData::new())
            .layer(boxed(&script));
        let begin = Instant::now();
        let stream = service.oneshot(()).await.unwrap();
        let mut items: Vec<_> = stream.collect().await;
        assert_timed_out(&items.pop().unwrap().unwrap_err(), clock);
        let took = Instant::now() - begin;
        assert!((after..=after + MS).contains(&took), "{clock}: {took:?}");
        assert!(items.iter().all(Result::is_ok), "comments are passed on");
        assert!(items.len() > 3);
    }
}

/// A stream of comments that is always ready, so that no wait is ever seen.
#[tokio::test(start_paused = true)]
async fn comments_without_a_pause_do_not_go_on_for_ever() {
    let service = TimeoutLayer::new(clocks().with_between_data(50 * MS))
        .unwrap()
        .streaming()
        .counting(SseData::new())
        .layer(tower::service_fn(|_: ()| {
            let comments = futures_util::stream::repeat(": here\n").then(|comment| async move {
                tokio::time::advance(MS).await;
                Ok::<_, BoxError>(comment)
            });
            std::future::ready(Ok::<_, BoxError>(comments))
        }));
    let stream = service.oneshot(()).await.unwrap();
    let items = stream.collect::<Vec<_>>().await;
    assert!((45..=55).contains(&items.len()), "{}", items.len());
    assert_timed_out(
        items.last().unwrap().as_ref().unwrap_err(),
        Clock::BetweenData,
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_upstream_is_dropped_with_the_error() {
    struct Held(std::sync::Arc<()>);
    let held = std::sync::Arc::new(());
    let inner = Held(std::sync::Arc::clone(&held));
    let stream = futures_util::stream::poll_fn(move |_| {
        let _ = &inner.0;
        std::task::Poll::<Option<Result<(), BoxError>>>::Pending
    });
    let slot = std::sync::Mutex::new(Some(stream));
    let mut service = TimeoutLayer::new(clocks().with_first_data(50 * MS))
        .unwrap()
        .streaming()
        .layer(tower::service_fn(move |_: ()| {
            std::future::ready(Ok::<_, BoxError>(slot.lock().unwrap().take().unwrap()))
        }));
    let mut stream = std::pin::pin!(ready(&mut service).await.unwrap().call(()).await.unwrap());
    assert_eq!(std::sync::Arc::strong_count(&held), 2);
    assert_timed_out(&stream.next().await.unwrap().unwrap_err(), Clock::FirstData);
    assert_eq!(std::sync::Arc::strong_count(&held), 1);
    assert!(stream.next().await.is_none());
    assert_eq!(stream.size_hint(), (0, Some(0)));
}
