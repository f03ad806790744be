use http::HeaderValue;

use super::*;

/// What a request looks like on its way.
async fn sent(config: ProviderConfig, request: ChatRequest) -> (http::request::Parts, Bytes) {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        send.send(request).unwrap();
        async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(
                WHOLE.as_bytes(),
            ))))
        }
    });
    let provider = Provider::new(http, &config).unwrap();
    provider.oneshot(Call::new(request)).await.unwrap();
    let (parts, body) = receive.recv().await.unwrap().into_parts();
    (parts, body.collect().await.unwrap().to_bytes())
}

/// The head of a request to any interface, whose answer is not looked at.
async fn sent_to_any(config: ProviderConfig, request: ChatRequest) -> http::request::Parts {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        send.send(request).unwrap();
        async { Err::<Response<Full<Bytes>>, BoxError>("gone".into()) }
    });
    let provider = Provider::new(http, &config).unwrap();
    provider.oneshot(Call::new(request)).await.unwrap_err();
    receive.recv().await.unwrap().into_parts().0
}

#[tokio::test]
async fn a_request_goes_where_it_should() {
    let config = ProviderConfig::openai("sk-1")
        .with_base_url("https://example.com/v1/")
        .with_model("m", "its-name")
        .with_header("x-team", "blue");
    let (head, body) = sent(config, ask()).await;
    assert_eq!(head.uri, "https://example.com/v1/chat/completions");
    assert_eq!(head.method, "POST");
    assert_eq!(head.headers["authorization"], "Bearer sk-1");
    assert!(head.headers["authorization"].is_sensitive());
    assert!(head.headers["x-team"].is_sensitive());
    assert_eq!(head.headers["content-type"], "application/json");
    assert_eq!(head.headers["accept"], "application/json");
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(body["model"], "its-name");
}

#[tokio::test]
async fn a_request_that_needs_no_change_is_sent_as_it_came() {
    let body = r#"{ "model" : "m", "messages" : [ ], "seed":1e0 }"#;
    let request = ChatRequest::parse(Dialect::OpenAi, body).unwrap();
    let (head, sent) = sent(config(), request).await;
    assert_eq!(sent, body);
    assert!(
        !head.headers.contains_key("authorization"),
        "there is no key"
    );
}

#[tokio::test]
async fn a_version_that_is_in_the_address_is_not_said_twice() {
    for (api, base, path) in [
        (Api::Anthropic, "https://h/v1", "/v1/messages"),
        (
            Api::Anthropic,
            "https://h/anthropic/v1/",
            "/anthropic/v1/messages",
        ),
        (
            Api::Gemini,
            "https://h/v1beta",
            "/v1beta/models/m:generateContent",
        ),
        (Api::Ollama, "http://h:11434/v1", "/api/chat"),
        (Api::OpenAi, "https://h/v1", "/v1/chat/completions"),
    ] {
        let config = ProviderConfig {
            api,
            ..config().with_base_url(base)
        };
        let outgoing = sent_to_any(config, ask()).await;
        assert_eq!(outgoing.uri.path(), path, "{base}");
    }
}

#[tokio::test]
async fn features_to_come_are_asked_for_beside_those_of_the_settings() {
    let config = ProviderConfig::anthropic("k").with_header("anthropic-beta", "one");
    let body = r#"{"model":"m","max_tokens":9,"messages":[]}"#;
    let request = ChatRequest::parse(Dialect::Anthropic, body).unwrap();
    let request = request.with_anthropic_beta(HeaderValue::from_static("two,three"));
    let head = sent_to_any(config.clone(), request).await;
    let features: Vec<_> = head.headers.get_all("anthropic-beta").iter().collect();
    assert_eq!(features, ["two,three", "one"]);
    let head = sent_to_any(config, ask()).await;
    assert_eq!(head.headers["anthropic-beta"], "one");
}

#[test]
fn presets_are_right_settings() {
    for (config, base) in [
        (ProviderConfig::openai("k"), "https://api.openai.com/v1"),
        (ProviderConfig::anthropic("k"), "https://api.anthropic.com"),
        (
            ProviderConfig::gemini("k"),
            "https://generativelanguage.googleapis.com",
        ),
        (ProviderConfig::xai("k"), "https://api.x.ai/v1"),
        (
            ProviderConfig::openrouter("k"),
            "https://openrouter.ai/api/v1",
        ),
        (
            ProviderConfig::ollama("http://h:11434/"),
            "http://h:11434/v1",
        ),
        (
            ProviderConfig::ollama_native("http://h:11434/"),
            "http://h:11434",
        ),
        (ProviderConfig::vllm("http://h:8000"), "http://h:8000/v1"),
        (
            ProviderConfig::llama_cpp("http://h:8080/v1"),
            "http://h:8080/v1",
        ),
    ] {
        assert_eq!(config.clone().build().unwrap().base_url, base);
        let json = serde_json::to_value(&config).unwrap();
        let again: ProviderConfig = serde_json::from_value(json).unwrap();
        assert_eq!(again.key.is_some(), config.key.is_some());
    }
}

