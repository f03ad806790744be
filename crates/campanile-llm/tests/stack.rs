//! Every layer of `campanile` reads chats by the protocol [`Chat`].

use std::time::Duration;

use bytes::Bytes;
use campanile::{
    BoxError, Call, Endpoint,
    balance::{BalanceLayer, LeastLoaded},
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    discover::{PerEndpointLayer, Roster},
    hedge::{HedgeConfig, HedgeLayer},
    metrics::{Metrics, MetricsConfig},
    rate_limit::{Advice, Limit, Quota, RateLimitConfig, RateLimitLayer, Unit},
    retry::{RetryConfig, RetryLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
    trace::TraceLayer,
};
use campanile_llm::{
    Chat, Error,
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Meta, Part},
    stream::ChatStream,
};
use futures_util::{StreamExt, stream};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};

async fn answer(_: Call<ChatRequest>) -> Result<ChatResponse, Error> {
    let event = |text: &'static str, part| {
        Ok(ChatEvent::new(
            Bytes::from_static(text.as_bytes()),
            0..0,
            part,
        ))
    };
    let events = [
        event("data: hi\n\n", Part::Content),
        event("data: [DONE]\n\n", Part::End),
    ];
    Ok(ChatResponse::stream(
        Meta::default(),
        ChatStream::new(stream::iter(events)),
    ))
}

#[tokio::test(start_paused = true)]
async fn every_layer_goes_around_a_provider() -> Result<(), BoxError> {
    let roster = Roster::new();
    roster.insert("a", ())?;
    let metrics = Metrics::new(MetricsConfig::default())?;
    let stack = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat").protocol(Chat))
        .layer(metrics.stage("chat").layer().protocol(Chat))
        .layer(RetryLayer::new(RetryConfig::default())?.protocol(Chat))
        .layer(HedgeLayer::new(HedgeConfig::default())?.protocol(Chat))
        .layer(BalanceLayer::new(LeastLoaded::default()).protocol(Chat))
        .layer(PerEndpointLayer::new(move |endpoint: &Endpoint, ()| {
            ServiceBuilder::new()
                .layer(
                    CircuitBreakerLayer::new(CircuitBreakerConfig::default())
                        .unwrap()
                        .protocol(Chat)
                        .gate(endpoint),
                )
                .layer(
                    RateLimitLayer::new(RateLimitConfig::requests(Limit::per_minute(60.0)))
                        .unwrap()
                        .protocol(Chat)
                        .gate(endpoint),
                )
                .layer(
                    ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(4))
                        .unwrap()
                        .protocol(Chat),
                )
                .layer(
                    TimeoutLayer::new(
                        TimeoutConfig::default().with_between_data(Duration::from_secs(5)),
                    )
                    .unwrap()
                    .protocol(Chat),
                )
                .service(service_fn(answer))
        }))
        .service(roster.changes());
    let response = stack
        .oneshot(Call::new(ChatRequest::new("m").user("hi")))
        .await?
        .boxed();
    let Answer::Stream(events) = response.answer else {
        panic!("it is streamed");
    };
    let frames: Vec<_> = events
        .map(|event| event.unwrap().frame().clone())
        .collect()
        .await;
    assert_eq!(frames.concat(), b"data: hi\n\ndata: [DONE]\n\n");
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_learns_from_what_a_provider_reports() -> Result<(), BoxError> {
    let left = service_fn(async |_: Call<ChatRequest>| {
        let mut response = ChatResponse::text("hi");
        let requests = Some(Quota {
            remaining: Some(2),
            ..Quota::default()
        });
        let advice = Advice {
            requests,
            ..Advice::default()
        };
        response.meta.limits = Some(Box::new(advice));
        Ok::<_, Error>(response)
    });
    let layer = RateLimitLayer::new(RateLimitConfig::requests(Limit::per_minute(600.0)))?
        .protocol(Chat)
        .advise(Chat);
    let service = layer.layer(left);
    let _ = service
        .clone()
        .oneshot(Call::new(ChatRequest::new("m")))
        .await?;
    let left = service.handle().left(Unit::Requests).unwrap();
    assert!(left <= 2.0, "{left} are left");
    Ok(())
}
