//! llmock, a mock of others that breaks its answers at random, under retries, the commit point and clocks: every question gets a
//! whole answer, and its verdict on this client is good. Run by
//!
//! ```sh
//! tests/components/llmock.sh cargo test -p campanile-tests --test llm_llmock -- --ignored
//! ```
//!
//! which asks for the verdict.

mod llm;

use std::time::Duration;

use campanile::{
    Call,
    retry::{Backoff, RetryConfig, RetryLayer},
    timeout::TimeoutLayer,
};
use campanile_llm::{
    Chat, Error,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse},
    commit::CommitLayer,
    dialect::{Api, Dialect},
    provider::{HttpClient, HttpConfig, Provider},
};
use futures_util::{StreamExt, TryStreamExt, future::join_all, stream};
use llm::{DIALECTS, component, config, seen::Seen, site::clocks, take};
use tower::{ServiceBuilder, ServiceExt};

/// Questions of each kind.
const QUESTIONS: usize = 25;

/// All of an answer: a stream that breaks off is an error of the call, so that who wants nothing but the whole can try again also
/// after the first word.
async fn all<S>(
    response: ChatResponse<S>,
) -> Result<ChatResponse<impl futures_util::Stream<Item = Result<ChatEvent, Error>> + Unpin>, Error>
where
    S: futures_util::Stream<Item = Result<ChatEvent, Error>>,
{
    let answer = match response.answer {
        Answer::Whole(whole) => Answer::Whole(whole),
        Answer::Stream(events) => {
            let events: Vec<_> = events.try_collect().await?;
            Answer::Stream(stream::iter(events).map(Ok))
        }
    };
    Ok(ChatResponse {
        meta: response.meta,
        answer,
    })
}

#[tokio::test]
#[ignore = "needs llmock"]
async fn every_question_is_answered_however_it_fails() {
    let url = component("LLMOCK_URL");
    let http = HttpClient::new(HttpConfig::default()).unwrap();
    for (api, prefix) in [
        (Api::OpenAi, ""),
        (Api::Anthropic, "/anthropic"),
        (Api::Gemini, "/gemini"),
    ] {
        let retry = RetryConfig::default()
            .with_max_retries(8)
            .with_backoff(
                Backoff::exponential(Duration::from_millis(60), Duration::from_secs(2))
                    .with_jitter(0.1),
            )
            .with_budget(None);
        let stack = ServiceBuilder::new()
            .layer(RetryLayer::new(retry).unwrap().protocol(Chat))
            .and_then(all)
            .layer(CommitLayer::default())
            // It stalls for five seconds.
            .layer(
                TimeoutLayer::new(clocks(Duration::from_millis(900)))
                    .unwrap()
                    .protocol(Chat),
            )
            .service(Provider::new(http.clone(), &config(api, &format!("{url}{prefix}"))).unwrap());
        for dialect in DIALECTS {
            for streamed in [false, true] {
                let questions = (0..QUESTIONS).map(|number| {
                    let stack = stack.clone();
                    async move {
                        let of = format!("{api:?} to {dialect:?}, {streamed}, {number}");
                        let request = question(api, dialect, streamed, number);
                        let response = stack.oneshot(Call::new(request)).await;
                        match response
                            .unwrap_or_else(|error| panic!("{of}: {error:?}"))
                            .answer
                        {
                            Answer::Whole(whole) => assert!(!whole.text().is_empty(), "{of}"),
                            Answer::Stream(events) => {
                                let taken = take(events).await;
                                let seen = Seen::read(dialect, &taken.bytes());
                                assert!(taken.ended() && seen.is_clean(), "{of}: {seen:?}");
                                assert!(!seen.text.is_empty(), "{of}");
                            }
                        }
                    }
                });
                join_all(questions).await;
            }
        }
    }
}

/// It tells calls apart by what is asked.
fn question(api: Api, dialect: Dialect, streamed: bool, number: usize) -> ChatRequest {
    let model = match api {
        Api::Anthropic => "claude-sonnet-4-5",
        Api::Gemini => "gemini-2.5-flash",
        _ => "gpt-5-mini",
    };
    let text = format!("Question {number} in {dialect:?}, streamed: {streamed}?");
    let body = serde_json::json!({
        "model": model,
        "max_tokens": 60,
        "stream": streamed,
        "messages": [{"role": "user", "content": text}],
    });
    ChatRequest::parse(dialect, body.to_string()).unwrap()
}
