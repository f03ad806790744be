//! Passing a stream through allocates nothing for an event: only the chunks of the body are.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile::Call;
use campanile_llm::{
    chat::{Answer, ChatRequest, Part},
    provider::{Provider, ProviderConfig},
};
use futures_util::Stream;
use http::{Request, Response};
use http_body_util::Full;
use tower::{ServiceExt, service_fn};

const EVENT: &str = "data: {\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\" w\\u00f6rd\\n\"},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n";
const CALL: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\\\"\"}}]}}]}\n\n";
const LAST: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":2,\"total_tokens\":11}}\n\ndata: [DONE]\n\n";

/// How many allocations it takes to read a stream of so many events, which comes in one chunk.
async fn allocations(events: usize) -> u64 {
    let body = format!("{}{}{LAST}", EVENT.repeat(events), CALL.repeat(events));
    let http = service_fn(move |_: Request<Full<Bytes>>| {
        let response = Response::builder().header("content-type", "text/event-stream");
        let response = response.body(Full::new(Bytes::from(body.clone())));
        async { Ok::<_, Infallible>(response.unwrap()) }
    });
    let provider = Provider::new(http, &ProviderConfig::llama_cpp("http://h")).unwrap();
    let request = ChatRequest::new("m").user("hi").streamed();
    let Answer::Stream(mut stream) = provider.oneshot(Call::new(request)).await.unwrap().answer
    else {
        panic!("it is streamed");
    };
    let mut cx = Context::from_waker(Waker::noop());
    let (mut passed, mut ended) = (0, false);
    let counted = allocation_counter::measure(|| {
        while let Poll::Ready(Some(event)) = Pin::new(&mut stream).poll_next(&mut cx) {
            passed += 1;
            ended = event.unwrap().part() == Part::End;
        }
    });
    assert!(ended);
    assert_eq!(passed, 2 * events + 2);
    counted.count_total
}

#[tokio::test]
async fn an_event_allocates_nothing() {
    let (few, many) = (allocations(10).await, allocations(1_000).await);
    assert_eq!(few, many, "of 20 and of 2,000 events");
    assert!(many <= 4, "{many} for the whole stream");
}
