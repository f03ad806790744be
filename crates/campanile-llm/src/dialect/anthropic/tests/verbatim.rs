use proptest::prelude::*;

use super::{samples::*, *};
use crate::{
    chat::{FinishReason, Part},
    dialect::anthropic::scan,
    error::Class,
};

fn tally() -> Tally {
    Tally::new(99, 4.0)
}

#[test]
fn frames_pass_as_they_came() {
    for sample in ALL {
        let (events, end) = decoded(verbatim(tally()), sample.as_bytes());
        end.unwrap();
        assert_eq!(body(&events), sample.as_bytes());
        let last = events.last().unwrap();
        assert_eq!(last.part(), Part::End);
        assert!(last.is_reported());
        let ends = events.iter().filter(|event| event.part() == Part::End);
        assert_eq!(ends.count(), 1);
        for event in &events {
            let data: serde_json::Value = serde_json::from_slice(event.data()).unwrap();
            assert!(data["type"].is_string());
        }
    }
}

#[test]
fn it_counts_what_the_parser_counts() {
    for sample in ALL {
        let (verbatim, _) = decoded(verbatim(tally()), sample.as_bytes());
        let (translated, _) = decoded(translated(tally()), sample.as_bytes());
        let last = |events: &[ChatEvent]| *events.last().unwrap().usage();
        assert_eq!(last(&verbatim), last(&translated));
        let bytes = |events: &[ChatEvent]| events.last().unwrap().bytes();
        assert!(bytes(&verbatim) > 0);
        if sample == TOOL {
            assert_eq!(bytes(&verbatim), bytes(&translated));
        }
        let finish = |events: &[ChatEvent]| events.iter().find_map(ChatEvent::finish);
        assert_eq!(finish(&verbatim), finish(&translated));
    }
}

#[test]
fn parts_and_running_usage_are_told() {
    let (events, _) = decoded(verbatim(tally()), TOOL.as_bytes());
    let parts: String = events
        .iter()
        .map(|event| match event.part() {
            Part::Idle => '.',
            Part::Content => 'c',
            _ => 'E',
        })
        .collect();
    assert_eq!(parts, "...c...cc.c.cc..E");
    let output = |place: usize| events[place].usage().output_tokens.unwrap();
    assert_eq!(output(0), 0, "the placeholder is no report");
    assert_eq!(events[0].usage().input_tokens, Some(1230));
    assert!(!events[0].is_reported());
    let thought = "The user wants \"weather\".".len() as u64;
    assert_eq!(output(3), thought.div_ceil(4));
    let said = thought + "Let me look à Paris 😀.\n".len() as u64;
    assert_eq!(output(8), said.div_ceil(4));
    assert_eq!(output(15), 58);
    assert_eq!(events[15].finish(), Some(FinishReason::ToolCalls));
    assert!(events[15].is_reported());
}

