//! Answers that break off and go on elsewhere, of providers of two interfaces, for callers of two dialects: the usage that the
//! caller is shown is the one that the ledger has.

use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use campanile::{BoxError, Call, Usage};
use campanile_llm::{
    account::{AccountLayer, Ledger, LedgerConfig, Taken},
    chat::{Answer, ChatRequest, Part},
    commit::CommitLayer,
    dialect::{Api, Dialect},
    price::Prices,
    provider::{Provider, ProviderConfig},
    resume::ResumeLayer,
};
use futures_util::StreamExt;
use http::{Request, Response, header};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// An answer that says this, and reports what it took, unless it breaks off before.
fn answer(api: Api, words: &[&str], usage: Option<&Value>) -> String {
    let mut body = String::new();
    let mut frame = |value: Value| {
        if let (Api::Anthropic, Some(name)) = (api, value["type"].as_str()) {
            body += &format!("event: {name}\n");
        }
        body += &format!("data: {value}\n\n");
    };
    match api {
        Api::Anthropic => {
            frame(
                json!({"type": "message_start", "message": {"id": "1", "type": "message",
                "role": "assistant", "model": "m", "content": [], "stop_reason": null,
                "usage": {"input_tokens": 20, "cache_read_input_tokens": 5, "output_tokens": 1}}}),
            );
            frame(json!({"type": "content_block_start", "index": 0,
                "content_block": {"type": "text", "text": ""}}));
            for text in words {
                frame(json!({"type": "content_block_delta", "index": 0,
                    "delta": {"type": "text_delta", "text": text}}));
            }
            if let Some(usage) = usage {
                frame(json!({"type": "content_block_stop", "index": 0}));
                frame(
                    json!({"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                    "usage": usage}),
                );
                frame(json!({"type": "message_stop"}));
            }
        }
        _ => {
            let chunk = |delta: Value, finish: Value| {
                json!({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m",
                    "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
                    "usage": null})
            };
            frame(chunk(
                json!({"role": "assistant", "content": ""}),
                Value::Null,
            ));
            for text in words {
                frame(chunk(json!({"content": text}), Value::Null));
            }
            if let Some(usage) = usage {
                frame(chunk(json!({}), json!("stop")));
                frame(
                    json!({"id": "1", "object": "chat.completion.chunk", "created": 1,
                    "model": "m", "choices": [], "usage": usage}),
                );
                body += "data: [DONE]\n\n";
            }
        }
    }
    body
}

/// What a caller of this dialect takes for the usage of an answer whose frames have this data.
fn shown(dialect: Dialect, data: &[Value]) -> Usage {
    let last = |place: &str, field: &str| {
        let mut found = data.iter().filter_map(|data| data.pointer(place));
        found.rfind(|usage| usage.get(field).is_some())?[field].as_u64()
    };
    match dialect {
        Dialect::OpenAi => {
            let count = |field| last("/usage", field);
            Usage {
                input_tokens: count("prompt_tokens"),
                output_tokens: count("completion_tokens"),
                cached_tokens: last("/usage/prompt_tokens_details", "cached_tokens"),
                reasoning_tokens: last("/usage/completion_tokens_details", "reasoning_tokens"),
                ..Usage::default()
            }
        }
        _ => {
            // What comes with the end replaces what came with the start.
            let count = |field| last("/usage", field).or_else(|| last("/message/usage", field));
            let cached = count("cache_read_input_tokens");
            let fresh = count("input_tokens");
            Usage {
                input_tokens: fresh.map(|fresh| fresh + cached.unwrap_or(0)),
                output_tokens: count("output_tokens"),
                cached_tokens: cached,
                ..Usage::default()
            }
        }
    }
}

fn request(dialect: Dialect) -> ChatRequest {
    match dialect {
        Dialect::OpenAi => ChatRequest::new("m")
            .user("Count.")
            .streamed()
            .field("stream_options", &json!({"include_usage": true})),
        _ => {
            let body = r#"{"model":"m","max_tokens":90,"stream":true,"messages":[{"role":"user","content":"Count."}]}"#;
            ChatRequest::parse(dialect, body).unwrap()
        }
    }
}

/// What the caller is shown, what the ledger has, what the last event tells, and all data.
async fn resumed(
    api: Api,
    dialect: Dialect,
    usage: &Value,
) -> Result<(Usage, Taken, Usage, Vec<Value>), BoxError> {
    let ledger = Ledger::new(LedgerConfig::default())?;
    let calls = AtomicUsize::new(0);
    let usage = usage.clone();
    let calls = std::sync::Arc::new(calls);
    let http = service_fn(move |_: Request<Full<Bytes>>| {
        let body = match calls.fetch_add(1, Ordering::Relaxed) {
            0 => answer(api, &["one, ", "two, "], None),
            _ => answer(api, &["three, ", "four."], Some(&usage)),
        };
        let response = Response::builder()
            .header(header::CONTENT_TYPE, "text/event-stream")
            .body(Full::new(Bytes::from(body)));
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    let config = match api {
        Api::Anthropic => ProviderConfig::anthropic("a key that is not real"),
        _ => ProviderConfig::openai("a key that is not real"),
    };
    let stack = ServiceBuilder::new()
        .layer(ResumeLayer::default())
        .layer(AccountLayer::new(&ledger, &Prices::default()))
        .layer(CommitLayer::default())
        .service(Provider::new(http, &config)?);
    let response = stack.oneshot(Call::new(request(dialect))).await?;
    let Answer::Stream(events) = response.answer else {
        panic!("it is streamed");
    };
    let events: Vec<_> = events.map(Result::unwrap).collect().await;
    let last = events.last().unwrap();
    assert_eq!(last.part(), Part::End);
    assert!(!last.is_reported(), "a part of it is an estimate");
    let data = events
        .iter()
        .map(|event| serde_json::from_slice(event.data()));
    let data: Vec<Value> = data.flatten().collect();
    assert_eq!(ledger.total().calls, 2);
    Ok((
        shown(dialect, &data),
        ledger.total().taken(),
        *last.usage(),
        data,
    ))
}

#[tokio::test]
async fn the_usage_that_a_caller_is_shown_is_that_of_the_ledger() -> Result<(), BoxError> {
    let openai = json!({"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 50,
        "prompt_tokens_details": {"cached_tokens": 30, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2}});
    let anthropic = json!({"output_tokens": 9, "server_tool_use": {"web_search_requests": 0}});
    for (api, usage) in [(Api::OpenAi, &openai), (Api::Anthropic, &anthropic)] {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let of = format!("{api:?} to {dialect:?}");
            let (shown, ledger, told, data) = resumed(api, dialect, usage).await?;
            // More than either attempt alone.
            assert!(
                ledger.input_tokens > 40 && ledger.output_tokens > 10,
                "{ledger:?}"
            );
            let counts = |usage: &Usage| {
                let count = |number: Option<u64>| number.unwrap_or(0);
                [
                    count(usage.input_tokens),
                    count(usage.output_tokens),
                    count(usage.cached_tokens),
                ]
            };
            let recorded = [
                ledger.input_tokens,
                ledger.output_tokens,
                ledger.cached_tokens,
            ];
            assert_eq!(counts(&shown), recorded, "{of}: {data:#?}");
            assert_eq!(counts(&told), recorded, "{of}");
            if dialect == Dialect::OpenAi {
                let reasoning = shown.reasoning_tokens.unwrap_or(0);
                assert_eq!(reasoning, ledger.reasoning_tokens, "{of}");
                let total = data
                    .iter()
                    .rev()
                    .find_map(|data| data["usage"]["total_tokens"].as_u64());
                assert_eq!(total, shown.total_tokens(), "{of}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn what_a_provider_reports_besides_stays() -> Result<(), BoxError> {
    let usage = json!({"prompt_tokens": 40, "completion_tokens": 8, "total_tokens": 48,
        "prompt_cache_hit_tokens": 10, "prompt_cache_miss_tokens": 30, "new": {"a": 1}});
    let (shown, ledger, _, data) = resumed(Api::OpenAi, Dialect::OpenAi, &usage).await?;
    let usage = &data.last().unwrap()["usage"];
    assert_eq!(usage["new"], json!({"a": 1}));
    assert_eq!(usage["prompt_cache_hit_tokens"], ledger.cached_tokens);
    let missed = ledger.input_tokens - ledger.cached_tokens;
    assert_eq!(usage["prompt_cache_miss_tokens"], missed);
    assert_eq!(shown.input_tokens, Some(ledger.input_tokens));
    Ok(())
}
