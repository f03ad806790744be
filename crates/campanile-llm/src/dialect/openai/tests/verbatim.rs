use proptest::prelude::*;

use super::*;
use crate::chat::FinishReason;

fn bytes(events: &[ChatEvent]) -> Vec<u8> {
    events
        .iter()
        .flat_map(|event| event.frame().to_vec())
        .collect()
}

fn parts(events: &[ChatEvent]) -> Vec<Part> {
    events.iter().map(ChatEvent::part).collect()
}

#[test]
fn a_stream_is_passed_on_as_it_came() {
    let (events, error) = verbatim(true, STREAM);
    assert!(error.is_none());
    assert_eq!(bytes(&events), STREAM.as_bytes());
    assert_eq!(
        parts(&events),
        [Part::Idle, Part::Content, Part::Idle, Part::Idle, Part::End]
    );
    assert_eq!(events[2].finish(), Some(FinishReason::Stop));
    // "Hi é" is 5 bytes: 1.25 tokens.
    assert_eq!(events[1].usage().output_tokens, Some(2));
    assert_eq!(events[1].usage().input_tokens, Some(20), "the estimate");
    assert!(!events[1].is_reported());
    let usage = events[4].usage();
    assert!(events[4].is_reported());
    assert_eq!(
        (usage.input_tokens, usage.output_tokens, usage.cached_tokens),
        (Some(9), Some(2), Some(4))
    );
    assert_eq!(events[4].data(), b"[DONE]");
}

#[test]
fn usage_that_the_caller_did_not_ask_for_is_counted_and_not_shown() {
    let (events, error) = verbatim(false, STREAM);
    assert!(error.is_none());
    assert_eq!(
        parts(&events),
        [Part::Idle, Part::Content, Part::Idle, Part::End]
    );
    assert!(
        !bytes(&events)
            .windows(13)
            .any(|bytes| bytes == b"prompt_tokens")
    );
    assert_eq!(events[3].usage().total_tokens(), Some(11));
    assert!(events[3].is_reported());
}

#[test]
fn what_is_no_content_is_idle() {
    for frame in [
        ": OPENROUTER PROCESSING\n\n",
        "data:\n\n",
        // Azure's first.
        "data: {\"id\":\"\",\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,\"content_filter_results\":{}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[]},\"finish_reason\":null}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":null}]}\n\n",
        "data: {\"choices\":null}\n\n",
        "event: ping\ndata: {}\n\n",
    ] {
        let (events, _) = verbatim(false, frame);
        assert_eq!(parts(&events), [Part::Idle], "{frame}");
        assert_eq!(bytes(&events), frame.as_bytes());
        assert_eq!(events[0].units(), 0);
    }
}