/// OpenAI's newer models refuse the older name; some servers know no other.
#[tokio::test]
async fn the_limit_of_tokens_goes_by_the_name_that_is_known_there() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        send.send(request).unwrap();
        async { Err::<Response<Full<Bytes>>, BoxError>("gone".into()) }
    });
    let one = |name: &str| format!(r#"{{"model":"m","{name}":9,"messages":[]}}"#);
    let (old, new) = (one("max_tokens"), one("max_completion_tokens"));
    let both = r#"{"model":"m","max_tokens":9,"messages":[],"max_completion_tokens":8}"#.to_owned();
    let none = r#"{"model":"m", "messages":[]}"#.to_owned();
    for (config, expected) in [
        (ProviderConfig::openai("k"), [&new, &new, &both, &none]),
        (
            ProviderConfig::ollama("http://h"),
            [&old, &old, &both, &none],
        ),
        (
            ProviderConfig::llama_cpp("http://h"),
            [&old, &old, &both, &none],
        ),
        (ProviderConfig::vllm("http://h"), [&old, &new, &both, &none]),
    ] {
        let provider = Provider::new(http.clone(), &config).unwrap();
        for (body, expected) in [&old, &new, &both, &none].into_iter().zip(expected) {
            let request = ChatRequest::parse(Dialect::OpenAi, body.clone()).unwrap();
            let _ = provider.clone().oneshot(Call::new(request)).await;
            let sent = receive.recv().await.unwrap().into_body();
            assert_eq!(sent.collect().await.unwrap().to_bytes(), *expected);
        }
        // Another dialect has a name of its own.
        let request = ChatRequest::parse(Dialect::Anthropic, old.clone()).unwrap();
        let _ = provider.oneshot(Call::new(request)).await;
        let sent = receive.recv().await.unwrap().into_body();
        let sent = String::from_utf8(sent.collect().await.unwrap().to_bytes().to_vec()).unwrap();
        let newer = sent.contains(r#""max_completion_tokens":9"#);
        assert_eq!(
            newer,
            config.token_limit == TokenLimit::MaxCompletionTokens,
            "{sent}"
        );
        assert_ne!(newer, sent.contains(r#""max_tokens":9"#), "{sent}");
    }
}

#[tokio::test]
async fn the_reasoning_of_earlier_answers_goes_only_to_servers_that_take_it() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let http = service_fn(move |request: Request<Full<Bytes>>| {
        send.send(request).unwrap();
        async { Err::<Response<Full<Bytes>>, BoxError>("gone".into()) }
    });
    let body = serde_json::json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "text", "text": "well"},
        ]},
        {"role": "user", "content": "and?"},
    ]});
    let sealed = ProviderConfig::default().with_past_reasoning(PastReasoning::Sealed);
    // OpenAI's interface has no such fields, and OpenAI refuses what it does not know.
    let plain = serde_json::json!({"role": "assistant", "content": "well"});
    let mut text = plain.clone();
    text["reasoning_content"] = "hm".into();
    let mut both = text.clone();
    both["reasoning_signature"] = "sig".into();
    for (config, expected) in [
        (ProviderConfig::openai("k"), &plain),
        (ProviderConfig::default(), &plain),
        (ProviderConfig::xai("k"), &plain),
        (ProviderConfig::openrouter("k"), &plain),
        (ProviderConfig::ollama("http://h"), &plain),
        (ProviderConfig::vllm("http://h"), &text),
        (ProviderConfig::llama_cpp("http://h"), &text),
        (sealed, &both),
    ] {
        let provider = Provider::new(http.clone(), &config).unwrap();
        let request = ChatRequest::parse(Dialect::Anthropic, body.to_string()).unwrap();
        let _ = provider.clone().oneshot(Call::new(request)).await;
        let sent = receive.recv().await.unwrap().into_body();
        let sent = sent.collect().await.unwrap().to_bytes();
        let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["messages"][1], *expected, "{config:?}");

        // Who writes this dialect says what is sent.
        let messages = serde_json::json!([{"role": "user", "content": "hi"}, both]);
        let request = ChatRequest::new("m").field("messages", &messages);
        let _ = provider.oneshot(Call::new(request)).await;
        let sent = receive.recv().await.unwrap().into_body();
        let sent = sent.collect().await.unwrap().to_bytes();
        let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
        assert_eq!(sent["messages"], messages, "{config:?}");
    }
    // Ollama's own interface has a place for it.
    let native = ProviderConfig::ollama_native("http://h");
    let provider = Provider::new(http, &native).unwrap();
    let request = ChatRequest::parse(Dialect::Anthropic, body.to_string()).unwrap();
    let _ = provider.oneshot(Call::new(request)).await;
    let sent = receive.recv().await.unwrap().into_body();
    let sent = sent.collect().await.unwrap().to_bytes();
    let sent: serde_json::Value = serde_json::from_slice(&sent).unwrap();
    assert_eq!(sent["messages"][1]["thinking"], "hm");
}

