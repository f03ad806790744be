use bytes::Bytes;
use campanile::Usage;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::{Parser, whole};
use crate::{
    chat::{FinishReason, Part},
    dialect::{
        Api, Dialect,
        drive::{Driven, cut_everywhere, cuts_are_seen, drive, events, unnamed},
        neutral::Delta,
    },
    error::{Class, Error},
    stream::SseFrames,
};

/// A model that thinks, then speaks.
const THOUGHT: &str = concat!(
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"**Counting**\\n\\nTwo and two.\",\"thought\": true}],",
    "\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 8,\"totalTokenCount\": 65,",
    "\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 8}],\"thoughtsTokenCount\": 57},",
    "\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"9yQgadPSK\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Two and two \"}],\"role\": \"model\"},\"index\": 0}],",
    "\"usageMetadata\": {\"promptTokenCount\": 8,\"candidatesTokenCount\": 3,\"totalTokenCount\": 68,",
    "\"thoughtsTokenCount\": 57},\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"9yQgadPSK\"}\r\n\r\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"is four.\"}],\"role\": \"model\"},",
    "\"finishReason\": \"STOP\",\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 8,",
    "\"cachedContentTokenCount\": 4,\"candidatesTokenCount\": 6,\"totalTokenCount\": 71,\"thoughtsTokenCount\": 57},",
    "\"modelVersion\": \"gemini-2.5-flash\",\"responseId\": \"9yQgadPSK\"}\r\n\r\n",
);

/// Two calls of tools at once, of which the first is signed.
const CALLS: &str = concat!(
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"functionCall\": {\"name\": \"weather\",",
    "\"args\": {\"when\": \"now\",\"city\": \"Rome\"}},\"thoughtSignature\": \"c2ln\"},{\"functionCall\": {\"name\": \"time\"}}],",
    "\"role\": \"model\"},\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 50,\"totalTokenCount\": 50}}\n\n",
    "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"\"}],\"role\": \"model\"},\"finishReason\": \"STOP\",",
    "\"index\": 0}],\"usageMetadata\": {\"promptTokenCount\": 50,\"candidatesTokenCount\": 20,\"totalTokenCount\": 70}}\n\n",
);

fn streamed(body: &str) -> Driven {
    drive::<SseFrames>(Parser::default(), body.as_bytes(), usize::MAX)
}

fn stream(chunks: &[Value]) -> Driven {
    let frames: String = chunks
        .iter()
        .map(|chunk| format!("data: {chunk}\n\n"))
        .collect();
    streamed(&frames)
}

fn said(text: &str, reason: Option<&str>) -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "finishReason": reason}]})
}

fn usage(input: u64, output: Option<u64>, cached: Option<u64>, thoughts: Option<u64>) -> Delta {
    Delta::Usage(Usage {
        input_tokens: Some(input),
        output_tokens: output,
        cached_tokens: cached,
        reasoning_tokens: thoughts,
        ..Usage::default()
    })
}

#[test]
fn thoughts_and_text_are_told_apart_and_counted_together() {
    let (deltas, result) = streamed(THOUGHT);
    result.unwrap();
    assert_eq!(
        deltas,
        [
            Delta::Start {
                id: "9yQgadPSK".to_owned(),
                model: "gemini-2.5-flash".to_owned(),
            },
            Delta::Reasoning("**Counting**\n\nTwo and two.".to_owned()),
            usage(8, Some(57), None, Some(57)),
            Delta::Text("Two and two ".to_owned()),
            usage(8, Some(60), None, Some(57)),
            Delta::Text("is four.".to_owned()),
            usage(8, Some(63), Some(4), Some(57)),
            Delta::Finish(FinishReason::Stop),
            Delta::End,
        ]
    );
}

#[test]
fn calls_of_tools_get_names_and_keep_their_signatures() {
    let (deltas, result) = streamed(CALLS);
    result.unwrap();
    let Delta::ToolCall { id: first, .. } = &deltas[1] else {
        panic!("{deltas:?}");
    };
    let Delta::ToolCall { id: second, .. } = &deltas[4] else {
        panic!("{deltas:?}");
    };
    assert_ne!(first, second);
    for id in [first, second] {
        assert!(id.starts_with("call_") && id.len() <= 40, "{id}");
    }
    let Delta::ToolExtra { index: 0, extra } = &deltas[3] else {
        panic!("{deltas:?}");
    };
    assert_eq!(
        extra["extra_content"]["google"]["thought_signature"],
        "c2ln"
    );
    assert_eq!(
        unnamed(&deltas[4..]).collect::<Vec<_>>(),
        [
            Delta::ToolCall {
                index: 1,
                id: String::new(),
                name: "time".to_owned(),
            },
            Delta::ToolArguments {
                index: 1,
                json: "{}".to_owned(),
            },
            usage(50, None, None, None),
            usage(50, Some(20), None, None),
            Delta::Finish(FinishReason::ToolCalls),
            Delta::End,
        ]
    );
    assert_eq!(
        deltas[2],
        Delta::ToolArguments {
            index: 0,
            json: r#"{"when": "now","city": "Rome"}"#.to_owned(),
        }
    );
    // No two answers share a name, so that a conversation of both has no two calls of one name.
    let (again, _) = streamed(CALLS);
    assert_ne!(again[1], deltas[1]);
}

