//! What the tests of LLM providers share.
#![allow(dead_code, reason = "each test takes a part of it")]

use std::time::Duration;

use bytes::Bytes;
use campanile_llm::{
    Error,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Part},
    dialect::{Api, Dialect},
    provider::ProviderConfig,
};
use futures_util::{Stream, StreamExt};

pub(crate) mod body;
pub(crate) mod campaign;
pub(crate) mod seen;
pub(crate) mod site;

/// How long anything may take.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

pub(crate) const DIALECTS: [Dialect; 2] = [Dialect::OpenAi, Dialect::Anthropic];

/// What a caller took of an answer.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) events: Vec<ChatEvent>,
    /// What it ended in, if not in its end.
    pub(crate) error: Option<Error>,
}

pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("took too long")
}

/// A provider of this interface at this address.
pub(crate) fn config(api: Api, url: &str) -> ProviderConfig {
    let (name, base) = match api {
        Api::Anthropic => ("anthropic", url.to_owned()),
        Api::Gemini => ("gemini", url.to_owned()),
        Api::Ollama => ("ollama", url.to_owned()),
        _ => ("openai", format!("{url}/v1")),
    };
    ProviderConfig::new(name, api, base).with_key("very-secret-key")
}

/// Where a real server is that a script of `tests/components` has started; tests that need one are ignored without.
pub(crate) fn component(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set: see tests/components"))
}

/// What a caller of this dialect asks.
pub(crate) fn request(dialect: Dialect, streamed: bool) -> ChatRequest {
    let body = serde_json::json!({
        "model": "m",
        "max_tokens": 100,
        "stream": streamed,
        "messages": [{"role": "user", "content": "What is the weather in Rome and Oslo?"}],
    });
    let request = ChatRequest::parse(dialect, body.to_string()).unwrap();
    match (dialect, streamed) {
        (Dialect::OpenAi, true) => request.field(
            "stream_options",
            &serde_json::json!({"include_usage": true}),
        ),
        _ => request,
    }
}

/// Takes all of a stream, and sees that nothing follows an error or an end.
pub(crate) async fn take<S>(stream: S) -> Taken
where
    S: Stream<Item = Result<ChatEvent, Error>>,
{
    let mut stream = std::pin::pin!(stream);
    let mut taken = Taken {
        events: Vec::new(),
        error: None,
    };
    while let Some(item) = stream.next().await {
        assert!(taken.error.is_none(), "something follows an error");
        let ended = taken
            .events
            .last()
            .is_some_and(|event| event.part() == Part::End);
        assert!(!ended, "something follows the end");
        match item {
            Ok(event) => taken.events.push(event),
            Err(error) => taken.error = Some(error),
        }
    }
    taken
}

/// The stream of an answer that has to be one.
pub(crate) fn stream<S>(response: ChatResponse<S>) -> S {
    match response.answer {
        Answer::Stream(stream) => stream,
        Answer::Whole(_) => panic!("a stream was asked for"),
    }
}

// ===== impl Taken =====

impl Taken {
    /// The bytes that were passed on.
    pub(crate) fn bytes(&self) -> Bytes {
        let frames: Vec<_> = self
            .events
            .iter()
            .map(|event| event.frame().clone())
            .collect();
        frames.concat().into()
    }

    /// Whether it ended with a proof that it is whole.
    pub(crate) fn ended(&self) -> bool {
        self.events
            .last()
            .is_some_and(|event| event.part() == Part::End)
    }
}
