use campanile::Usage;

use super::{samples::*, *};
use crate::{chat::FinishReason, error::Class};

fn start(id: &str, model: &str) -> Delta {
    Delta::Start {
        id: id.to_owned(),
        model: model.to_owned(),
    }
}

fn call(index: u32, id: &str, name: &str) -> Delta {
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

fn text(text: &str) -> Delta {
    Delta::Text(text.to_owned())
}

#[test]
fn thinking_text_and_a_tool_pass() {
    let (deltas, end) = parsed(TOOL.as_bytes());
    end.unwrap();
    let input = Usage {
        input_tokens: Some(1230),
        cached_tokens: Some(1000),
        cache_write_tokens: Some(200),
        ..Usage::default()
    };
    assert_eq!(
        deltas,
        [
            start("msg_01", "claude-haiku-4-5"),
            Delta::Usage(input),
            Delta::Reasoning("The user wants \"weather\".".to_owned()),
            Delta::Signature("EqQBCg==".to_owned()),
            text("Let me look"),
            text(" à Paris 😀.\n"),
            call(0, "toolu_01", "get_weather"),
            arguments(0, "{\"city\": \"Par"),
            arguments(0, "is\"}"),
            Delta::Finish(FinishReason::ToolCalls),
            Delta::Usage(Usage {
                output_tokens: Some(58),
                reasoning_tokens: Some(12),
                ..input
            }),
            Delta::End,
        ]
    );
}

#[test]
fn what_the_provider_does_itself_does_not_pass() {
    let (deltas, end) = parsed(SEARCH.as_bytes());
    end.unwrap();
    let usage = |input, output| {
        Delta::Usage(Usage {
            input_tokens: Some(input),
            output_tokens: output,
            cached_tokens: Some(0),
            cache_write_tokens: Some(0),
            ..Usage::default()
        })
    };
    assert_eq!(
        deltas,
        [
            start("msg_02", "claude-opus-5-5"),
            usage(2679, None),
            text("It is so."),
            Delta::Finish(FinishReason::Stop),
            usage(10682, Some(510)),
            Delta::End,
        ]
    );
}

#[test]
fn servers_that_are_sloppy_are_understood() {
    let (deltas, end) = parsed(SLOPPY.as_bytes());
    end.unwrap();
    assert_eq!(
        deltas,
        [
            start("m", "local"),
            text("Hi"),
            call(0, "a", "now"),
            call(1, "b", "at"),
            arguments(1, "{\"zone\": \"CET\"}"),
            text("!"),
            arguments(0, "{}"),
            Delta::Finish(FinishReason::Length),
            Delta::Usage(Usage {
                input_tokens: Some(21),
                output_tokens: Some(4),
                ..Usage::default()
            }),
            Delta::End,
        ]
    );
}

#[test]
fn every_reason_to_stop_has_a_meaning() {
    for (reason, meaning) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Other),
        ("what", FinishReason::Other),
    ] {
        let body = TOOL.replace(
            "\"stop_reason\":\"tool_use\"",
            &format!("\"stop_reason\":\"{reason}\""),
        );
        let (deltas, end) = parsed(body.as_bytes());
        end.unwrap();
        assert!(deltas.contains(&Delta::Finish(meaning)), "{reason}");
    }
}

#[test]
fn a_start_that_is_told_twice_does_no_harm() {
    let start = &TOOL[..TOOL.find("event: content_block_start").unwrap()];
    let body = format!("{start}{TOOL}");
    let (deltas, end) = parsed(body.as_bytes());
    end.unwrap();
    assert_eq!(deltas, parsed(TOOL.as_bytes()).0);
    let (events, end) = decoded(verbatim(Tally::new(9, 4.0)), body.as_bytes());
    end.unwrap();
    assert_eq!(super::body(&events), body.as_bytes());
}

#[test]
fn a_message_may_begin_with_content() {
    let body = r#"event: message_start
data: {"type":"message_start","message":{"id":"m","model":"c","content":[{"type":"code_execution_tool_result","content":{}},{"type":"text","text":"a"},{"type":"tool_use","id":"t","name":"f","input":{"a":1}},{"type":"tool_use","id":"u","name":"g","input":{}}],"stop_reason":"tool_use","usage":{"input_tokens":0,"output_tokens":0}}}

event: message_stop
data: {"type":"message_stop"}

"#;
    let (deltas, end) = parsed(body.as_bytes());
    end.unwrap();
    assert_eq!(
        deltas,
        [
            start("m", "c"),
            text("a"),
            call(0, "t", "f"),
            arguments(0, "{\"a\":1}"),
            call(1, "u", "g"),
            arguments(1, "{}"),
            Delta::Finish(FinishReason::ToolCalls),
            Delta::End,
        ]
    );
    let (events, end) = decoded(verbatim(Tally::new(9, 4.0)), body.as_bytes());
    end.unwrap();
    assert_eq!(events[0].part(), crate::chat::Part::Content);
    assert_eq!(events[0].finish(), Some(FinishReason::ToolCalls));
}

