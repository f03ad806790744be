use std::convert::Infallible;

use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use sse_stream::SseByteStream;

use super::*;
use crate::error::Class;

/// Frames of a body in these chunks, and the error that it ends in.
fn cut(cap: usize, chunks: &[&[u8]]) -> (Vec<Frame>, Option<Error>) {
    let mut frames = SseFrames::new(cap);
    let mut all = Vec::new();
    for chunk in chunks {
        frames.push(Bytes::copy_from_slice(chunk));
        loop {
            match frames.next() {
                Ok(Some(frame)) => all.push(frame),
                Ok(None) => break,
                Err(error) => return (all, Some(error)),
            }
        }
    }
    loop {
        match frames.end() {
            Ok(Some(frame)) => all.push(frame),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn all(text: &str) -> Vec<Frame> {
    let (frames, error) = cut(DEFAULT_CAP, &[text.as_bytes()]);
    assert!(error.is_none());
    frames
}

/// The body in pieces, each as long as the next of these numbers says.
fn pieces<'a>(body: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = body;
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !rest.is_empty() {
        let length = lengths.next().map_or(1, |length| *length);
        let (piece, after) = rest.split_at(length.clamp(1, rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

#[test]
fn every_line_end_ends_a_line() {
    for end in ["\n", "\r", "\r\n"] {
        let text = format!("event: a{end}data: 1{end}{end}data: 2{end}{end}");
        let frames = all(&text);
        assert_eq!(frames.len(), 2, "{end:?}");
        assert_eq!(frames[0].event(), "a");
        assert_eq!(frames[0].data(), "1");
        assert_eq!(frames[1].event(), "");
        assert_eq!(frames[1].data(), "2");
        let bytes: Vec<_> = frames.iter().map(|frame| &frame.bytes()[..]).collect();
        assert_eq!(bytes.concat(), text.as_bytes(), "verbatim");
    }
}

#[test]
fn fields_are_read_as_the_standard_says() {
    for (text, data, event) in [
        ("data:1\n\n", "1", ""),
        ("data:  1 \n\n", " 1 ", ""),
        ("data\n\n", "", ""),
        ("data: a\ndata\ndata:b\n\n", "a\n\nb", ""),
        (
            "data: a\nid: 3\nretry: 5\nother\n: no\ndata: b\n\n",
            "a\nb",
            "",
        ),
        ("event: a\nevent: b\ndata: 1\n\n", "1", "b"),
        ("event: a\nevent\ndata: 1\n\n", "1", ""),
        ("dataset: 1\nevents: 2\n Data: 3\n\n", "", ""),
        (": data: 1\n\n", "", ""),
        ("\u{feff}data: 1\n\n", "1", ""),
        ("data: \u{feff}1\n\n", "\u{feff}1", ""),
    ] {
        let frames = all(text);
        assert_eq!(frames.len(), 1, "{text:?}");
        assert_eq!(frames[0].data(), data, "{text:?}");
        assert_eq!(frames[0].event(), event, "{text:?}");
    }
}

#[test]
fn a_frame_in_one_chunk_is_a_part_of_it() {
    let chunk = Bytes::from(b"data: 1\n\nevent: e\ndata: 2\n\nda".to_vec());
    let within = |part: &Bytes| chunk.as_ptr_range().contains(&part.as_ptr());
    let mut frames = SseFrames::default();
    frames.push(chunk.clone());
    for _ in 0..2 {
        let frame = frames.next().unwrap().unwrap();
        assert!(within(frame.bytes()) && within(frame.data()));
        assert_eq!(
            frame.bytes()[frame.place.clone().unwrap()],
            frame.data()[..]
        );
    }
    assert!(frames.next().unwrap().is_none());
}

#[test]
fn a_frame_above_the_cap_is_the_last() {
    let (frames, error) = cut(16, &[b"data: 1\n\ndata: 23456789\n\n"]);
    assert_eq!((frames.len(), error.is_none()), (2, true), "16 bytes");
    let (frames, error) = cut(15, &[b"data: 1\n\ndata: 23456789\n\n"]);
    let error = error.unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(error.class(), Class::Malformed);
    assert!(error.message().contains("15 bytes"), "{error}");

    let mut frames = SseFrames::new(8);
    frames.push(Bytes::from_static(b"data: 1234"));
    assert!(frames.next().is_err());
    frames.push(Bytes::from_static(b"\n\ndata: 1\n\n"));
    assert!(frames.next().unwrap().is_none());
    assert!(frames.end().unwrap().is_none());
}

#[test]
fn what_is_gathered_is_bounded_by_the_cap() {
    let mut frames = SseFrames::new(100);
    let mut pushed = 0;
    while frames.next().is_ok() {
        frames.push(Bytes::from_static(b"data: endless "));
        pushed += 14;
        assert!(frames.tail.len() <= 100);
    }
    assert!(pushed < 130);
    assert_eq!(frames.tail.capacity(), 0, "given back");
}

#[test]
fn an_event_that_was_cut_off_counts_when_its_data_is_whole() {
    for (text, data, bytes) in [
        ("data: [DONE]", "[DONE]", "data: [DONE]\n\n"),
        ("data: [DONE]\n", "[DONE]", "data: [DONE]\n\n"),
        ("data: {\"a\":1}\r", "{\"a\":1}", "data: {\"a\":1}\r\n\n"),
        ("data: {}\r\n", "{}", "data: {}\r\n\n"),
        ("data: {\r\n\r", "{", "data: {\r\n\r"),
    ] {
        let frames = all(text);
        assert_eq!(frames.len(), 1, "{text:?}");
        assert_eq!(frames[0].data(), data);
        assert_eq!(frames[0].bytes(), bytes);
        assert_eq!(all(bytes)[0].data(), data, "it is a frame");
    }
    for text in [
        "",
        "data: [DONE",
        "data: {\"a\":1",
        "data: 12",
        "event: e\n",
        "\u{feff}",
        ": x",
    ] {
        assert!(all(text).is_empty(), "{text:?}");
    }
    assert!(cut(100, &[b"\xef\xbb"]).0.is_empty());
}

#[test]
fn chunks_pushed_at_once_are_read_in_their_order() {
    let mut frames = SseFrames::default();
    for chunk in ["data: 1\n\nda", "ta: 2\n", "\n"] {
        frames.push(chunk.into());
    }
    assert_eq!(frames.next().unwrap().unwrap().data(), "1");
    assert_eq!(frames.next().unwrap().unwrap().data(), "2");
    assert!(frames.end().unwrap().is_none());
}

/// Bodies of what matters to a scanner.
fn bodies() -> impl Strategy<Value = Vec<u8>> {
    let tokens = prop::sample::select(vec![
        "\n", "\r", "\r\n", "\n\n", "data", "data:", "data: ", "event:", "id: 1", ":", " ", "{}",
        "x", "ä", "\u{feff}", "[DONE]", "retry: 1",
    ]);
    prop::collection::vec(tokens, 0..40).prop_map(|tokens| tokens.concat().into_bytes())
}

proptest! {
    #[test]
    fn events_are_those_of_another_parser(body in bodies(), lengths in prop::collection::vec(1_usize..9, 1..6)) {
        let chunks = pieces(&body, &lengths);
        let stream = stream::iter(chunks.iter().map(|chunk| Ok::<_, Infallible>(Bytes::copy_from_slice(chunk))));
        let theirs: Vec<_> = SseByteStream::new(stream).collect().now_or_never().unwrap();
        let theirs: Vec<_> = theirs
            .into_iter()
            .map(Result::unwrap)
            .filter_map(|event| Some((event.event.unwrap_or_default(), event.data?)))
            .collect();
        let mut frames = SseFrames::default();
        let mut all = Vec::new();
        for chunk in chunks {
            frames.push(Bytes::copy_from_slice(chunk));
            all.extend(std::iter::from_fn(|| frames.next().unwrap()));
        }
        // An event that is whole, save that the LF after its last CR might still have come.
        if frames.place == Place::EmptyReturn {
            all.extend(frames.end().unwrap());
        }
        let text = |bytes: &Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let ours: Vec<_> = all
            .iter()
            .filter(|frame| frame.place.is_some() || !frame.data.is_empty())
            .map(|frame| (text(&frame.event), text(&frame.data)))
            .collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn frames_do_not_depend_on_chunks(
        body in prop_oneof![bodies(), prop::collection::vec(any::<u8>(), 0..200)],
        lengths in prop::collection::vec(1_usize..40, 1..6),
        cap in 1_usize..60,
    ) {
        let (whole, failed) = cut(cap, &[&body]);
        let (parts, error) = cut(cap, &pieces(&body, &lengths));
        prop_assert_eq!(&whole, &parts);
        prop_assert_eq!(failed.is_some(), error.is_some());
        for frame in whole {
            // An event that was cut off is made whole with two bytes at most.
            prop_assert!(frame.bytes.len() <= cap + 2);
            if let Some(place) = frame.place {
                prop_assert_eq!(&frame.bytes[place], &frame.data[..]);
            }
        }
    }

    #[test]
    fn what_is_passed_on_reads_as_what_came(body in bodies()) {
        let (frames, _) = cut(DEFAULT_CAP, &[&body]);
        // Not at the start of a stream, where a byte order mark means something.
        let mut bytes = b": first\n\n".to_vec();
        bytes.extend(frames.iter().flat_map(|frame| &frame.bytes[..]));
        let (again, _) = cut(DEFAULT_CAP, &[&bytes]);
        prop_assert_eq!(&frames[..], &again[1..]);
    }
}
