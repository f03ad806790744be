use std::{
    future::{Future, ready},
    panic::AssertUnwindSafe,
};

use campanile::{BoxError, Call, Context, Cost, Endpoint, Usage, context::Trail};
use futures_util::{FutureExt, StreamExt};
use tower::{Layer, Service, ServiceExt, service_fn};

use super::*;
use crate::{
    Error,
    chat::{Answer, ChatRequest, ChatResponse, Meta},
    embed::{EmbeddingRequest, EmbeddingResponse},
    error::Class,
    price::Prices,
    stream::ChatStream,
    tokens::Calibrated,
    usage::script::{End, Script, meta, usage},
};

mod ends;
mod held;
mod ledgers;
mod sums;

fn prices() -> Prices {
    Prices::from_json(
        r#"{"models": {
            "m": {"input": 1, "output": 2, "cached_input": 0.1},
            "near/m": {"input": 3, "output": 6},
            "asked": {"input": 0.5, "output": 0.5}
        }}"#,
    )
    .unwrap()
}

fn ledger() -> Ledger {
    Ledger::new(LedgerConfig::default()).unwrap()
}

fn call() -> Call<ChatRequest> {
    Call {
        context: Context::new().with_tenant("acme"),
        message: ChatRequest::new("m").user("hi").streamed(),
    }
}

/// A provider that answers so, streamed if it is asked to.
fn provider(
    script: Script,
    meta: Meta,
) -> impl Service<
    Call<ChatRequest>,
    Response = ChatResponse,
    Error = Error,
    Future = impl Future<Output = Result<ChatResponse, Error>> + Send,
> + Clone {
    service_fn(move |call: Call<ChatRequest>| {
        ready(Ok(if call.message.is_streamed() {
            script.streamed(meta.clone()).boxed()
        } else {
            ChatResponse::whole(meta.clone(), script.whole())
        }))
    })
}

/// Makes a call, reads `most` events of its answer at most, and drops it. What the last of them said.
async fn run(layer: &AccountLayer, script: &Script, call: Call<ChatRequest>, most: usize) -> Usage {
    let service = layer.layer(provider(script.clone(), meta("near", "m")));
    let response = service.oneshot(call).await.unwrap();
    let mut last = Usage::default();
    match response.answer {
        Answer::Whole(whole) => last = *whole.usage(),
        Answer::Stream(events) => {
            let mut events = events.take(most);
            let read = async {
                while let Some(event) = events.next().await {
                    if let Ok(event) = event {
                        last = *event.usage();
                    }
                }
            };
            // A stalled stream is given up where it stalls.
            let _ = AssertUnwindSafe(read).catch_unwind().now_or_never();
        }
    }
    last
}
