use bytes::Bytes;
use futures_util::{StreamExt, stream};

use super::*;

fn event(part: Part) -> Result<ChatEvent, Error> {
    Ok(ChatEvent::new(
        Bytes::from_static(b"data: {}\n\n"),
        6..8,
        part,
    ))
}

#[tokio::test]
async fn a_stream_without_a_proof_ends_in_an_error() {
    let mut cut = ChatStream::new(stream::iter([event(Part::Content)]));
    assert!(cut.next().await.unwrap().is_ok());
    let error = cut.next().await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Interrupted);
    assert!(cut.next().await.is_none());
}

#[tokio::test]
async fn nothing_follows_the_end() {
    let mut whole = ChatStream::new(stream::iter([event(Part::End), event(Part::Content)]));
    assert_eq!(whole.next().await.unwrap().unwrap().data(), b"{}");
    assert!(whole.next().await.is_none());
}

#[tokio::test]
async fn nothing_follows_an_error() {
    let error = || Err(Error::new(Class::Server, "broken"));
    let mut broken = ChatStream::new(stream::iter([error(), event(Part::Content)]));
    assert_eq!(
        broken.next().await.unwrap().unwrap_err().class(),
        Class::Server
    );
    assert!(broken.next().await.is_none());
}

#[test]
fn nothing_of_what_is_said_is_shown() {
    let shown = |what: &dyn std::fmt::Debug| {
        let text = format!("{what:?}");
        assert!(!text.contains("secret") && !text.contains("115"), "{text}");
    };
    let line = "data: {\"a\":\"secret\"}\n\n";
    let mut sse = SseFrames::default();
    sse.push(format!("{line}data: sec").into());
    shown(&sse);
    shown(&sse.next().unwrap().unwrap());
    assert!(sse.next().unwrap().is_none());
    shown(&sse);
    let mut lines = NdjsonFrames::default();
    lines.push("secret\nsecret".into());
    shown(&lines);
    shown(&lines.next().unwrap().unwrap());
    shown(&ChatEvent::new(
        line.into(),
        6..line.len() - 2,
        Part::Content,
    ));
}