#[test]
fn what_a_reader_sees_is_content_and_counted() {
    for (delta, said) in [
        (r#"{"content":"abcd"}"#, 4),
        (r#"{"content":"\"\\\n\u0041\ud83d\ude00"}"#, 8),
        (r#"{"reasoning_content":"abc"}"#, 3),
        (r#"{"reasoning":"abc","reasoning_content":"abc"}"#, 3),
        (r#"{"refusal":"no"}"#, 2),
        (
            r#"{"tool_calls":[{"index":0,"id":"1","function":{"name":"f","arguments":"{\"a\":1}"}}]}"#,
            8,
        ),
        (
            r#"{"tool_calls":[{"index":0,"id":"1","function":{"name":"","arguments":""}}]}"#,
            0,
        ),
        (r#"{"function_call":{"name":"f"}}"#, 1),
        (r#"{"content":[{"type":"text","text":"ab"}]}"#, 2),
        (r#"{"audio":{"id":"a"}}"#, 0),
        // Names of fields, in the text.
        (r#"{"content":"\"usage\":{\"error\":1}"}"#, 19),
        (r#"{"content":"error"}"#, 5),
    ] {
        let frame = chunk(&format!(r#"{{"index":0,"delta":{delta}}}"#));
        let mut decode = super::super::verbatim(&asked(false, 1), Tally::new(0, 1.0));
        let (events, _) = read(&mut decode, frame.as_bytes(), 4_096);
        assert_eq!(parts(&events), [Part::Content], "{delta}");
        assert_eq!(events[0].usage().output_tokens, Some(said), "{delta}");
        assert!(events[0].units() >= 1);
    }
}

#[test]
fn an_error_in_a_stream_is_one() {
    for (frame, class) in [
        (
            r#"data: {"error":{"message":"busy","type":"overloaded_error","code":null}}"#,
            Class::Overload,
        ),
        (
            "event: error\ndata: {\"message\":\"no\",\"code\":429}",
            Class::Rate,
        ),
        ("event: error\ndata: gone", Class::Server),
        (r#"data: {"error":"out of memory"}"#, Class::Server),
        (
            r#"data: {"object":"error","message":"This model's maximum context length is 9 tokens","code":400}"#,
            Class::ContextWindow,
        ),
        // OpenRouter's.
        (
            r#"data: {"id":"g","error":{"code":502,"message":"down"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}"#,
            Class::Server,
        ),
        (
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"error","error":{"code":429,"message":"x"}}]}"#,
            Class::Rate,
        ),
        (
            r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}"#,
            Class::Server,
        ),
        // vLLM's, as it shuts down.
        (
            r#"data: {"choices":[{"index":0,"delta":{"content":""},"finish_reason":"abort"}]}"#,
            Class::Interrupted,
        ),
    ] {
        let (events, error) = verbatim(false, &format!("{frame}\n\n"));
        assert!(events.is_empty(), "{frame}");
        assert_eq!(error.unwrap().class(), class, "{frame}");
        let error = deltas(&format!("{frame}\n\n")).unwrap_err();
        assert_eq!(error.class(), class, "{frame}, translated");
    }
}

/// The end that it is given does not make it whole.
#[test]
fn an_answer_that_the_server_gives_up_never_ends_cleanly() {
    let said = chunk(r#"{"index":0,"delta":{"content":"hi"},"finish_reason":null}"#);
    let given_up = chunk(r#"{"index":0,"delta":{},"finish_reason":"abort"}"#);
    let both = chunk(
        r#"{"index":0,"delta":{},"finish_reason":"abort"},{"index":1,"delta":{},"finish_reason":"stop"}"#,
    );
    for last in [given_up, both] {
        let stream = format!("{said}{last}data: [DONE]\n\n");
        let mut decode = super::super::verbatim(&asked(false, 2), Tally::new(0, 4.0));
        let (events, error) = read(&mut decode, stream.as_bytes(), 4_096);
        assert_eq!(parts(&events), [Part::Content], "{last}");
        let error = error.unwrap();
        assert_eq!(error.class(), Class::Interrupted, "{last}");
        assert!(error.message().contains("gave the answer up"), "{error}");
        let error = deltas(&stream).unwrap_err();
        assert_eq!(error.class(), Class::Interrupted, "{last}, translated");
    }
}

#[test]
fn what_is_malformed_is_never_passed_on() {
    for frame in [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"cut",
        "data: garbage",
        "data: 7",
        "data: [1]",
        "data: {\"choices\":{}}",
        "data: {\"choices\":[{\"delta\":\"x\"}]}",
        "data: {\"choices\":[]} trailing",
    ] {
        let (events, error) = verbatim(false, &format!("{frame}\n\n"));
        assert!(events.is_empty(), "{frame}");
        let error = error.unwrap();
        assert_eq!(error.class(), Class::Malformed, "{frame}");
        assert!(!error.message().contains("cut"), "nothing of what was said");
    }
}

#[test]
fn the_end_is_proven_by_a_finish_reason_of_every_choice() {
    let finished = chunk(r#"{"index":0,"delta":{},"finish_reason":"stop"}"#);
    let (events, error) = verbatim(false, &finished);
    assert!(error.is_none());
    let end = events.last().unwrap();
    assert_eq!(end.part(), Part::End);
    assert_eq!(end.frame(), "data: [DONE]\n\n");

    let mut two = super::super::verbatim(&asked(false, 2), Tally::new(0, 4.0));
    let (_, error) = read(&mut two, finished.as_bytes(), 4_096);
    assert_eq!(error.unwrap().class(), Class::Interrupted, "one of two");

    let second = chunk(r#"{"index":1,"delta":{},"finish_reason":"length"}"#);
    let mut two = super::super::verbatim(&asked(false, 2), Tally::new(0, 4.0));
    let (_, error) = read(&mut two, (finished.clone() + &second).as_bytes(), 4_096);
    assert!(error.is_none());

    // Mistral's, of an answer that fills the window.
    let long = chunk(r#"{"index":0,"delta":{},"finish_reason":"model_length"}"#);
    let (events, _) = verbatim(false, &long);
    assert_eq!(events[0].finish(), Some(FinishReason::Length));

    let said = chunk(r#"{"index":0,"delta":{"content":"hi"},"finish_reason":null}"#);
    let (_, error) = verbatim(false, &said);
    assert_eq!(error.unwrap().class(), Class::Interrupted);
    let (_, error) = verbatim(false, "");
    assert_eq!(error.unwrap().class(), Class::Interrupted);
}

#[test]
fn nothing_follows_the_end() {
    let (events, error) = verbatim(false, &format!("{STREAM}data: garbage\n\n{STREAM}"));
    assert!(error.is_none());
    let ends = events.iter().filter(|event| event.part() == Part::End);
    assert_eq!(ends.count(), 1);
    assert_eq!(events.last().unwrap().part(), Part::End);
}

#[test]
fn data_over_several_lines_is_one_line_for_the_caller() {
    let (events, error) = verbatim(
        false,
        "data: {\"choices\":\ndata: [{\"delta\":{\"content\":\"a\"}}]}\n\n",
    );
    assert_eq!(error.unwrap().class(), Class::Interrupted);
    assert_eq!(events[0].part(), Part::Content);
    assert_eq!(
        events[0].frame(),
        "data: {\"choices\": [{\"delta\":{\"content\":\"a\"}}]}\n\n"
    );
    assert!(serde_json::from_slice::<serde_json::Value>(events[0].data()).is_ok());
}

#[test]
fn usage_in_every_chunk_is_cumulative() {
    let with = |text, tokens| {
        format!(
            "data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}}}}],\"usage\":{{\"prompt_tokens\":5,\"completion_tokens\":{tokens},\"total_tokens\":{}}}}}\n\n",
            5 + tokens
        )
    };
    let (events, _) = verbatim(false, &(with("a", 1) + &with("b", 2)));
    assert_eq!(events.len(), 2, "they have content, so they are shown");
    assert_eq!(events[1].usage().output_tokens, Some(2));
}

#[test]
fn usage_is_read_as_servers_write_it() {
    for (usage, input, output, cached, nanos) in [
        // xAI leaves out what was thought.
        (
            r#"{"prompt_tokens":32,"completion_tokens":9,"total_tokens":135,"completion_tokens_details":{"reasoning_tokens":94}}"#,
            32,
            103,
            None,
            None,
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"prompt_cache_hit_tokens":2}"#,
            3,
            4,
            Some(2),
            None,
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":0.00014}"#,
            3,
            4,
            None,
            Some(140_000),
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":0.1,"is_byok":true}"#,
            3,
            4,
            None,
            None,
        ),
        // Perplexity's, in parts.
        (
            r#"{"prompt_tokens":15,"completion_tokens":98,"total_tokens":113,"search_context_size":"low","cost":{"input_tokens_cost":0.0,"output_tokens_cost":0.0,"request_cost":0.005,"total_cost":0.015}}"#,
            15,
            98,
            None,
            Some(15_000_000),
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":2}"#,
            3,
            4,
            None,
            Some(2_000_000_000),
        ),
        // Whatever else stands there, the tokens count.
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":[{"x":1}]}"#,
            3,
            4,
            None,
            None,
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":"0.1"}"#,
            3,
            4,
            None,
            None,
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":{"total_cost":null,"a":{}}}"#,
            3,
            4,
            None,
            None,
        ),
        (
            r#"{"prompt_tokens":3,"completion_tokens":4,"cost":false}"#,
            3,
            4,
            None,
            None,
        ),
    ] {
        let stream = format!("data: {{\"choices\":[],\"usage\":{usage}}}\n\ndata: [DONE]\n\n");
        let (events, _) = verbatim(false, &stream);
        let said = events[0].usage();
        assert_eq!(said.input_tokens, Some(input), "{usage}");
        assert_eq!(said.output_tokens, Some(output), "{usage}");
        assert_eq!(said.cached_tokens, cached, "{usage}");
        assert_eq!(said.nano_dollars, nanos, "{usage}");
        assert!(events[0].is_reported(), "{usage}");
        let whole = format!("{{\"choices\":[],\"usage\":{usage}}}");
        let whole = super::super::completion(whole.into(), Tally::new(0, 4.0)).unwrap();
        assert_eq!(whole.usage(), said, "{usage}");
        assert!(whole.is_reported(), "{usage}");
        let translated = deltas(&stream).unwrap();
        assert!(
            translated.contains(&Delta::Usage(*said)),
            "{usage}, translated"
        );
    }
    // Groq's place.
    let groq = "data: {\"choices\":[],\"x_groq\":{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}}}\n\ndata: [DONE]\n\n";
    let (events, _) = verbatim(false, groq);
    assert_eq!(events[1].usage().total_tokens(), Some(3));
    // What cannot be read leaves the estimate.
    let odd = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":\"many\"}}\n\ndata: [DONE]\n\n";
    let (events, error) = verbatim(false, odd);
    assert!(error.is_none());
    assert_eq!(events[0].usage().input_tokens, Some(20));
    assert!(!events[0].is_reported());
}

#[test]
fn a_stream_that_is_cut_anywhere_never_ends_cleanly() {
    let finished = STREAM.find("\"stop\"").unwrap();
    // The frame of the finish reason counts once its data is whole.
    let proven = finished + STREAM[finished..].find("\n\n").unwrap();
    for cut in 0..STREAM.len() {
        let (events, error) = verbatim(true, &STREAM[..cut]);
        let ended = events.last().is_some_and(|event| event.part() == Part::End);
        assert_eq!(ended, error.is_none(), "cut at {cut}");
        assert_eq!(ended, cut >= proven, "cut at {cut}");
        let whole: Vec<u8> = bytes(&events[..events.len() - usize::from(ended)]);
        assert!(
            STREAM.as_bytes().starts_with(whole.trim_ascii_end()),
            "cut at {cut}"
        );
    }
}

proptest! {
    #[test]
    fn chunks_of_any_size_make_the_same_events(size in 1_usize..400, usage: bool) {
        let mut decode = super::super::verbatim(&asked(usage, 1), Tally::new(20, 4.0));
        let (events, error) = read(&mut decode, STREAM.as_bytes(), size);
        prop_assert!(error.is_none());
        let (whole, _) = verbatim(usage, STREAM);
        prop_assert_eq!(bytes(&events), bytes(&whole));
        prop_assert_eq!(parts(&events), parts(&whole));
    }

    #[test]
    fn the_length_of_a_text_is_that_of_its_characters(text: String, escaped: bool) {
        let json = match escaped {
            true => {
                let units = text.encode_utf16().map(|unit| format!("\\u{unit:04x}"));
                format!("\"{}\"", units.collect::<String>())
            }
            false => serde_json::to_string(&text).unwrap(),
        };
        prop_assert_eq!(crate::dialect::openai::text_len(&json), Some(text.len() as u64));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut decode = super::super::verbatim(&asked(false, 1), Tally::new(0, 4.0));
        let (events, error) = read(&mut decode, &bytes, 7);
        let ended = events.last().is_some_and(|event| event.part() == Part::End);
        prop_assert_eq!(ended, error.is_none());
    }
}
