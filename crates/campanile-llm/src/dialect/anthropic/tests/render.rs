use campanile::Usage;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::chat::{FinishReason, Part};

fn start() -> Delta {
    Delta::Start {
        id: "msg_7".to_owned(),
        model: "m".to_owned(),
    }
}

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

fn call(index: u32) -> Delta {
    Delta::ToolCall {
        index,
        id: format!("id_{index}"),
        name: format!("tool_{index}"),
    }
}

fn arguments(index: u32, json: &str) -> Delta {
    Delta::ToolArguments {
        index,
        json: json.to_owned(),
    }
}

fn values(events: &[ChatEvent]) -> Vec<Value> {
    let value = |event: &ChatEvent| serde_json::from_slice(event.data()).unwrap();
    events.iter().map(value).collect()
}

/// Types and indices, in short.
fn shape(events: &[ChatEvent]) -> String {
    let mut shape = String::new();
    for value in values(events) {
        let kind = value["type"].as_str().unwrap();
        let index = value["index"].as_u64();
        let sign = match kind {
            "message_start" => "(",
            "content_block_start" => "+",
            "content_block_delta" => "",
            "content_block_stop" => "-",
            "message_delta" => "=",
            _ => ")",
        };
        shape += sign;
        if let Some(index) = index {
            shape += &index.to_string();
        }
    }
    shape
}

#[test]
fn a_message_is_written_as_the_interface_writes_it() {
    let events = rendered([
        start(),
        Delta::Usage(Usage {
            input_tokens: Some(100),
            cached_tokens: Some(60),
            ..Usage::default()
        }),
        text("Hi"),
        Delta::Finish(FinishReason::Length),
        Delta::Usage(Usage {
            output_tokens: Some(5),
            ..Usage::default()
        }),
        Delta::End,
    ]);
    let written = String::from_utf8(body(&events)).unwrap();
    let expected = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_7","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"max_tokens","stop_sequence":null},"usage":{"input_tokens":40,"cache_creation_input_tokens":0,"cache_read_input_tokens":60,"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;
    assert_eq!(written, expected);
    let parts: Vec<Part> = events.iter().map(ChatEvent::part).collect();
    assert_eq!(
        parts,
        [
            Part::Idle,
            Part::Idle,
            Part::Content,
            Part::Idle,
            Part::Idle,
            Part::End
        ]
    );
    assert_eq!(events[4].finish(), Some(FinishReason::Length));
}

#[test]
fn blocks_begin_and_end_in_their_order() {
    let events = rendered([
        start(),
        Delta::Reasoning("hm".to_owned()),
        Delta::Signature("s".to_owned()),
        Delta::Reasoning("more".to_owned()),
        text("a"),
        text(""),
        call(0),
        arguments(0, "{\"a\":"),
        arguments(0, "\"}\"}"),
        call(1),
        arguments(1, "{}"),
        text("b"),
        Delta::End,
    ]);
    assert_eq!(shape(&events), "(+000-0+11-1+22-2+333-3+44-4+55-5=)");
    let values = values(&events);
    assert_eq!(values[4]["type"], "content_block_stop");
    assert_eq!(values[3]["delta"]["signature"], "s");
    let stop = &values[values.len() - 2];
    assert_eq!(stop["delta"]["stop_reason"], "tool_use", "callers go by it");
}

#[test]
fn calls_whose_arguments_come_mixed_overlap() {
    let events = rendered([
        start(),
        call(0),
        call(1),
        arguments(0, "{\"a\":1"),
        arguments(1, "{}"),
        text("x"),
        arguments(0, "}"),
        arguments(1, "\n"),
        arguments(9, "{}"),
        Delta::Finish(FinishReason::ToolCalls),
        Delta::End,
    ]);
    assert_eq!(shape(&events), "(+0+101-1+220-2-0=)");
    let (deltas, end) = parsed(&body(&events));
    end.unwrap();
    assert!(deltas.contains(&arguments(0, "}")));
}

#[test]
fn open_calls_are_bounded() {
    let mut deltas: Vec<_> = (0..1000).map(call).collect();
    deltas.push(Delta::End);
    let (deltas, end) = parsed(&body(&rendered(deltas)));
    end.unwrap();
    let calls = deltas
        .iter()
        .filter(|delta| matches!(delta, Delta::ToolCall { .. }));
    assert_eq!(calls.count(), 1000);
}

