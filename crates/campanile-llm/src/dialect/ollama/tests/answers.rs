use bytes::Bytes;
use campanile::Usage;
use proptest::prelude::*;

use super::super::{Parser, whole};
use crate::{
    chat::FinishReason,
    dialect::{
        Api, Dialect,
        drive::{Driven, cut_everywhere, cuts_are_seen, drive, events, unnamed},
        neutral::Delta,
    },
    error::{Class, Error},
    stream::NdjsonFrames,
};

/// A model that thinks, then speaks.
const THOUGHT: &str = r#"{"model":"qwen3:4b","created_at":"2026-01-05T10:00:00.1Z","message":{"role":"assistant","content":"","thinking":"Two"},"done":false}
{"model":"qwen3:4b","created_at":"2026-01-05T10:00:00.2Z","message":{"role":"assistant","content":"","thinking":" and two."},"done":false}
{"model":"qwen3:4b","created_at":"2026-01-05T10:00:00.3Z","message":{"role":"assistant","content":"Four"},"done":false}
{"model":"qwen3:4b","created_at":"2026-01-05T10:00:00.4Z","message":{"role":"assistant","content":"."},"done":false}
{"model":"qwen3:4b","created_at":"2026-01-05T10:00:00.5Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":11,"eval_duration":535599000}
"#;

/// Two calls of one tool, without names of their own.
const CALLS: &str = r#"{"model":"llama3.2","created_at":"2026-01-05T10:00:00.1Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"weather","arguments":{"when":"now","city":"Rome"}}}]},"done":false}
{"model":"llama3.2","created_at":"2026-01-05T10:00:00.2Z","message":{"role":"assistant","content":"","tool_calls":[{"function":{"index":1,"name":"weather","arguments":{"city":"Oslo"}}}]},"done":false}
{"model":"llama3.2","created_at":"2026-01-05T10:00:00.3Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","eval_count":11}
"#;

fn streamed(body: &str) -> Driven {
    drive::<NdjsonFrames>(Parser::default(), body.as_bytes(), usize::MAX)
}

fn usage(input: Option<u64>, output: Option<u64>) -> Delta {
    Delta::Usage(Usage {
        input_tokens: input,
        output_tokens: output,
        ..Usage::default()
    })
}

#[test]
fn thoughts_and_text_are_told_apart() {
    let (deltas, result) = streamed(THOUGHT);
    result.unwrap();
    let Delta::Start { id, model } = &deltas[0] else {
        panic!("{deltas:?}");
    };
    assert!(id.starts_with("chatcmpl-"), "{id}");
    assert_eq!(model, "qwen3:4b");
    assert_eq!(
        deltas[1..],
        [
            Delta::Reasoning("Two".to_owned()),
            Delta::Reasoning(" and two.".to_owned()),
            Delta::Text("Four".to_owned()),
            Delta::Text(".".to_owned()),
            usage(Some(26), Some(11)),
            Delta::Finish(FinishReason::Stop),
            Delta::End,
        ]
    );
}

#[test]
fn calls_of_tools_get_names() {
    let (deltas, result) = streamed(CALLS);
    result.unwrap();
    let mut ids = Vec::new();
    for delta in &deltas {
        if let Delta::ToolCall { id, .. } = delta {
            assert!(id.starts_with("call_") && id.len() <= 40, "{id}");
            ids.push(id.clone());
        }
    }
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
    assert_eq!(
        unnamed(&deltas[1..]).collect::<Vec<_>>(),
        [
            Delta::ToolCall {
                index: 0,
                id: String::new(),
                name: "weather".to_owned(),
            },
            Delta::ToolArguments {
                index: 0,
                json: r#"{"when":"now","city":"Rome"}"#.to_owned(),
            },
            Delta::ToolCall {
                index: 1,
                id: String::new(),
                name: "weather".to_owned(),
            },
            Delta::ToolArguments {
                index: 1,
                json: r#"{"city":"Oslo"}"#.to_owned(),
            },
            // The prompt was in the cache: the estimate stays.
            usage(None, Some(11)),
            Delta::Finish(FinishReason::ToolCalls),
            Delta::End,
        ]
    );
}

#[test]
fn a_stream_that_is_cut_never_ends_cleanly() {
    cut_everywhere::<NdjsonFrames, _>(Parser::default, THOUGHT.as_bytes());
    cut_everywhere::<NdjsonFrames, _>(Parser::default, CALLS.as_bytes());
}

#[test]
fn a_caller_sees_each_cut_and_what_it_cost() {
    for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
        cuts_are_seen(Api::Ollama, dialect, THOUGHT.as_bytes());
        cuts_are_seen(Api::Ollama, dialect, CALLS.as_bytes());
    }
    // The prompt was in the cache, and is told by its estimate.
    let (events, result) = events(Api::Ollama, Dialect::OpenAi, CALLS.as_bytes());
    result.unwrap();
    let last = events.last().unwrap();
    assert_eq!(last.usage().input_tokens, Some(100));
    assert_eq!(last.usage().output_tokens, Some(11));
    assert!(!last.is_reported());
}

