//! Every interface for callers of every dialect.

use super::*;

/// What a provider of this interface streams: all of it, by frame, and what it answers whole.
struct Sample {
    config: ProviderConfig,
    kind: &'static str,
    frames: &'static [&'static str],
    whole: &'static str,
    key: &'static str,
    path: &'static str,
}

fn samples() -> [Sample; 4] {
    [
        Sample {
            config: ProviderConfig::openai("k"),
            kind: SSE,
            frames: &[
                FIRST,
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n",
                "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\n",
                "data: [DONE]\n\n",
            ],
            whole: r#"{"choices":[{"index":0,"message":{"content":"ab"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2}}"#,
            key: "authorization",
            path: "/v1/chat/completions",
        },
        Sample {
            config: ProviderConfig::anthropic("k"),
            kind: SSE,
            frames: &[
                "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":9,\"output_tokens\":1}}}\n\n",
                "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
                "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"ab\"}}\n\n",
                "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
                "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":2}}\n\n",
                "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
            ],
            whole: r#"{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"ab"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":2}}"#,
            key: "x-api-key",
            path: "/v1/messages",
        },
        Sample {
            config: ProviderConfig::gemini("k"),
            kind: SSE,
            frames: &[
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"index\":0}],\"modelVersion\":\"gemini\"}\r\n\r\n",
                "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"b\"}],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":9,\"candidatesTokenCount\":2,\"totalTokenCount\":11}}\r\n\r\n",
            ],
            whole: r#"{"candidates":[{"content":{"parts":[{"text":"ab"}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":2,"totalTokenCount":11}}"#,
            key: "x-goog-api-key",
            path: "/v1beta/models/m:",
        },
        Sample {
            config: ProviderConfig::ollama_native("http://h").with_key("k"),
            kind: "application/x-ndjson",
            frames: &[
                "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"a\"},\"done\":false}\n",
                "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"b\"},\"done\":false}\n",
                "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":2}\n",
            ],
            whole: "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"ab\"},\"done\":true,\"done_reason\":\"stop\",\"prompt_eval_count\":9,\"eval_count\":2}",
            key: "authorization",
            path: "/api/chat",
        },
    ]
}

fn request(dialect: Dialect, streamed: bool) -> ChatRequest {
    let body = r#"{"model":"m","max_tokens":50,"messages":[{"role":"user","content":"hi"}]}"#;
    let request = ChatRequest::parse(dialect, body).unwrap();
    if streamed {
        request.streamed()
    } else {
        request
    }
}

async fn call(
    sample: &Sample,
    kind: &'static str,
    body: String,
    request: ChatRequest,
) -> ChatResponse<ProviderStream<Full<Bytes>>> {
    let (key, path) = (sample.key, sample.path);
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        assert!(request.headers()[key].is_sensitive());
        assert!(request.uri().path().starts_with(path), "{}", request.uri());
        let response = Response::builder().header("content-type", kind);
        let response = response.body(Full::new(Bytes::from(body.clone())));
        async { Ok::<_, Infallible>(response.unwrap()) }
    });
    let provider = Provider::new(http, &sample.config).unwrap();
    provider.oneshot(Call::new(request)).await.unwrap()
}

#[tokio::test]
async fn streams_are_whole_in_every_dialect() {
    for sample in &samples() {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let which = format!("{:?} for {dialect:?}", sample.config.api);
            let response = call(
                sample,
                sample.kind,
                sample.frames.concat(),
                request(dialect, true),
            )
            .await;
            let events: Vec<_> = stream(response).map(Result::unwrap).collect().await;
            let last = events.last().unwrap();
            assert_eq!(last.part(), Part::End, "{which}");
            assert!(last.is_reported(), "{which}");
            assert_eq!(last.usage().input_tokens, Some(9), "{which}");
            assert_eq!(last.usage().output_tokens, Some(2), "{which}");
            assert!(
                events.iter().any(|event| event.part() == Part::Content),
                "{which}"
            );
        }
    }
}

#[tokio::test]
async fn streams_that_are_cut_between_frames_are_interrupted_in_every_dialect() {
    for sample in &samples() {
        // OpenAI's is proven by a finish_reason, before what follows it.
        let last = match sample.config.api {
            Api::OpenAi => 2,
            _ => sample.frames.len() - 1,
        };
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            for cut in 0..=last {
                let body = sample.frames[..cut].concat();
                let response = call(sample, sample.kind, body, request(dialect, true)).await;
                let events: Vec<_> = stream(response).collect().await;
                let which = format!("{:?} for {dialect:?} after {cut}", sample.config.api);
                let error = events.last().unwrap().as_ref().expect_err(&which);
                // Of a stream without a single frame some say that it is empty.
                let empty = cut == 0 && error.class() == Class::Empty;
                assert!(
                    empty || error.class() == Class::Interrupted,
                    "{which}: {error:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn whole_answers_are_in_every_dialect() {
    for sample in &samples() {
        for dialect in [Dialect::OpenAi, Dialect::Anthropic] {
            let which = format!("{:?} for {dialect:?}", sample.config.api);
            let answers = [
                (JSON, sample.whole.to_owned()),
                // A stream that nobody asked for.
                (sample.kind, sample.frames.concat()),
            ];
            for (kind, body) in answers {
                let response = call(sample, kind, body, request(dialect, false)).await;
                let Answer::Whole(whole) = response.answer else {
                    panic!("{which} is streamed");
                };
                assert_eq!(whole.text(), "ab", "{which}, {kind}");
                assert_eq!(whole.dialect(), dialect, "{which}, {kind}");
                assert_eq!(whole.usage().total_tokens(), Some(11), "{which}, {kind}");
                assert!(whole.is_reported() && !whole.is_empty(), "{which}, {kind}");
            }
            // And the other way round.
            let response = call(
                sample,
                JSON,
                sample.whole.to_owned(),
                request(dialect, true),
            )
            .await;
            let events: Vec<_> = stream(response).map(Result::unwrap).collect().await;
            assert_eq!(events.last().unwrap().part(), Part::End, "{which}");
        }
    }
}
