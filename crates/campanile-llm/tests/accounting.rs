//! Estimates, retries, accounts and a provider in one stack: what is told, what is charged, what is recorded, what is learned.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use campanile::{
    BoxError, Call, Context, Cost,
    context::Trail,
    hedge::{HedgeConfig, HedgeLayer},
    retry::{RetryConfig, RetryLayer},
};
use campanile_llm::{
    Chat,
    account::{AccountLayer, Ledger, LedgerConfig},
    chat::{Answer, ChatRequest},
    estimate::{EstimateConfig, EstimateLayer},
    price::Prices,
    provider::{Provider, ProviderConfig},
};
use futures_util::StreamExt;
use http::{Request, Response, header};
use http_body_util::Full;
use tower::{ServiceBuilder, ServiceExt, service_fn};

const PRICES: &str =
    r#"{"models": {"small": {"input": 0.1, "cached_input": 0.01, "output": 0.4}}}"#;

/// Ten words of four bytes each, and a report of 40 tokens read, 30 of them from a cache, and 20 written.
fn stream() -> String {
    let word = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"word\"}}]}\n\n";
    let rest = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n\
        data: {\"choices\":[],\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":20,\
        \"prompt_tokens_details\":{\"cached_tokens\":30}}}\n\ndata: [DONE]\n\n";
    word.repeat(10) + rest
}

fn call(trail: &Trail) -> Call<ChatRequest> {
    Call {
        context: Context::new().with_tenant("acme").with_trail(trail.clone()),
        message: ChatRequest::new("small")
            .user("Ten words, please.")
            .streamed(),
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_estimated_charged_recorded_and_learned_from() -> Result<(), BoxError> {
    let prices = Prices::from_json(PRICES)?;
    let ledger = Ledger::new(LedgerConfig::default())?;
    let estimates = EstimateLayer::new(EstimateConfig::default())?.prices(&prices);
    let ratios = estimates.handle().ratios().clone();
    let sent = Arc::new(AtomicUsize::new(0));
    let number = Arc::clone(&sent);
    // One answer in ten is a failure, so that the budget of retries suffices.
    let http = service_fn(move |_: Request<Full<Bytes>>| {
        let failed = number.fetch_add(1, Ordering::Relaxed).is_multiple_of(10);
        let (status, body) = match failed {
            true => (500, "{\"error\":{\"message\":\"no\"}}".to_owned()),
            false => (200, stream()),
        };
        let response = Response::builder()
            .status(status)
            .header(header::CONTENT_TYPE, "text/event-stream")
            .body(Full::new(Bytes::from(body)));
        std::future::ready(Ok::<_, Infallible>(response.unwrap()))
    });
    let config = ProviderConfig::openai("a key that is not real");
    let stack = ServiceBuilder::new()
        .layer(estimates.clone())
        .layer(RetryLayer::new(RetryConfig::default())?.protocol(Chat))
        .layer(HedgeLayer::new(HedgeConfig::default())?.protocol(Chat))
        .layer(AccountLayer::new(&ledger, &prices))
        .service(Provider::new(http, &config)?.ratios(&ratios));

    const CALLS: u64 = 30;
    // 10 at 100, 30 at 10, 20 at 400.
    const NANOS: u64 = 1_000 + 300 + 8_000;
    for _ in 0..CALLS {
        let trail = Trail::new();
        let response = stack.clone().oneshot(call(&trail)).await?;
        let Answer::Stream(events) = response.answer else {
            panic!("it is streamed");
        };
        let events: Vec<_> = events.map(Result::unwrap).collect().await;
        let last = events.last().unwrap();
        assert_eq!(last.usage().nano_dollars, Some(NANOS));
        let charged = Cost {
            requests: 0,
            tokens: 60,
            nano_dollars: NANOS,
        };
        assert_eq!(trail.charged(), charged, "also through retries and hedges");
    }
    let report = ledger.report();
    assert_eq!(report.total.calls, sent.load(Ordering::Relaxed) as u64);
    assert_eq!(report.total.outcomes.success, CALLS);
    assert_eq!(report.total.outcomes.failure, report.total.calls - CALLS);
    assert!(report.total.outcomes.failure > 2);
    let acme = report.by_tenant["acme"].reported;
    assert_eq!((acme.calls, acme.nano_dollars), (CALLS, CALLS * NANOS));
    assert_eq!(
        (acme.input_tokens, acme.cached_tokens, acme.output_tokens),
        (1_200, 900, 600)
    );

    // What was learned: answers of 20 tokens, two bytes each.
    let handle = estimates.handle();
    assert_eq!(handle.learned_lengths().likely("small", None), Some(22));
    let bytes_per_token = ratios.bytes_per_token("small");
    assert!((2.0..2.6).contains(&bytes_per_token), "{bytes_per_token}");
    Ok(())
}