#[test]
fn a_call_keeps_the_name_that_it_has() {
    let call = json!({"functionCall": {"id": "fc-7", "name": "f", "args": null}});
    let body = json!({"candidates": [{"content": {"parts": [call]}, "finishReason": "STOP"}]});
    let answer = whole(body.to_string().into()).unwrap();
    assert_eq!(answer.tool_calls[0].id, "fc-7");
    assert_eq!(answer.tool_calls[0].function.arguments, "{}");
}

#[test]
fn a_stream_that_is_cut_never_ends_cleanly() {
    cut_everywhere::<SseFrames, _>(Parser::default, THOUGHT.as_bytes());
    cut_everywhere::<SseFrames, _>(Parser::default, CALLS.as_bytes());
}

#[test]
fn a_caller_sees_each_cut_and_what_it_cost() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        cuts_are_seen(Api::Gemini, dialect, THOUGHT.as_bytes());
        cuts_are_seen(Api::Gemini, dialect, CALLS.as_bytes());
    }
    let (events, result) = events(Api::Gemini, Dialect::OpenAi, THOUGHT.as_bytes());
    result.unwrap();
    // Each event counts its own text: as it was reported before, and estimated since.
    let seen = events.iter().filter(|event| event.part() == Part::Content);
    let seen: Vec<_> = seen
        .map(|event| event.usage().total_tokens().unwrap())
        .collect();
    assert_eq!(seen, [100 + 7, 65 + 3, 68 + 2]);
    let last = events.last().unwrap();
    assert_eq!(last.usage().total_tokens(), Some(71));
    assert!(last.is_reported());
}

#[test]
fn how_a_stream_ends_is_told() {
    let ended = |reason: &str| stream(&[said("a", None), said("b", Some(reason))]);
    for (reason, finish) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("BLOCKLIST", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("OTHER", FinishReason::Other),
        ("SOMETHING_NEW", FinishReason::Other),
    ] {
        let (deltas, result) = ended(reason);
        result.unwrap();
        assert!(
            deltas.ends_with(&[Delta::Finish(finish), Delta::End]),
            "{reason}"
        );
    }
    for (reason, class) in [
        ("MALFORMED_FUNCTION_CALL", Class::Malformed),
        ("UNEXPECTED_TOOL_CALL", Class::Malformed),
        ("MISSING_THOUGHT_SIGNATURE", Class::Request),
        ("FINISH_REASON_UNSPECIFIED", Class::Interrupted),
    ] {
        let (deltas, result) = ended(reason);
        assert_eq!(result.unwrap_err().class(), class, "{reason}");
        assert!(!deltas.contains(&Delta::End));
    }
}

#[test]
fn what_comes_after_an_end_makes_it_none() {
    // As older models write: a reason with every chunk.
    let (deltas, result) = stream(&[said("a", Some("STOP")), said("b", Some("STOP"))]);
    result.unwrap();
    assert_eq!(
        deltas
            .iter()
            .filter(|d| matches!(d, Delta::Finish(_)))
            .count(),
        1
    );
    let (_, result) = stream(&[said("a", Some("STOP")), said("b", None)]);
    assert_eq!(result.unwrap_err().class(), Class::Interrupted);
    // Usage alone is no content.
    let late = json!({"usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 2}});
    let (deltas, result) = stream(&[said("a", Some("STOP")), late]);
    result.unwrap();
    assert!(deltas.contains(&usage(1, Some(2), None, None)));
}

#[test]
fn what_was_filtered_before_its_first_word_is_an_error() {
    let blocked = json!({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}, "modelVersion": "gemini-2.5-flash"});
    let unsaid = json!({"candidates": [{"content": {}, "finishReason": "SAFETY", "index": 0}],
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9}});
    for (body, code, output) in [
        (blocked, "PROHIBITED_CONTENT", None),
        (unsaid, "SAFETY", Some(0)),
    ] {
        let (deltas, result) = stream(std::slice::from_ref(&body));
        let error = result.unwrap_err();
        assert_eq!(error.class(), Class::ContentFilter);
        assert_eq!(error.code(), Some(code));
        assert_eq!(
            deltas.last(),
            Some(&usage(9, output, None, None)),
            "it may be paid for"
        );
        let error = whole(body.to_string().into()).unwrap_err();
        assert_eq!(error.class(), Class::ContentFilter);
    }
}

#[test]
fn an_error_in_a_stream_is_one() {
    let error = json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}});
    let (deltas, result) = stream(&[said("a", None), error]);
    let error = result.unwrap_err();
    assert_eq!(error.class(), Class::Overload);
    assert_eq!(error.status(), Some(503));
    assert_eq!(deltas.last(), Some(&Delta::Text("a".to_owned())));
    let (_, result) = stream(&[json!({"error": {"message": "broken"}})]);
    let error = result.unwrap_err();
    assert_eq!((error.class(), error.message()), (Class::Server, "broken"));
}