/// As servers write it that have the first words before they write the first event.
#[tokio::test]
async fn what_a_block_begins_with_is_content() {
    use crate::{
        chat::{Answer, ChatResponse, Meta},
        commit::CommitLayer,
        stream::ChatStream,
    };
    use tower::{Layer, ServiceExt, service_fn};

    let started = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"1\",\"model\":\"m\",\"content\":[],\"usage\":{\"input_tokens\":1}}}\n\n";
    let rest = "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
    for (block, said) in [
        (r#"{"type":"text","text":"Hi \"\u00e9\""}"#, 7),
        (r#"{"citations":null,"text":"abc","type":"text"}"#, 3),
        (r#"{"type":"thinking","thinking":"hm","signature":""}"#, 2),
        (r#"{"type":"text","text":""}"#, 0),
        (r#"{"type":"text","text":null}"#, 0),
        (r#"{"type":"text"}"#, 0),
        (r#"{"type":"thinking","thinking":"","signature":""}"#, 0),
        // What a tool said that the provider ran.
        (
            r#"{"type":"mcp_tool_result","content":[{"type":"text","text":"abc"}]}"#,
            0,
        ),
    ] {
        let start = format!(
            "event: content_block_start\ndata: {{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{block}}}\n\n"
        );
        let stream = format!("{started}{start}{rest}");
        let (events, end) = decoded(verbatim(Tally::new(1, 1.0)), stream.as_bytes());
        end.unwrap();
        assert_eq!(body(&events), stream.as_bytes());
        let part = if said > 0 { Part::Content } else { Part::Idle };
        assert_eq!(events[1].part(), part, "{block}");
        assert_eq!(
            events.last().unwrap().usage().output_tokens,
            Some(said),
            "{block}"
        );

        let provider = service_fn(move |()| {
            let events = futures_util::stream::iter(events.clone().into_iter().map(Ok));
            let answer = ChatResponse::stream(Meta::default(), ChatStream::new(events));
            std::future::ready(Ok::<_, Error>(answer))
        });
        match CommitLayer::default().layer(provider).oneshot(()).await {
            Ok(response) => assert!(said > 0 && matches!(response.answer, Answer::Stream(_))),
            Err(error) => assert_eq!((error.class(), said), (Class::Empty, 0), "{block}"),
        }
    }
}

/// Once in the events of a stream, which later counts do not take back, and once whole.
#[test]
fn what_is_cached_for_an_hour_is_told_apart() {
    let short = "\"ephemeral_5m_input_tokens\":200,\"ephemeral_1h_input_tokens\":0";
    let hour = "\"ephemeral_5m_input_tokens\":50,\"ephemeral_1h_input_tokens\":150";
    assert!(TOOL.contains(short));
    let stream = TOOL.replace(short, hour);
    let (events, _) = decoded(verbatim(tally()), stream.as_bytes());
    let usage = *events.last().unwrap().usage();
    assert_eq!(
        (usage.cache_write_tokens, usage.cache_write_long_tokens),
        (Some(200), Some(150))
    );
    let (events, _) = decoded(verbatim(tally()), TOOL.as_bytes());
    assert_eq!(events.last().unwrap().usage().cache_write_long_tokens, None);
    // Whatever else stands there, the rest counts.
    for odd in [
        "null",
        "7",
        "{\"ephemeral_1h_input_tokens\":null}",
        "{}",
        "[]",
    ] {
        let stream = TOOL.replace(&format!("{{{short}}}"), odd);
        assert_ne!(stream, TOOL);
        let (events, end) = decoded(verbatim(tally()), stream.as_bytes());
        end.unwrap();
        let usage = events.last().unwrap().usage();
        assert_eq!(
            (usage.cache_write_tokens, usage.cache_write_long_tokens),
            (Some(200), None)
        );
    }

    let (translated, _) = decoded(translated(tally()), stream.as_bytes());
    assert_eq!(*translated.last().unwrap().usage(), usage);
    let ended = &translated[translated.len() - 2];
    let ended: serde_json::Value = serde_json::from_slice(ended.data()).unwrap();
    let told =
        serde_json::json!({"ephemeral_5m_input_tokens": 50, "ephemeral_1h_input_tokens": 150});
    assert_eq!(ended["usage"]["cache_creation"], told);
}

#[test]
fn a_prompt_that_is_not_counted_at_first_is_estimated() {
    let (events, _) = decoded(verbatim(tally()), SLOPPY.as_bytes());
    assert_eq!(events[0].usage().input_tokens, Some(99));
    assert_eq!(events.last().unwrap().usage().input_tokens, Some(21));
}

#[test]
fn errors_and_nonsense_are_found() {
    let cut = &TOOL[..TOOL.find("event: content_block_stop").unwrap()];
    for (more, class) in [
        (
            "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            Class::Overload,
        ),
        ("event: error\ndata: oh\n\n", Class::Server),
        ("", Class::Interrupted),
        (
            "event: content_block_delta\ndata: {\"index\":\n\n",
            Class::Malformed,
        ),
        (
            "event: message_delta\ndata: {\"usage\":7}\n\n",
            Class::Malformed,
        ),
        ("data: [DONE]\n\n", Class::Malformed),
        (TOOL, Class::Malformed),
    ] {
        let (events, end) = decoded(verbatim(tally()), format!("{cut}{more}").as_bytes());
        assert_eq!(end.unwrap_err().class(), class, "{more}");
        assert_eq!(events.len(), 5, "{more}");
    }
    let (_, end) = decoded(verbatim(tally()), b"event: message_stop\ndata: {}\n\n");
    assert_eq!(end.unwrap_err().class(), Class::Malformed);
}

proptest! {
    #[test]
    fn lengths_of_texts_are_exact(before in ".*", text in ".*", after in ".*", ascii in any::<bool>()) {
        let json = serde_json::json!({"a": before, "text": text, "z": after});
        let mut json = serde_json::to_string(&json).unwrap();
        if ascii {
            json = escaped(&json);
        }
        prop_assert_eq!(scan::text_length(json.as_bytes(), b"\"text\""), Some(text.len() as u64));
        prop_assert_eq!(scan::text_length(json.as_bytes(), b"\"none\""), None);
    }

    #[test]
    fn names_within_texts_are_not_taken_for_names(around in ".*") {
        let text = format!("{around}\"text\":\"1234\"{around}");
        let json = serde_json::json!({"a": text, "text": "123"}).to_string();
        prop_assert_eq!(scan::text_length(json.as_bytes(), b"\"text\""), Some(3));
    }

    #[test]
    fn any_bytes_are_looked_through(json in prop::collection::vec(any::<u8>(), 0..200)) {
        let named = [b"{\"text\":\"", &json[..]].concat();
        if let Some(length) = scan::text_length(&named, b"\"text\"") {
            prop_assert!(length <= json.len() as u64);
        }
    }
}

/// The same JSON in ASCII.
fn escaped(json: &str) -> String {
    let mut out = String::new();
    for sign in json.chars() {
        if sign.is_ascii() {
            out.push(sign);
        } else {
            for half in sign.encode_utf16(&mut [0; 2]) {
                out += &format!("\\u{half:04x}");
            }
        }
    }
    out
}

#[test]
fn passing_on_allocates_nothing() {
    let mut decode = verbatim(tally());
    let mut events = VecDeque::with_capacity(32);
    for frame in frames(TOOL.as_bytes()) {
        let name = String::from_utf8(frame.event().to_vec()).unwrap();
        let counted = allocation_counter::measure(|| decode.frame(frame, &mut events).unwrap());
        match &name[..] {
            // These are parsed: once each.
            "message_start" | "message_delta" => assert!(counted.count_total < 8, "{name}"),
            _ => assert_eq!(counted.count_total, 0, "{name}"),
        }
    }
    assert_eq!(events.len(), 17);
}
