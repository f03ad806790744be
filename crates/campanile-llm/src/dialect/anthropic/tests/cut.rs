//! Streams that are cut off at each byte.

use proptest::prelude::*;

use super::{samples::*, *};
use crate::{chat::Part, error::Class};

/// What a stream says, event by event.
fn said(events: &[ChatEvent]) -> Vec<Delta> {
    let content = |delta: &Delta| {
        !matches!(
            delta,
            Delta::Start { .. } | Delta::Usage(_) | Delta::Finish(_) | Delta::End
        )
    };
    let (deltas, _) = parsed(&body(events));
    deltas.into_iter().filter(content).collect()
}

fn cut_everywhere<D: Decode>(decoder: impl Fn() -> D) {
    for sample in ALL {
        let (whole, end) = decoded(decoder(), sample.as_bytes());
        end.unwrap();
        let all = said(&whole);
        let mut before = 0;
        let full = *whole.last().unwrap().usage();
        // An event is whole with its data: what is missing then is the empty line.
        let proof = sample.trim_end().len();
        for cut in 0..sample.len() {
            let (events, end) = decoded(decoder(), &sample.as_bytes()[..cut]);
            let ended = events.iter().any(|event| event.part() == Part::End);
            if cut < proof {
                assert_eq!(end.unwrap_err().class(), Class::Interrupted, "at {cut}");
                assert!(!ended, "at {cut}");
            } else {
                assert!(end.is_ok() && ended, "at {cut}");
            }
            let part = said(&events);
            assert!(all.starts_with(&part), "at {cut}");
            assert!(part.len() >= before, "at {cut}");
            before = part.len();
            let mut least = 0;
            for event in &events {
                let usage = event.usage();
                let output = usage.output_tokens.unwrap();
                assert!(
                    usage.input_tokens.is_some_and(|input| input > 0),
                    "at {cut}"
                );
                if event.is_reported() {
                    assert_eq!(*usage, full, "at {cut}");
                } else {
                    assert!(output >= least, "at {cut}: it never falls");
                    least = output;
                }
            }
        }
    }
}

#[test]
fn what_is_passed_on_has_no_false_end() {
    cut_everywhere(|| verbatim(Tally::new(50, 4.0)));
}

#[test]
fn what_is_translated_has_no_false_end() {
    cut_everywhere(|| translated(Tally::new(50, 4.0)));
}

#[test]
fn garbage_at_any_place_is_no_end() {
    for (place, _) in TOOL.match_indices("event: ") {
        for garbage in [
            "data: {\"a\":\n\n",
            "event: content_block_delta\ndata: \u{1}\n\n",
            "data: []\n\n",
        ] {
            let (before, after) = TOOL.split_at(place);
            let body = format!("{before}{garbage}{after}");
            for (events, end) in [
                decoded(verbatim(Tally::new(50, 4.0)), body.as_bytes()),
                decoded(translated(Tally::new(50, 4.0)), body.as_bytes()),
            ] {
                assert_eq!(
                    end.unwrap_err().class(),
                    Class::Malformed,
                    "{place} {garbage}"
                );
                assert!(events.iter().all(|event| event.part() != Part::End));
            }
        }
    }
}

proptest! {
    #[test]
    fn frames_in_any_order_end_in_a_proof_or_an_error(
        sample in 0..3_usize,
        order in prop::collection::vec(0..40_usize, 0..40),
    ) {
        let frames = frames(ALL[sample].as_bytes());
        let bytes: Vec<&[u8]> = order.iter().map(|place| &frames[place % frames.len()].bytes()[..]).collect();
        let body_ = bytes.concat();
        let stops = body_.windows(12).any(|window| window == b"message_stop");
        let (verbatim, end) = decoded(verbatim(Tally::new(50, 4.0)), &body_);
        let ends = |events: &[ChatEvent]| events.iter().filter(|event| event.part() == Part::End).count();
        prop_assert_eq!(ends(&verbatim), usize::from(end.is_ok()));
        prop_assert!(stops || end.is_err());
        let (translated, end) = decoded(translated(Tally::new(50, 4.0)), &body_);
        prop_assert_eq!(ends(&translated), usize::from(end.is_ok()));
        prop_assert!(stops || end.is_err());
        // What is written is valid, whatever was read.
        let (_, again) = parsed(&body(&translated));
        prop_assert_eq!(again.err().map(|error| error.class()), end.err().map(|_| Class::Interrupted));
    }

    #[test]
    fn bytes_that_change_are_no_panic(sample in 0..3_usize, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = ALL[sample].as_bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = decoded(verbatim(Tally::new(50, 4.0)), &bytes);
        let (events, end) = decoded(translated(Tally::new(50, 4.0)), &bytes);
        let (_, again) = parsed(&body(&events));
        prop_assert_eq!(again.is_ok(), end.is_ok());
    }
}