#[test]
fn usage_is_not_told_before_it_counts_what_passed() {
    let chunk = |usage: Value, reason: Option<&str>| {
        let mut chunk = said("a", reason);
        chunk["usageMetadata"] = usage;
        chunk
    };
    let (deltas, _) = stream(&[
        chunk(
            json!({"promptTokenCount": 5, "thoughtsTokenCount": 9}),
            None,
        ),
        chunk(
            json!({"promptTokenCount": 5, "totalTokenCount": 30}),
            Some("STOP"),
        ),
    ]);
    assert_eq!(deltas[2], usage(5, None, None, Some(9)));
    assert_eq!(deltas[4], usage(5, Some(25), None, None));
}

#[test]
fn comments_and_other_candidates_are_passed_over() {
    let other = json!({"candidates": [{"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "STOP"}]});
    let body = format!(
        ": ping\n\ndata: {other}\n\ndata: {}\n\ndata: [DONE]\n\n",
        said("yes", Some("STOP"))
    );
    let (deltas, result) = streamed(&body);
    result.unwrap();
    assert_eq!(
        deltas[1..],
        [
            Delta::Text("yes".to_owned()),
            Delta::Finish(FinishReason::Stop),
            Delta::End,
        ]
    );
}

#[test]
fn a_whole_answer_is_read() {
    let body = json!({
        "candidates": [{"content": {"parts": [
            {"text": "Hm.", "thought": true},
            {"text": "It is "}, {"text": "noon.", "thoughtSignature": "x"},
            {"functionCall": {"name": "clock", "args": {}}, "thoughtSignature": "c2ln"},
        ], "role": "model"}, "finishReason": "STOP", "avgLogprobs": -0.1, "safetyRatings": []}],
        "usageMetadata": {"promptTokenCount": 10, "toolUsePromptTokenCount": 2, "candidatesTokenCount": 5, "thoughtsTokenCount": 1},
        "modelVersion": "gemini-3-flash", "responseId": "r",
    });
    let answer = whole(body.to_string().into()).unwrap();
    assert_eq!(answer.id, "r");
    assert_eq!(answer.model, "gemini-3-flash");
    assert_eq!(answer.text, "It is noon.");
    assert_eq!(answer.reasoning, "Hm.");
    assert_eq!(answer.finish, Some(FinishReason::ToolCalls));
    let call = serde_json::to_value(&answer.tool_calls[0]).unwrap();
    assert_eq!(call["extra_content"]["google"]["thought_signature"], "c2ln");
    let usage = answer.usage.unwrap();
    assert_eq!(
        (usage.input_tokens, usage.output_tokens),
        (Some(12), Some(6))
    );
}

#[test]
fn what_is_no_whole_answer_is_an_error() {
    let class =
        |body: &str| whole(Bytes::copy_from_slice(body.as_bytes())).map_err(|e: Error| e.class());
    assert_eq!(class(""), Err(Class::Empty));
    assert_eq!(class("<html>"), Err(Class::Malformed));
    assert_eq!(class("{}"), Err(Class::Interrupted));
    assert_eq!(class(&said("a", None).to_string()), Err(Class::Interrupted));
    assert_eq!(
        class("{\"error\": {\"code\": 400, \"status\": \"INVALID_ARGUMENT\"}}"),
        Err(Class::Request)
    );
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..50) {
        let (deltas, result) = drive::<SseFrames>(Parser::default(), &body, chunk);
        prop_assert!(result.is_err(), "{:?}", deltas);
        let _ = whole(body.into());
    }

    #[test]
    fn any_mess_of_a_stream_ends_in_one_way(at in 0..THOUGHT.len(), with in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut body = THOUGHT.as_bytes().to_vec();
        body.splice(at..(at + 1).min(body.len()), with);
        let (deltas, result) = drive::<SseFrames>(Parser::default(), &body, usize::MAX);
        prop_assert_eq!(deltas.contains(&Delta::End), result.is_ok());
    }

    #[test]
    fn chunks_do_not_matter(chunk in 1_usize..400) {
        let (deltas, result) = drive::<SseFrames>(Parser::default(), CALLS.as_bytes(), chunk);
        prop_assert!(result.is_ok());
        prop_assert!(unnamed(&deltas).eq(unnamed(&streamed(CALLS).0)));
    }

    #[test]
    fn any_numbers_of_usage_are_borne(counts in prop::collection::vec(any::<u64>(), 5)) {
        let mut chunk = said("a", Some("STOP"));
        chunk["usageMetadata"] = json!({"promptTokenCount": counts[0], "toolUsePromptTokenCount": counts[1],
            "candidatesTokenCount": counts[2], "thoughtsTokenCount": counts[3], "totalTokenCount": counts[4]});
        prop_assert!(stream(&[chunk]).1.is_ok());
    }
}
