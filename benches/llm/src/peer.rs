use std::{
    sync::{Arc, OnceLock},
    task::{Context, Poll},
    time::Duration,
};

use futures_util::future::{Lazy, lazy};
use liter_llm::{
    LiterLlmError,
    tower::{
        BudgetConfig, BudgetLayer, BudgetState, CircuitLayer, CooldownLayer, CostTrackingLayer,
        Enforcement, ExponentialBackoffCircuit, HooksLayer, InFlightLimitConfig,
        InFlightLimitLayer, LlmHook, LlmRequest, LlmResponse, ModelRateLimitLayer, RateLimitConfig,
        TracingLayer,
    },
    types::{ChatCompletionRequest, ChatCompletionResponse},
};
use serde_json::json;
use tower::{Layer, Service, ServiceBuilder, util::BoxCloneService};

use super::{BUDGET, MODEL, RATE, STACK, TOKENS};
use campanile_benches::case::{Case, Message};

const PEER: &str = "liter-llm";

pub(super) fn cases() -> Vec<Case> {
    vec![
        Case::new(RATE, PEER, Message::LiterLlm, call, || rate().layer(Chats)),
        Case::new(BUDGET, PEER, Message::LiterLlm, call, || {
            budget().layer(Chats)
        }),
        Case::new(
            STACK,
            "liter-llm, seven layers",
            Message::LiterLlm,
            call,
            || {
                let circuit = ExponentialBackoffCircuit::new(5, Duration::from_secs(1));
                let in_flight = InFlightLimitLayer::new(InFlightLimitConfig {
                    max_in_flight: Some(100_000),
                });
                ServiceBuilder::new()
                    .layer(TracingLayer)
                    .layer(budget())
                    .layer(CostTrackingLayer)
                    .layer(rate())
                    .layer(CooldownLayer::new(Duration::from_secs(1)))
                    .layer(CircuitLayer::new(Arc::new(circuit), "somebody"))
                    .layer(in_flight.expect("the limit is valid"))
                    .service(Chats)
            },
        ),
        Case::new(
            STACK,
            "liter-llm, the seven of its client",
            Message::LiterLlm,
            call,
            client,
        ),
    ]
}

/// The layers that its client can be told to put around a provider, but for those that answer in its place or ask it by
/// themselves; in the client's order, and each boxed as there. The client clones all of it for each call, which is left out here.
fn client() -> Stack {
    struct Nothing;
    impl LlmHook for Nothing {}

    let in_flight = InFlightLimitLayer::new(InFlightLimitConfig {
        max_in_flight: Some(100_000),
    });
    let stack = Stack::new(in_flight.expect("the limit is valid").layer(Chats));
    let stack = Stack::new(CooldownLayer::new(Duration::from_secs(1)).layer(stack));
    let stack = Stack::new(rate().layer(stack));
    let stack = Stack::new(CostTrackingLayer.layer(stack));
    let stack = Stack::new(budget().layer(stack));
    let stack = Stack::new(HooksLayer::single(Arc::new(Nothing)).layer(stack));
    Stack::new(TracingLayer.layer(stack))
}

type Stack = BoxCloneService<LlmRequest, LlmResponse, LiterLlmError>;

/// More than anyone can ask for.
fn rate() -> ModelRateLimitLayer {
    ModelRateLimitLayer::new(RateLimitConfig {
        rpm: Some(u32::MAX),
        tpm: Some(u64::MAX),
        window: Duration::from_secs(60),
    })
}

/// Likewise.
fn budget() -> BudgetLayer {
    let config = BudgetConfig {
        global_limit: Some(1e6),
        enforcement: Enforcement::Hard,
        ..BudgetConfig::default()
    };
    BudgetLayer::new(config, Arc::new(BudgetState::new()))
}

/// The call of a chat.
pub(super) fn call(_number: u64) -> LlmRequest {
    static REQUEST: OnceLock<ChatCompletionRequest> = OnceLock::new();
    let request = REQUEST.get_or_init(|| {
        let request = json!({
            "model": MODEL,
            "messages": [{ "role": "user", "content": "Say hello." }],
            "max_tokens": 32,
        });
        serde_json::from_value(request).expect("it is a request")
    });
    LlmRequest::Chat(request.clone())
}

/// A provider that answers at once.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chats;

pub(super) type Answers = fn(&mut Context<'_>) -> Result<LlmResponse, LiterLlmError>;

impl Service<LlmRequest> for Chats {
    type Response = LlmResponse;
    type Error = LiterLlmError;
    // As ours: it makes the answer when it is polled.
    type Future = Lazy<Answers>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), LiterLlmError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: LlmRequest) -> Self::Future {
        std::hint::black_box(request);
        let answers: Answers = answer;
        lazy(answers)
    }
}

fn answer(_: &mut Context<'_>) -> Result<LlmResponse, LiterLlmError> {
    static ANSWER: OnceLock<ChatCompletionResponse> = OnceLock::new();
    let answer = ANSWER.get_or_init(|| {
        let (prompt, completion) = TOKENS;
        let answer = json!({
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": MODEL,
            "choices": [{
                "index": 0,
                "message": { "role": "assistant", "content": "Hello." },
                "finish_reason": "stop",
            }],
            "usage": {
                "prompt_tokens": prompt,
                "completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
        });
        serde_json::from_value(answer).expect("it is an answer")
    });
    Ok(LlmResponse::Chat(answer.clone()))
}