#[test]
fn a_refusal_is_text_and_a_reason() {
    for finish in [FinishReason::Stop, FinishReason::ContentFilter] {
        let events = rendered([
            start(),
            Delta::Refusal("No.".to_owned()),
            Delta::Finish(finish),
            Delta::End,
        ]);
        let values = values(&events);
        assert_eq!(values[2]["delta"]["text"], "No.");
        assert_eq!(values[4]["delta"]["stop_reason"], "refusal");
    }
}

#[test]
fn a_provider_that_names_nothing_is_given_names() {
    let events = rendered([text("a"), Delta::End]);
    let message = &values(&events)[0]["message"];
    let id = message["id"].as_str().unwrap();
    assert!(id.len() > 8 && id.starts_with("msg_"), "{id}");
    let other = rendered([text("a"), Delta::End]);
    assert_ne!(values(&other)[0]["message"]["id"], id);
    assert_eq!(message["model"], "asked");
    assert_eq!(shape(&events), "(+00-0=)");
    assert_eq!(shape(&rendered([Delta::End])), "(=)");
}

/// Runs of deltas as parsers make them.
fn runs() -> impl Strategy<Value = Vec<Delta>> {
    let texts = || prop::collection::vec("(?s).{1,20}", 1..4);
    let run = prop_oneof![
        texts().prop_map(|texts| texts.into_iter().map(Delta::Text).collect::<Vec<_>>()),
        (texts(), ".{1,9}").prop_map(|(texts, signature)| {
            let mut run: Vec<_> = texts.into_iter().map(Delta::Reasoning).collect();
            run.push(Delta::Signature(signature));
            run
        }),
        (".{0,9}", ".{0,9}", "(?s).{0,20}", 1..9_usize).prop_map(|(id, name, value, size)| {
            let json = serde_json::json!({"a": value, "b": [{}, "]"]}).to_string();
            let mut run = vec![Delta::ToolCall { index: 0, id, name }];
            let signs: Vec<char> = json.chars().collect();
            run.extend(signs.chunks(size).map(|part| Delta::ToolArguments {
                index: 0,
                json: part.iter().collect(),
            }));
            run
        }),
    ];
    prop::collection::vec(run, 0..6).prop_map(|runs| {
        let mut calls = 0;
        let mut deltas = vec![start()];
        for mut run in runs {
            let called = matches!(run[0], Delta::ToolCall { .. });
            for delta in &mut run {
                if let Delta::ToolCall { index, .. } | Delta::ToolArguments { index, .. } = delta {
                    *index = calls;
                }
            }
            calls += u32::from(called);
            deltas.extend(run);
        }
        deltas.push(Delta::Finish(match calls {
            0 => FinishReason::Stop,
            _ => FinishReason::ToolCalls,
        }));
        deltas
    })
}

proptest! {
    #[test]
    fn what_is_rendered_is_parsed_again(deltas in runs(), input in 1..u64::from(u32::MAX), output in any::<u32>(), cached in any::<u32>()) {
        let usage = Usage {
            input_tokens: Some(input + u64::from(cached)),
            output_tokens: Some(output.into()),
            cached_tokens: Some(cached.into()),
            cache_write_tokens: Some(0),
            ..Usage::default()
        };
        let mut deltas = deltas;
        deltas.push(Delta::Usage(usage));
        deltas.push(Delta::End);
        let (again, end) = parsed(&body(&rendered(deltas.clone())));
        prop_assert!(end.is_ok());
        // The estimate of the prompt, which the start tells.
        let estimate = |delta: &Delta| matches!(delta, Delta::Usage(usage) if usage.output_tokens.is_none());
        let again: Vec<_> = again.into_iter().filter(|delta| !estimate(delta)).collect();
        prop_assert_eq!(again, deltas);
    }

    #[test]
    fn whatever_comes_makes_a_valid_stream(seeds in prop::collection::vec((0..8_u8, 0..4_u32, "[{}\\[\\]\"a ]{0,5}"), 0..40)) {
        let deltas = seeds.into_iter().map(|(kind, index, json)| match kind {
            0 => Delta::Text(json),
            1 => Delta::Reasoning(json),
            2 => Delta::Signature(json),
            3 => Delta::Refusal(json),
            4 => call(index),
            5 | 6 => Delta::ToolArguments { index, json },
            _ => Delta::Finish(FinishReason::Stop),
        });
        let events = rendered(deltas.chain([Delta::End]));
        let (_, end) = parsed(&body(&events));
        prop_assert!(end.is_ok(), "{:?}", end);
        let shape = shape(&events);
        prop_assert_eq!(shape.matches('+').count(), shape.matches('-').count());
    }
}