#[test]
fn nothing_is_read_after_the_end() {
    let body = format!("{TOOL}data: nonsense\n\n{TOOL}");
    let (deltas, end) = parsed(body.as_bytes());
    end.unwrap();
    assert_eq!(deltas, parsed(TOOL.as_bytes()).0);
}

#[test]
fn an_error_within_a_stream_is_what_its_type_says() {
    for (kind, class) in [
        ("overloaded_error", Class::Overload),
        ("rate_limit_error", Class::Rate),
        ("api_error", Class::Server),
        ("timeout_error", Class::Timeout),
        ("authentication_error", Class::Auth),
        ("billing_error", Class::Quota),
        ("invalid_request_error", Class::Request),
        ("new_error", Class::Server),
    ] {
        let body = format!(
            "{}event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":\"Oh\"}},\"request_id\":\"req_1\"}}\n\n",
            &TOOL[..TOOL.find("event: content_block_stop").unwrap()]
        );
        let (deltas, end) = parsed(body.as_bytes());
        let error = end.unwrap_err();
        assert_eq!(error.class(), class, "{kind}");
        assert_eq!((error.message(), error.kind()), ("Oh", Some(kind)));
        assert_eq!((error.request_id(), error.status()), (Some("req_1"), None));
        assert_eq!(deltas.len(), 4, "what came before it passes");
    }
    for data in [
        "event: error\ndata: overloaded\n\n",
        "data: {\"error\":{\"message\":\"x\"}}\n\n",
    ] {
        let error = parsed(data.as_bytes()).1.unwrap_err();
        assert_eq!(error.class(), Class::Server, "{data}");
    }
}

#[test]
fn what_makes_no_sense_is_named_with_its_place() {
    const START: &str =
        "event: message_start\ndata: {\"message\":{\"id\":\"a\",\"model\":\"b\"}}\n\n";
    const TEXT: &str = "event: content_block_start\ndata: {\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    let delta = |data: &str| format!("{START}{TEXT}event: content_block_delta\ndata: {data}\n\n");
    for (body, says) in [
        (
            "data: x\n\n".to_owned(),
            "event 1 of the stream, data: expected value",
        ),
        (
            "event: message_start\ndata: {}\n\n".to_owned(),
            "missing field `message`",
        ),
        (
            format!("{START}{TEXT}{START}"),
            "event 3 of the stream, message_start: the message has started before",
        ),
        (TEXT.to_owned(), "content_block_start: before message_start"),
        (
            format!("{START}{TEXT}{TEXT}"),
            "event 3 of the stream, content_block_start: block 0 has started before",
        ),
        (
            format!(
                "{START}{}",
                TEXT.replace("\"text\",\"text\":\"\"", "\"tool_use\",\"id\":\"a\"")
            ),
            "an id and a name",
        ),
        (
            delta("{\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}"),
            "block 1 is not open",
        ),
        (
            delta("{\"index\":0,\"delta\":{\"type\":\"text_delta\"}}"),
            "a text_delta without what it adds",
        ),
        (
            delta("{\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"a\"}}"),
            "a input_json_delta in block 0, which is text",
        ),
        (delta("{\"index\":0,\"delta\":"), "EOF while parsing"),
        (
            delta("{\"index\":-1,\"delta\":{\"type\":\"x\"}}"),
            "invalid value",
        ),
        (
            format!("{START}event: content_block_stop\ndata: {{\"index\":0}}\n\n"),
            "content_block_stop: block 0 is not open",
        ),
        (
            "event: message_stop\ndata: {}\n\n".to_owned(),
            "message_stop: before message_start",
        ),
    ] {
        let error = parsed(body.as_bytes()).1.unwrap_err();
        assert_eq!(error.class(), Class::Malformed, "{body}");
        assert!(error.message().contains(says), "{body}: {error}");
    }
}

#[test]
fn open_blocks_are_bounded() {
    let mut body = TOOL[..TOOL.find("event: content_block_start").unwrap()].to_owned();
    for index in 0..1000 {
        body += &format!(
            "event: content_block_start\ndata: {{\"index\":{index},\"content_block\":{{\"type\":\"text\"}}}}\n\n"
        );
    }
    let error = parsed(body.as_bytes()).1.unwrap_err();
    assert!(error.message().contains("64 blocks are open"), "{error}");
}
