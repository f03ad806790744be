use proptest::prelude::*;

use super::*;
use crate::error::Class;

fn cut(cap: usize, chunks: &[&[u8]]) -> (Vec<Frame>, Option<Error>) {
    let mut frames = NdjsonFrames::new(cap);
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
    match frames.end() {
        Ok(frame) => (all.into_iter().chain(frame).collect(), None),
        Err(error) => (all, Some(error)),
    }
}

#[test]
fn lines_are_frames() {
    let (frames, error) = cut(100, &[b"{\"a\":1}\r\n\n \t \n {\"b\":2} \n[3]"]);
    assert!(error.is_none());
    let data: Vec<_> = frames.iter().map(|frame| &frame.data()[..]).collect();
    assert_eq!(data, [&b"{\"a\":1}"[..], b"{\"b\":2}", b"[3]"]);
    assert_eq!(frames[0].bytes(), "{\"a\":1}\r\n", "verbatim");
    assert_eq!(frames[1].place, Some(1..8));
    assert_eq!(frames[2].bytes(), "[3]\n", "made whole");
}

#[test]
fn a_line_that_was_cut_off_is_nothing() {
    for text in ["{\"a\":1", "{", "12", "\"a", " "] {
        assert!(cut(100, &[text.as_bytes()]).0.is_empty(), "{text}");
    }
}

#[test]
fn a_line_in_one_chunk_is_a_part_of_it() {
    let chunk = Bytes::from(b"{\"a\":1}\n{\"b\":2}\n{".to_vec());
    let mut frames = NdjsonFrames::default();
    frames.push(chunk.clone());
    for _ in 0..2 {
        let frame = frames.next().unwrap().unwrap();
        assert!(chunk.as_ptr_range().contains(&frame.data().as_ptr()));
    }
    assert!(frames.next().unwrap().is_none());
}

#[test]
fn a_line_above_the_cap_is_the_last() {
    let (frames, error) = cut(8, &[b"{\"a\":1}\n{\"b\":22}\n{}\n"]);
    let error = error.unwrap();
    assert_eq!(frames.len(), 1);
    assert_eq!(error.class(), Class::Malformed);
    assert!(error.message().contains("8 bytes"), "{error}");
}

proptest! {
    #[test]
    fn lines_are_those_of_a_split(lines in prop::collection::vec("[ -~]{0,20}", 0..10), crlf: bool) {
        let end = if crlf { "\r\n" } else { "\n" };
        let body: String = lines.iter().flat_map(|line| [line, end]).collect();
        let (frames, _) = cut(DEFAULT_CAP, &[body.as_bytes()]);
        let ours: Vec<_> = frames.iter().map(|frame| std::str::from_utf8(frame.data()).unwrap()).collect();
        let theirs: Vec<_> = lines.iter().map(|line| line.trim()).filter(|line| !line.is_empty()).collect();
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn lines_do_not_depend_on_chunks(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "([{}0-9]|\n|\r\n| ){0,80}".prop_map(String::into_bytes),
        ],
        length in 1_usize..40,
        cap in 1_usize..60,
    ) {
        let (whole, failed) = cut(cap, &[&body]);
        let pieces: Vec<_> = body.chunks(length).collect();
        let (parts, error) = cut(cap, &pieces);
        prop_assert_eq!(whole, parts);
        prop_assert_eq!(failed.is_some(), error.is_some());
    }
}
