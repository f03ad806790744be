//! Streamed answers, from the chunks of a provider's body to the frames of the caller's: provider, clocks, commit point, limit
//! and breaker, body. Nanoseconds an event, and heap allocations an event beyond the chunks themselves, of 1,000 events of a
//! recorded stream; and what is held of a stream whose caller has stopped reading. Each beside its limit.
//!
//! `cargo bench -p campanile-benches --bench streams -- --readme`
#![allow(missing_docs)] // a benchmark is a program

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    process::ExitCode,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use campanile::{
    Call,
    circuit_breaker::{CircuitBreakerConfig, CircuitBreakerLayer},
    concurrency_limit::{ConcurrencyLimitConfig, ConcurrencyLimitLayer},
    timeout::{TimeoutConfig, TimeoutLayer},
};
use campanile_benches::{Busy, Table, report, runtime};
use campanile_llm::{
    Chat, ContentData, Error,
    chat::ChatRequest,
    commit::CommitLayer,
    dialect::Dialect,
    front,
    provider::{Provider, ProviderConfig},
};
use http_body::{Body, Frame};
use tokio::time::Instant;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A stream of llama.cpp.
const RECORDED: &str = include_str!("../../tests/recorded/openai/llama_text.sse");

const EVENTS: usize = 1_000;

/// Events at either end of a stream whose allocations are not counted.
const MARGIN: usize = 50;

/// What hyper's client reads at once, as the provider's client is set.
const CHUNK: usize = 16 * 1_024;

/// Streams that are timed; the fastest one was disturbed the least.
const ROUNDS: usize = 301;

const MOST_NS: f64 = 5_000.0;
const MOST_HELD: i64 = 32 * 1_024;