#[test]
fn wrong_settings_are_named() {
    for (config, field) in [
        (config().with_base_url("nowhere"), "base_url"),
        (config().with_base_url("ftp://h/v1"), "base_url"),
        (config().with_base_url("http://h/v1?key=1"), "base_url"),
        (config().with_base_url("http://user:word@h/v1"), "base_url"),
        (config().with_header("no space", "v"), "headers"),
        (config().with_header("x", "new\nline"), "headers"),
        (config().with_key(""), "key"),
        (config().with_key("***"), "key"),
        (
            config().with_key(Secret::env("NO_SUCH_VARIABLE_HERE")),
            "key",
        ),
        (config().with_key(Secret::file("/no/such/file")), "key"),
        (config().with_max_frame(10), "max_frame"),
        (config().with_max_body(10), "max_body"),
    ] {
        let error = config.build().unwrap_err();
        assert_eq!(error.field, field);
        let text = error.to_string();
        assert!(!text.contains("word@") && !text.contains("key=1"), "{text}");
    }
    let unknown = serde_json::from_str::<ProviderConfig>(r#"{ "base": "x" }"#).unwrap_err();
    assert!(unknown.to_string().contains("unknown field"));
}

#[tokio::test]
async fn the_client_that_was_readied_is_called() {
    // It panics when it is called without.
    let http = tower::limit::ConcurrencyLimit::new(Once::new(200, JSON, Pieces::of([WHOLE])), 1);
    let provider = Provider::new(http, &config()).unwrap();
    let mut provider = provider.clone();
    ServiceExt::<Call<ChatRequest>>::ready(&mut provider)
        .await
        .unwrap();
    assert!(provider.call(Call::new(ask())).await.is_ok());
}

#[tokio::test]
async fn a_client_that_is_not_ready_makes_the_provider_wait() {
    let http = tower::limit::ConcurrencyLimit::new(
        service_fn(|_: Request<Full<Bytes>>| {
            std::future::pending::<Result<Response<Full<Bytes>>, Infallible>>()
        }),
        1,
    );
    let mut first = Provider::new(http, &config()).unwrap();
    let mut second = first.clone();
    let call = ServiceExt::<Call<ChatRequest>>::ready(&mut first)
        .await
        .unwrap()
        .call(Call::new(ask()));
    let mut ready = tokio_test_ready(&mut second);
    assert!(ready.is_pending());
    drop(call);
    ready = tokio_test_ready(&mut second);
    assert!(ready.is_ready());
}

fn tokio_test_ready<H>(provider: &mut Provider<H>) -> Poll<()>
where
    Provider<H>: Service<Call<ChatRequest>, Error = Error>,
{
    let mut cx = Context::from_waker(std::task::Waker::noop());
    provider.poll_ready(&mut cx).map(Result::unwrap)
}

#[tokio::test]
async fn a_call_can_be_spawned_over_boxed_errors() {
    let http = service_fn(async |_: Request<Full<Bytes>>| {
        Err::<Response<Full<Bytes>>, BoxError>("gone".into())
    });
    let provider = Provider::new(http, &config()).unwrap();
    let call = provider.oneshot(Call::new(ask()));
    let error = tokio::spawn(call).await.unwrap().unwrap_err();
    assert_eq!(error.class(), Class::Unreachable);
    fn shared<T: Clone + Send + Sync>() {}
    shared::<Provider<Once>>();
}
