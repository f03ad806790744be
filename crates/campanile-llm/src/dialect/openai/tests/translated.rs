use serde_json::{Value, json};

use super::*;
use crate::{
    chat::FinishReason,
    dialect::{codec::Translated, neutral::Whole, openai::renderer},
};

fn tool(index: u32, id: &str, name: &str) -> Delta {
    Delta::ToolCall {
        index,
        id: id.to_owned(),
        name: name.to_owned(),
    }
}

fn arguments(index: u32, json: &str) -> Delta {
    Delta::ToolArguments {
        index,
        json: json.to_owned(),
    }
}

#[test]
fn a_stream_is_read() {
    let deltas = deltas(STREAM).unwrap();
    let Delta::Usage(usage) = &deltas[3] else {
        panic!("{deltas:?}");
    };
    assert_eq!(usage.cached_tokens, Some(4));
    assert_eq!(
        deltas[0],
        Delta::Start {
            id: "c1".into(),
            model: "m".into()
        }
    );
    assert_eq!(deltas[1], Delta::Text("Hi é".into()));
    assert_eq!(deltas[2], Delta::Finish(FinishReason::Stop));
    assert_eq!(deltas[4..], [Delta::End]);
}

#[test]
fn reasoning_refusals_and_calls_are_read() {
    let stream = [
        r#"{"delta":{"reasoning_content":"hm"}}"#,
        r#"{"delta":{"reasoning":"so"}}"#,
        r#"{"delta":{"refusal":"no"}}"#,
        r#"{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}}"#,
        r#"{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}"#,
        r#"{"delta":{"tool_calls":[{"index":2,"id":"b","function":{"name":"g","arguments":"{\"x\":1}"}}]}}"#,
        r#"{"index":1,"delta":{"content":"of another choice"}}"#,
        r#"{"delta":{},"finish_reason":"tool_calls"}"#,
    ]
    .map(chunk)
    .concat();
    assert_eq!(
        deltas(&stream).unwrap()[1..],
        [
            Delta::Reasoning("hm".into()),
            Delta::Reasoning("so".into()),
            Delta::Refusal("no".into()),
            tool(0, "a", "f"),
            arguments(0, "{}"),
            tool(1, "b", "g"),
            arguments(1, "{\"x\":1}"),
            Delta::Finish(FinishReason::ToolCalls),
            Delta::End,
        ]
    );
}

#[test]
fn calls_without_numbers_and_ids_are_told_apart() {
    let stream = chunk(
        r#"{"delta":{"tool_calls":[{"function":{"name":"f","arguments":{"x":1}}},{"function":{"name":"g","arguments":"{}"}}]},"finish_reason":"tool_calls"}"#,
    );
    let deltas = deltas(&stream).unwrap();
    let ids = deltas.iter().filter_map(|delta| match delta {
        Delta::ToolCall { id, .. } => Some(&**id),
        _ => None,
    });
    let ids: Vec<&str> = ids.collect();
    assert!(ids.iter().all(|id| id.starts_with("call_")) && ids[0] != ids[1]);
    assert_eq!(
        deltas[1..5],
        [
            tool(0, ids[0], "f"),
            arguments(0, "{\"x\":1}"),
            tool(1, ids[1], "g"),
            arguments(1, "{}"),
        ]
    );
}

/// Gemini by this interface numbers all calls 0.
#[test]
fn calls_of_one_number_are_told_apart_by_their_ids() {
    let stream = [
        r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":1}"}}]}}"#,
        r#"{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{\"x\""}}]}}"#,
        r#"{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"arguments":" "}}]}}"#,
        // Others say the id and the name again with each piece.
        r#"{"delta":{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":":2}"}}]}}"#,
        r#"{"delta":{},"finish_reason":"tool_calls"}"#,
    ]
    .map(chunk)
    .concat();
    assert_eq!(
        deltas(&stream).unwrap()[1..7],
        [
            tool(0, "a", "f"),
            arguments(0, "{\"x\":1}"),
            tool(1, "b", "f"),
            arguments(1, "{\"x\""),
            arguments(0, " "),
            arguments(1, ":2}"),
        ]
    );
}

