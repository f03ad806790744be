use std::{convert::Infallible, fmt::Write, net::SocketAddr, pin::Pin, time::Duration};

use bytes::Bytes;
use clap::Args;
use futures_util::{Stream, stream};
use http::{Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body::Frame;
use http_body_util::{BodyExt, Either, Full, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, time::Instant};

use crate::clock;

/// Where it listens. How many tokens a stream has, and how long is between two, says the request: `x-tokens`, `x-pace-us`; or, since
/// not every gateway passes headers on, its model: `tokens-100-pace-10000`.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long, default_value = "127.0.0.1:9000")]
    listen: SocketAddr,
}

type Events = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, Infallible>> + Send>>;
type Answer = Either<Full<Bytes>, StreamBody<Events>>;

/// How a stream is written.
#[derive(Debug, Clone, Copy)]
struct Pace {
    tokens: u32,
    between: Duration,
}

const WHOLE: &str = r#"{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#;
const MODELS: &str =
    r#"{"object":"list","data":[{"id":"m","object":"model","created":1,"owned_by":"u"}]}"#;

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let listener = TcpListener::bind(options.listen).await?;
    println!("http://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        socket.set_nodelay(true)?;
        let connection = http1::Builder::new()
            .max_buf_size(16 << 10)
            .serve_connection(TokioIo::new(socket), service_fn(answer));
        tokio::spawn(async move {
            // A caller that goes away is its own matter.
            let _ = connection.await;
        });
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Answer>, hyper::Error> {
    if !request.uri().path().ends_with("/chat/completions") {
        return Ok(json(MODELS));
    }
    let body = request.into_body().collect().await?.to_bytes();
    let asked: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if asked["stream"] != true {
        return Ok(json(WHOLE));
    }
    let Some(pace) = asked["model"].as_str().and_then(Pace::read) else {
        let mut refused = json(r#"{"error":{"message":"model: tokens-N-pace-MICROSECONDS"}}"#);
        *refused.status_mut() = StatusCode::BAD_REQUEST;
        return Ok(refused);
    };
    let mut response = Response::new(Either::Right(StreamBody::new(events(pace))));
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/event-stream"),
    );
    Ok(response)
}

fn json(text: &'static str) -> Response<Answer> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    response.headers_mut().insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    response
}

/// Tokens by an even clock, so that a token that was held up does not delay the next ones; then the end.
fn events(pace: Pace) -> Events {
    let begin = Instant::now();
    Box::pin(stream::unfold(0, move |number| async move {
        let event = if number < pace.tokens {
            tokio::time::sleep_until(begin + pace.between * number).await;
            token()
        } else if number == pace.tokens {
            END.to_owned()
        } else {
            return None;
        };
        Some((Ok(Frame::data(Bytes::from(event))), number + 1))
    }))
}

const END: &str = concat!(
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\n",
    r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}"#,
    "\n\ndata: [DONE]\n\n",
);

fn token() -> String {
    let mut event = String::with_capacity(192);
    let _ = write!(
        event,
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"at {} \"}},\"finish_reason\":null}}]}}\n\n",
        clock()
    );
    event
}

// ===== impl Pace =====

impl Pace {
    /// From the name of a model.
    fn read(model: &str) -> Option<Self> {
        let (tokens, pace) = model.rsplit_once("tokens-")?.1.split_once("-pace-")?;
        Some(Self {
            tokens: tokens.parse().ok()?,
            between: Duration::from_micros(pace.parse().ok()?),
        })
    }
}
