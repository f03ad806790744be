use proptest::prelude::*;

use super::super::{Counts, Everything, SseData};

/// Which of these pieces count.
fn counted(mut data: SseData, pieces: &[&str]) -> Vec<bool> {
    pieces.iter().map(|piece| data.counts(piece)).collect()
}

#[test]
fn everything_counts_by_default() {
    assert!(Everything.counts(&""));
    assert!(Everything.counts(&7));
}

#[test]
fn comments_and_blank_lines_are_no_data() {
    for idle in [
        "",
        "\n",
        "\r\n\r\n",
        ": ping\n\n",
        ":\n",
        ":\r:\r",
        ": OPENROUTER PROCESSING\r\n\r\n",
        "\u{FEFF}: hello\n",
    ] {
        assert_eq!(counted(SseData::new(), &[idle]), [false], "{idle:?}");
    }
    for data in [
        "data: x\n\n",
        "data",
        " : an indented colon begins no comment",
        ": ping\ndata: x\n",
        ": ping\r\rid: 1",
        "event: ping\ndata: {}\n\n",
        "\u{FEFF}data: x",
    ] {
        assert_eq!(counted(SseData::new(), &[data]), [true], "{data:?}");
    }
}

#[test]
fn a_comment_may_span_pieces() {
    assert_eq!(
        counted(
            SseData::new(),
            &[
                ":",
                " PROC",
                "ESSING: data: x",
                "\r",
                "\n",
                ":\n",
                "d",
                "ata",
                ": x",
                "\n\n",
                ":"
            ]
        ),
        [
            false, false, false, false, false, false, true, true, true, false, false
        ],
        "a long line of data counts as long as it comes"
    );
    // The LF of a CRLF that is split is no blank line of its own.
    let pings = SseData::new().ignoring(&["ping"]);
    assert_eq!(
        counted(
            pings,
            &["event: ping\r", "\ndata: {}\r", "\n\r", "\ndata: x"]
        ),
        [false, false, false, true]
    );
}

#[test]
fn named_events_are_ignored_to_their_end() {
    let pings = SseData::new().ignoring(&["ping", "heartbeat"]);
    let pieces = [
        "event: ping\ndata: {\"type\": \"ping\"}\n\n",
        "event:heartb",
        "eat\ndata: 1\n",
        "data: 2\n\n: and a comment\n",
        "event: pings\ndata: {}\n\n",
        "event: pin",
        "\n",
        "data: x\n\n",
        "ev",
        "enter: x",
        "\n\n",
        "event: a name that is far too long to be the name of anything that is ignored",
    ];
    assert_eq!(
        counted(pings, &pieces),
        [
            false, false, false, false, true, false, true, true, false, true, false, true
        ]
    );
}

proptest! {
    /// However a stream is cut into pieces, some piece of it counts if and only if some line of it does.
    #[test]
    fn cuts_change_nothing(
        lines in prop::collection::vec(
            prop::sample::select(vec![": c", ":", "", "data: x", "event: ping", "event: other", "id: 3"]), 0..12),
        ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let text: String = lines.iter().zip(&ends).flat_map(|(line, end)| [*line, *end]).collect();
        // A CR and then the LF of a blank line would be one end of line.
        prop_assume!(!text.contains("\r\n") || ends.iter().all(|end| *end == "\r\n"));
        let mut expected = false;
        let mut skips = false;
        for line in &lines {
            match *line {
                "" => skips = false,
                "event: ping" => skips = true,
                line if line.starts_with(':') => {}
                "event: other" => { skips = false; expected = true; }
                _ => expected |= !skips,
            }
        }
        prop_assume!(!text.contains("event: ping") || !text.contains("event: other"));
        let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(text.len() + 1)).collect();
        at.extend([0, text.len()]);
        at.sort_unstable();
        let mut data = SseData::new().ignoring(&["ping"]);
        let counts = at.windows(2).fold(false, |counts, cut| data.counts(&&text[cut[0]..cut[1]]) | counts);
        prop_assert_eq!(counts, expected);
    }
}