#[test]
fn a_cut_stream_is_interrupted() {
    let stream = chunk(r#"{"delta":{"content":"a"}}"#);
    assert_eq!(deltas(&stream).unwrap_err().class(), Class::Interrupted);
}

/// Writes steps, and reads what was written by the verbatim decoder.
fn written(steps: Vec<Delta>, usage: bool) -> Vec<ChatEvent> {
    let mut render = Translated::new((), renderer(asked(usage, 1)), Tally::new(7, 4.0));
    let mut events = VecDeque::new();
    render.replay(steps, &mut events);
    let frames: Vec<u8> = events
        .iter()
        .flat_map(|event| event.frame().to_vec())
        .collect();
    let mut decode = crate::dialect::openai::verbatim(&asked(usage, 1), Tally::new(7, 4.0));
    let (again, error) = read(&mut decode, &frames, 11);
    assert!(error.is_none());
    for (event, again) in events.iter().zip(&again) {
        assert_eq!(event.part(), again.part());
        assert_eq!(event.data(), again.data());
        assert_eq!(event.finish(), again.finish());
    }
    assert_eq!(events.len(), again.len());
    events.into()
}

fn whole() -> Whole {
    let mut whole = Whole {
        id: "x".into(),
        model: "m".into(),
        text: "a \"b\"\n".into(),
        reasoning: "hm".into(),
        refusal: "no".into(),
        finish: Some(FinishReason::ToolCalls),
        usage: Some(campanile::Usage {
            input_tokens: Some(9),
            output_tokens: Some(5),
            cached_tokens: Some(3),
            reasoning_tokens: Some(1),
            ..Default::default()
        }),
        ..Whole::default()
    };
    whole.tool_calls = vec![
        crate::chat::ToolCall::new("1", "f", "{\"a\":1}"),
        crate::chat::ToolCall::new("2", "g", ""),
    ];
    whole
}

#[test]
fn what_is_written_is_read_again() {
    let events = written(whole().into_deltas(), true);
    let stream: Vec<u8> = events
        .iter()
        .flat_map(|event| event.frame().to_vec())
        .collect();
    let again = deltas(std::str::from_utf8(&stream).unwrap()).unwrap();
    let mut put_together = Whole::default();
    again.into_iter().for_each(|delta| put_together.add(delta));
    assert_eq!(put_together, whole());

    let first: Value = serde_json::from_slice(events[0].data()).unwrap();
    assert_eq!(first["object"], "chat.completion.chunk");
    assert_eq!(first["choices"][0]["delta"]["role"], "assistant");
    assert_eq!((&first["id"], &first["model"]), (&json!("x"), &json!("m")));
    assert_eq!(events.last().unwrap().usage().total_tokens(), Some(14));
}

#[test]
fn usage_is_told_to_those_who_asked() {
    let tells = |usage| {
        let events = written(whole().into_deltas(), usage);
        events.iter().any(|event| {
            event
                .data()
                .windows(13)
                .any(|bytes| bytes == b"prompt_tokens")
        })
    };
    assert!(tells(true));
    assert!(!tells(false));
}

#[test]
fn a_stream_without_a_start_has_one() {
    let events = written(
        vec![
            Delta::Text("a".into()),
            Delta::Finish(FinishReason::Stop),
            Delta::End,
        ],
        true,
    );
    let first: Value = serde_json::from_slice(events[0].data()).unwrap();
    assert!(first["id"].as_str().unwrap().starts_with("chatcmpl-"));
    assert_eq!(first["model"], "callers");
    assert_eq!(events[1].part(), Part::Content);
    assert!(!events.last().unwrap().is_reported());
    assert_eq!(events.last().unwrap().usage().output_tokens, Some(1));
}

#[test]
fn a_whole_answer_is_written() {
    let body = crate::dialect::openai::render_whole(&whole());
    let mut again = crate::dialect::openai::whole(body.clone()).unwrap();
    assert_eq!(again, whole());
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["usage"]["total_tokens"], 14);
    again.tool_calls.clear();
    let body = crate::dialect::openai::render_whole(&again);
    assert!(!body.windows(12).any(|bytes| bytes == b"\"tool_calls\":"));
}

/// Steps of a stream that any provider might make.
fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Delta>> {
    use proptest::prelude::*;
    let said = prop_oneof![
        ".{1,20}".prop_map(Delta::Text),
        ".{1,20}".prop_map(Delta::Reasoning),
        ".{1,20}".prop_map(Delta::Refusal),
    ];
    let calls = proptest::collection::vec((".{0,8}", ".{0,20}"), 0..4);
    (proptest::collection::vec(said, 0..12), calls).prop_map(|(said, calls)| {
        let mut steps = vec![Delta::Start {
            id: "x".to_owned(),
            model: "m".to_owned(),
        }];
        steps.extend(said);
        for (index, (name, json)) in (0..).zip(calls) {
            steps.push(tool(index, &format!("id{index}"), &name));
            if !json.is_empty() {
                steps.push(arguments(index, &json));
            }
        }
        steps.extend([Delta::Finish(FinishReason::Stop), Delta::End]);
        steps
    })
}

proptest::proptest! {
    #[test]
    fn any_steps_survive_writing_and_reading(steps in steps()) {
        let events = written(steps.clone(), false);
        let stream: Vec<u8> = events.iter().flat_map(|event| event.frame().to_vec()).collect();
        let again = deltas(std::str::from_utf8(&stream).unwrap()).unwrap();
        proptest::prop_assert_eq!(again, steps);
    }
}