#[test]
fn how_a_stream_ends_is_told() {
    for (reason, finish) in [
        (r#","done_reason":"stop""#, FinishReason::Stop),
        (r#","done_reason":"length""#, FinishReason::Length),
        (r#","done_reason":"load""#, FinishReason::Other),
        (r#","done_reason":"unload""#, FinishReason::Other),
        ("", FinishReason::Stop),
    ] {
        let body = format!(r#"{{"model":"a","message":{{"content":"b"}},"done":true{reason}}}"#);
        let (deltas, result) = streamed(&body);
        result.unwrap();
        assert_eq!(
            deltas[1..],
            [
                Delta::Text("b".to_owned()),
                Delta::Finish(finish),
                Delta::End
            ],
            "{reason}"
        );
    }
}

#[test]
fn an_error_in_a_stream_is_one() {
    for (words, class) in [
        (
            "an error was encountered while running the model: unexpected EOF",
            Class::Server,
        ),
        ("model 'a' not found", Class::ModelNotFound),
        (
            "server busy, please try again.  maximum pending requests exceeded",
            Class::Overload,
        ),
        ("context size has been exceeded", Class::ContextWindow),
    ] {
        let body = format!(
            "{{\"message\":{{\"content\":\"b\"}},\"done\":false}}\n{{\"error\":\"{words}\"}}\n"
        );
        let (deltas, result) = streamed(&body);
        let error = result.unwrap_err();
        assert_eq!(error.class(), class, "{words}");
        assert_eq!(error.message(), words);
        assert_eq!(deltas.last(), Some(&Delta::Text("b".to_owned())));
    }
}

#[test]
fn nothing_is_read_after_the_end() {
    let (deltas, result) = streamed(&format!("{THOUGHT}{{\"error\":\"late\"}}\nwhat\n"));
    result.unwrap();
    assert_eq!(deltas, {
        let (mut clean, _) = streamed(THOUGHT);
        clean[0] = deltas[0].clone();
        clean
    });
}

#[test]
fn a_whole_answer_is_read() {
    let body = r#"{"model":"llama3.2","created_at":"2026-01-05T10:00:00Z","message":{"role":"assistant","content":"Four.","thinking":"Hm.","tool_calls":[{"id":"call_x","function":{"name":"f","arguments":null}}]},"done_reason":"stop","done":true,"prompt_eval_count":26,"eval_count":298}"#;
    let answer = whole(body.into()).unwrap();
    assert_eq!(answer.model, "llama3.2");
    assert_eq!(answer.text, "Four.");
    assert_eq!(answer.reasoning, "Hm.");
    assert_eq!(answer.finish, Some(FinishReason::ToolCalls));
    assert_eq!(answer.tool_calls[0].id, "call_x");
    assert_eq!(answer.tool_calls[0].function.arguments, "{}");
    assert_eq!(answer.usage.unwrap().total_tokens(), Some(324));
}

#[test]
fn what_is_no_whole_answer_is_an_error() {
    let class =
        |body: &str| whole(Bytes::copy_from_slice(body.as_bytes())).map_err(|e: Error| e.class());
    assert_eq!(class(""), Err(Class::Empty));
    assert_eq!(class("<html>"), Err(Class::Malformed));
    assert_eq!(
        class("{\"message\":{\"content\":\"a\"},\"done\":false}"),
        Err(Class::Interrupted)
    );
    assert_eq!(class("{\"error\":\"broken\"}"), Err(Class::Server));
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(body in prop::collection::vec(any::<u8>(), 0..200), chunk in 1_usize..50) {
        let (deltas, result) = drive::<NdjsonFrames>(Parser::default(), &body, chunk);
        prop_assert!(result.is_err(), "{:?}", deltas);
        let _ = whole(body.into());
    }

    #[test]
    fn any_mess_of_a_stream_ends_in_one_way(at in 0..THOUGHT.len(), with in prop::collection::vec(any::<u8>(), 0..4)) {
        let mut body = THOUGHT.as_bytes().to_vec();
        body.splice(at..(at + 1).min(body.len()), with);
        let (deltas, result) = drive::<NdjsonFrames>(Parser::default(), &body, usize::MAX);
        prop_assert_eq!(deltas.contains(&Delta::End), result.is_ok());
    }

    #[test]
    fn chunks_do_not_matter(chunk in 1_usize..400) {
        let (deltas, result) = drive::<NdjsonFrames>(Parser::default(), CALLS.as_bytes(), chunk);
        prop_assert!(result.is_ok());
        prop_assert!(unnamed(&deltas).eq(unnamed(&streamed(CALLS).0)));
    }
}
