//! All that can go wrong with a stream.

use std::time::Duration;

use bytes::Bytes;
use campanile_llm::{dialect::Api, error::Class};
use campanile_tests::faults::{Answer, Cut, Ended, Hint};

use super::{Fate, Fault, behind, find, full};

/// All that can go wrong with a stream.
pub(crate) fn faults(api: Api) -> Vec<Fault> {
    use Fate::{Breaks, Fails, Whole};
    let answer = || Answer::stream(api, full(api));
    // In the frame with the first content, and behind some of it.
    let early = find(&full(api), b"Two cities");
    let late = behind(api, "I ask");
    let mut faults = vec![
        Fault::new(
            "reset",
            Answer::reset(),
            Fails(vec![Class::Unreachable]),
            1.0,
        )
        .ended(Ended::Cut),
        Fault::new(
            "no head",
            answer().no_head(),
            Fails(vec![Class::Timeout]),
            1.0,
        )
        .ended(Ended::Cancelled)
        .timed(),
        Fault::new(
            "a head and nothing",
            answer().stall_at(0),
            Fails(vec![Class::Timeout]),
            1.0,
        )
        .ended(Ended::Cancelled)
        .timed(),
        Fault::new(
            "no content",
            answer().stall_at(early),
            Fails(vec![Class::Timeout]),
            1.0,
        )
        .ended(Ended::Cancelled)
        .timed(),
        Fault::new(
            "an empty body",
            answer().cut_at(0, Cut::Terminated),
            Fails(vec![Class::Empty, Class::Interrupted]),
            1.0,
        ),
        Fault::new(
            "a page of HTML",
            Answer::whole(200, "<html><body>Welcome</body></html>")
                .header("content-type", "text/html"),
            Fails(vec![Class::Malformed]),
            1.0,
        ),
        Fault::new(
            "a page of HTML that is not called so",
            Answer::stream(api, "<html>\n<body>Welcome</body>\n</html>\n\n".into()),
            Fails(vec![Class::Malformed, Class::Empty, Class::Interrupted]),
            1.0,
        ),
        Fault::new(
            "an unauthorised key",
            Answer::error(api, 401, "invalid_api_key", "no"),
            Fails(vec![Class::Auth]),
            0.0,
        ),
        Fault::new(
            "a faulty request",
            Answer::error(api, 400, "invalid_request_error", "no"),
            Fails(vec![Class::Request]),
            0.0,
        ),
        Fault::new("as it is", answer(), Whole, 0.0).ended(Ended::Whole),
        Fault::new("byte by byte", answer().byte_by_byte(), Whole, 0.0).ended(Ended::Whole),
        Fault::new(
            "slow",
            answer()
                .slow_head(Duration::from_millis(5))
                .slow_first(Duration::from_millis(5))
                .paced(Duration::from_millis(1)),
            Whole,
            0.0,
        )
        .ended(Ended::Whole),
    ];
    for (status, class, failures) in [
        (500, Class::Server, 1.0),
        (502, Class::Server, 1.0),
        (503, Class::Overload, 0.5),
        (504, Class::Timeout, 1.0),
        (529, Class::Overload, 0.5),
    ] {
        let kind = if status == 529 {
            "overloaded_error"
        } else {
            "api_error"
        };
        let error = Answer::error(api, status, kind, "no");
        faults.push(Fault::new(
            format!("{status}"),
            error,
            Fails(vec![class]),
            failures,
        ));
        let html = Answer::whole(status, "<html>nginx</html>").header("content-type", "text/html");
        faults.push(Fault::new(
            format!("{status} of a proxy"),
            html,
            Fails(vec![class]),
            failures,
        ));
    }
    for hint in Hint::each(7) {
        let answer = Answer::rate_limited(api, hint);
        faults.push(Fault::new(
            format!("429 {hint:?}"),
            answer,
            Fails(vec![Class::Rate]),
            0.0,
        ));
    }
    for cut in [Cut::Terminated, Cut::Fin, Cut::Reset] {
        let early = answer().cut_at(early, cut);
        let late = answer().cut_at(late, cut);
        // What was sent just before a reset may be lost with it: then nothing has been passed on.
        let breaks = Breaks(vec![Class::Interrupted]);
        faults.push(
            Fault::new(
                format!("an early cut, {cut:?}"),
                early,
                Fails(vec![Class::Interrupted, Class::Empty, Class::Unreachable]),
                1.0,
            )
            .ended(Ended::Cut),
        );
        faults
            .push(Fault::new(format!("a late cut, {cut:?}"), late, breaks, 1.0).ended(Ended::Cut));
    }
    let garbage = [
        (
            "garbage",
            Bytes::from_static(b"data: {\"choices\": [\xff\xfe{{{]\n\n"),
        ),
        ("a line without an end", vec![b'x'; 2 << 20].into()),
        ("an error event", Answer::error_frame(api).into()),
    ];
    for (name, bytes) in garbage {
        let classes = match name {
            "an error event" => vec![Class::Overload, Class::Server],
            _ => vec![Class::Malformed],
        };
        // Too much work counts softly, whether or not the call is answered by then.
        let soft = name == "an error event" && matches!(api, Api::Anthropic | Api::Gemini);
        let failures = if soft { 0.5 } else { 1.0 };
        let at_start = answer().insert(0, bytes.clone()).stall_at(bytes.len());
        faults.push(
            Fault::new(
                format!("{name}, first"),
                at_start,
                Fails(classes.clone()),
                failures,
            )
            .ended(Ended::Cancelled),
        );
        let later = answer()
            .insert(late, bytes.clone())
            .stall_at(late + bytes.len());
        faults.push(
            Fault::new(format!("{name}, later"), later, Breaks(classes), failures)
                .ended(Ended::Cancelled),
        );
    }
    faults.push(
        Fault::new(
            "a stall between words",
            answer().stall_at(late),
            Breaks(vec![Class::Timeout]),
            1.0,
        )
        .ended(Ended::Cancelled)
        .timed(),
    );
    faults
}
