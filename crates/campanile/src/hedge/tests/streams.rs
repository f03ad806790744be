use futures_core::Stream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};

use super::*;
use crate::{protocol::Streaming, testing::ScriptStream};

type Words = ScriptStream<&'static str>;

/// The head at once, the first word after `pause`.
fn words(first: &'static str, pause: Duration) -> Words {
    Words::new()
        .pause(pause)
        .piece(first)
        .pause(10 * MS)
        .piece("end")
}

fn over(script: &Script<Words>) -> Hedge<Scripted<Words>, Streaming, OnFirstItem> {
    HedgeLayer::new(plain())
        .unwrap()
        .streaming()
        .budget(rich())
        .layer(script.service())
}

fn script(first: Words, hedge: Words) -> Script<Words> {
    Script::<_>::new(Step::answer(hedge)).then(Step::answer(first))
}

#[tokio::test(start_paused = true)]
async fn heads_that_come_at_once_decide_nothing() {
    let script = script(words("first", SEC), words("hedge", 50 * MS));
    let (answer, took) = timed(over(&script).oneshot(())).await;
    assert_eq!(took, 150 * MS);
    let (read, took) = timed(answer.unwrap().try_collect::<Vec<_>>()).await;
    assert_eq!((read.unwrap(), took), (vec!["hedge", "end"], 10 * MS));
}

#[tokio::test(start_paused = true)]
async fn the_first_word_of_the_first_copy_wins_as_well() {
    let script = script(words("first", 120 * MS), words("hedge", 50 * MS));
    let (answer, took) = timed(over(&script).oneshot(())).await;
    assert_eq!(took, 120 * MS);
    let mut answer = answer.unwrap();
    assert_eq!(answer.size_hint(), (1, None));
    assert_eq!(answer.next().await.unwrap().unwrap(), "first");
    assert_eq!(answer.next().await.unwrap().unwrap(), "end");
    assert!(answer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_fast_is_handed_out_whole() {
    let script = Script::answering(words("first", 20 * MS));
    let service = over(&script);
    let read: Vec<_> = service
        .clone()
        .oneshot(())
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!((read, service.snapshot().hedged), (vec!["first", "end"], 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_stream_is_an_answer_and_says_so_as_often_as_asked() {
    let script = Script::answering(Words::new());
    let mut answer = over(&script).oneshot(()).await.unwrap();
    assert_eq!(answer.size_hint().0, 0);
    assert!(answer.next().await.is_none() && answer.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_breaks_off_before_its_first_word_has_failed() {
    // Before the delay it is the answer, as it is.
    let cut = || Words::new().cut("reset");
    let alone = Script::answering(cut());
    let mut answer = over(&alone).oneshot(()).await.unwrap();
    assert!(answer.next().await.unwrap().is_err() && answer.next().await.is_none());
    assert_eq!(alone.counts().calls, 1);
    // Later the other is awaited.
    let late = Words::new().pause(150 * MS).cut("reset");
    let script = script(late.clone(), words("hedge", 200 * MS));
    let read: Vec<_> = over(&script)
        .oneshot(())
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(read, ["hedge", "end"]);
    let script = self::script(words("first", 300 * MS), cut());
    let mut answer = over(&script).oneshot(()).await.unwrap();
    assert_eq!(
        answer.next().now_or_never().unwrap().unwrap().unwrap(),
        "first"
    );
    let both = self::script(late.clone(), late);
    let mut answer = over(&both).oneshot(()).await.unwrap();
    assert!(answer.next().await.unwrap().is_err());
}