fn main() -> ExitCode {
    let recorded = recorded();
    let lengths: Vec<usize> = recorded.iter().map(String::len).collect();
    let body = Bytes::from(recorded.concat());
    let runtime = runtime(1);
    let _within = runtime.enter();
    let busy = Busy::watch();
    let mut table = Table::new(["an event of a stream", "measured", "limit"]);
    let mut good = true;

    for (name, gathered, chunks) in [
        (
            "each event in a chunk of its own",
            false,
            each(&body, &lengths),
        ),
        ("40 events in a chunk", false, whole(&body, &lengths)),
        (
            "chunks of 100 bytes, none with a whole event",
            true,
            sized(&body, 100),
        ),
    ] {
        let times = (0..ROUNDS).map(|_| {
            let mut frames = begin(chunks.clone());
            let start = Instant::now();
            let passed = drain(&mut frames);
            let taken = Instant::now() - start;
            assert_eq!(passed, EVENTS + 1, "every event, and the last");
            taken.as_nanos() as f64 / EVENTS as f64
        });
        let ns = times.fold(f64::INFINITY, f64::min);
        // From the middle: what a stream allocates once, at its begin and its end, is not an event's.
        let mut frames = begin(chunks.clone());
        let mut pass = |events| (0..events).for_each(|_| assert!(next(&mut frames).is_some()));
        pass(MARGIN);
        let counted = allocation_counter::measure(|| pass(EVENTS - 2 * MARGIN));
        let allocations = counted.count_total as f64 / (EVENTS - 2 * MARGIN) as f64;
        good &= ns <= MOST_NS;
        table.row([
            format!("ns, {name}"),
            format!("{ns:.0}"),
            format!("{MOST_NS:.0}"),
        ]);
        // A frame that lies in several chunks is gathered: these are its bytes.
        let limit = if gathered {
            "its bytes"
        } else {
            good &= counted.count_total == 0;
            "0"
        };
        table.row([
            format!("allocations, {name}"),
            format!("{allocations:.3}"),
            limit.to_owned(),
        ]);
    }

    let mut stopped = None;
    let counted = allocation_counter::measure(|| {
        // Chunks of their own, as a connection makes them: what is held of one is held of its bytes.
        let chunks = Fresh {
            body: body.clone(),
            at: 0,
        };
        let mut frames = answer(chunks);
        for _ in 0..10 {
            assert!(next(&mut frames).is_some());
        }
        stopped = Some(frames);
    });
    let held = counted.bytes_current;
    good &= held <= MOST_HELD;
    table.row([
        "bytes held of a stream whose caller has stopped reading".to_owned(),
        held.to_string(),
        MOST_HELD.to_string(),
    ]);
    drop(stopped);

    if let Some(others) = busy.and_then(|busy| busy.others()) {
        println!(
            "others used {:.0} % of the machine meanwhile",
            100.0 * others
        );
    }
    match report(&table, "streams") {
        ExitCode::SUCCESS if good => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

/// The recorded stream, whose words are said again until it has so many events; each with its empty line.
fn recorded() -> Vec<String> {
    let frames: Vec<&str> = RECORDED.split_inclusive("\n\n").collect();
    let said = |frame: &&str| frame.contains("\"content\":\"");
    let begin = frames.iter().take_while(|frame| !said(frame));
    let words: Vec<_> = frames.iter().copied().filter(said).collect();
    assert!(!words.is_empty(), "it has words");
    let end = frames.iter().skip_while(|frame| !said(frame));
    let end: Vec<_> = end.filter(|frame| !said(frame)).collect();
    let mut all: Vec<String> = begin.map(ToString::to_string).collect();
    let repeated = words
        .iter()
        .cycle()
        .take(EVENTS + 1 - all.len() - end.len());
    all.extend(repeated.map(ToString::to_string));
    all.extend(end.iter().map(ToString::to_string));
    all
}

fn each(body: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
    let mut rest = body.clone();
    lengths
        .iter()
        .map(|length| rest.split_to(*length))
        .collect()
}

/// 40 events a chunk.
fn whole(body: &Bytes, lengths: &[usize]) -> Vec<Bytes> {
    let lengths: Vec<usize> = lengths.chunks(40).map(|some| some.iter().sum()).collect();
    each(body, &lengths)
}

fn sized(body: &Bytes, size: usize) -> Vec<Bytes> {
    let mut rest = body.clone();
    let chunks = std::iter::from_fn(|| {
        let size = size.min(rest.len());
        (size > 0).then(|| rest.split_to(size))
    });
    chunks.collect()
}

/// What a caller reads.
type Frames = Pin<Box<dyn Body<Data = Bytes, Error = Infallible>>>;

/// The answer of a stack over a provider whose body is this.
fn answer<B>(body: B) -> Frames
where
    B: Body<Data = Bytes, Error = Infallible> + Clone + Unpin + 'static,
{
    let http = service_fn(move |_| {
        let response = http::Response::builder().header("content-type", "text/event-stream");
        let body = body.clone();
        std::future::ready(Ok::<_, Infallible>(
            response.body(body).expect("it is valid"),
        ))
    });
    let provider = Provider::new(http, &ProviderConfig::llama_cpp("http://127.0.0.1:1"));
    let clocks = TimeoutConfig::new().with_between_data(std::time::Duration::from_secs(30));
    let stack = ServiceBuilder::new()
        .layer(
            CircuitBreakerLayer::new(CircuitBreakerConfig::default())
                .expect("valid")
                .protocol(Chat),
        )
        .layer(
            ConcurrencyLimitLayer::new(ConcurrencyLimitConfig::fixed(8))
                .expect("valid")
                .protocol(Chat),
        )
        .layer(CommitLayer::default())
        .layer(
            TimeoutLayer::new(clocks)
                .expect("valid")
                .protocol(Chat)
                .counting(ContentData),
        )
        .service(provider.expect("valid"));
    let request = ChatRequest::new("m").user("hi").field(
        "stream_options",
        &Usage {
            include_usage: true,
        },
    );
    let call = pin!(stack.oneshot(Call::new(request.streamed())));
    let Poll::Ready(result) = call.poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the answer is there");
    };
    let result: Result<_, Error> = result;
    Box::pin(front::answer(result, Dialect::OpenAi).into_body())
}

#[derive(serde::Serialize)]
struct Usage {
    include_usage: bool,
}

/// A stream that has begun: what was held up to its commit point has been read.
fn begin(chunks: Vec<Bytes>) -> Frames {
    answer(Chunks(chunks.into_iter()))
}

fn drain(frames: &mut Frames) -> usize {
    std::iter::from_fn(|| next(frames)).count()
}

fn next(frames: &mut Frames) -> Option<Bytes> {
    let mut cx = Context::from_waker(Waker::noop());
    match frames.as_mut().poll_frame(&mut cx) {
        Poll::Ready(frame) => {
            let frame = frame?.unwrap_or_else(|never| match never {});
            frame.into_data().ok()
        }
        Poll::Pending => panic!("everything is there"),
    }
}

/// Chunks that are there.
#[derive(Clone)]
struct Chunks(std::vec::IntoIter<Bytes>);

impl Body for Chunks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|chunk| Ok(Frame::data(chunk))))
    }
}

/// Chunks that are allocated when they are asked for.
#[derive(Clone)]
struct Fresh {
    body: Bytes,
    at: usize,
}

impl Body for Fresh {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let end = self.body.len().min(self.at + CHUNK);
        let chunk = Bytes::copy_from_slice(&self.body[self.at..end]);
        self.at = end;
        let chunk = (!chunk.is_empty()).then(|| Ok(Frame::data(chunk)));
        Poll::Ready(chunk)
    }
}
