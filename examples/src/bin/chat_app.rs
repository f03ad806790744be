//! An application of one's own: axum in front of a pool of two servers that speak OpenAI's interface. No key is needed.
//!
//! ```text
//! LISTEN=127.0.0.1:8080 cargo run -p campanile-examples --bin chat_app -- http://127.0.0.1:8081 http://127.0.0.1:8082
//! curl -N http://127.0.0.1:8080/v1/chat/completions -H 'content-type: application/json' \
//!     -d '{"model": "any", "stream": true, "messages": [{"role": "user", "content": "hello"}]}'
//! ```

use std::{env, time::Duration};

use axum::body::{Body, Bytes};
use axum::{Router, extract::State, response::Response, routing::post};
use campanile::{
    BoxError, Call, Endpoint,
    balance::{AvoidTried, BalanceLayer, Ebw},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    discover::{PerEndpointLayer, Roster},
    retry::{RetryAfter, RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_llm::{
    Chat, ContentData, Error,
    chat::{ChatRequest, ChatResponse},
    commit::CommitLayer,
    dialect::Dialect,
    front,
    provider::{Provider, ProviderConfig, http_client},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

type Pool = BoxCloneSyncService<Call<ChatRequest>, ChatResponse, Error>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let roster = Roster::new();
    let http = http_client();
    for (number, url) in env::args().skip(1).enumerate() {
        let provider = Provider::new(http.clone(), &ProviderConfig::llama_cpp(&url))?;
        roster.insert(format!("server-{number}"), provider)?;
    }
    let clocks = TimeoutConfig::new()
        .with_first_data(Duration::from_secs(120))
        .with_between_data(Duration::from_secs(20));
    let clocks = TimeoutLayer::new(clocks)?
        .protocol(Chat)
        .counting(ContentData);
    let breaker = CircuitBreakerLayer::new(CircuitBreakerConfig::default())?.protocol(Chat);
    let retries = RetryConfig::default().with_retry_after(RetryAfter::Elsewhere);
    let pool = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(RetryLayer::new(retries)?.protocol(Chat))
        .layer(BalanceLayer::new(AvoidTried::new(Ebw::default())).protocol(Chat))
        .layer(PerEndpointLayer::new(
            move |endpoint: &Endpoint, provider| {
                ServiceBuilder::new()
                    .layer(breaker.clone().gate(endpoint))
                    .layer(CommitLayer::default())
                    .layer(clocks.clone())
                    .service(provider)
            },
        ))
        .service(roster.changes());

    let app = Router::new().route("/v1/chat/completions", post(complete));
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    println!("http://{}/v1/chat/completions", listener.local_addr()?);
    Ok(axum::serve(listener, app.with_state(Pool::new(pool))).await?)
}

async fn complete(State(pool): State<Pool>, body: Bytes) -> Response {
    let result = match ChatRequest::parse(Dialect::OpenAi, body) {
        Ok(request) => pool.oneshot(Call::new(request)).await,
        Err(error) => Err(error),
    };
    front::answer(result, Dialect::OpenAi).map(Body::new)
}
