use std::{
    convert::Infallible,
    f64::consts::TAU,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use fastrand::Rng;
use futures_util::FutureExt;
use http::{HeaderValue, Method, Request, Response, header::CONTENT_TYPE};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    SimulatedBody, SimulatedFuture, answer::Answer, ask::Ask, body::Pace, chunks::Chunks, embed,
    refusal::Refusal, text::pieces,
};
use crate::config::SimulatedConfig;

/// How many times the usual time the first word may take.
const SLOWEST: f64 = 20.0;

/// A server within the gateway. See the [module](super). Clones are the same server.
#[derive(Clone)]
pub(crate) struct Simulated {
    shared: Arc<Shared>,
}

struct Shared {
    name: Arc<str>,
    config: SimulatedConfig,
    calls: AtomicU64,
    busy: AtomicU32,
}

/// A call's place, given back when it is dropped.
pub(super) struct Slot {
    shared: Arc<Shared>,
}

// ===== impl Simulated =====

impl Simulated {
    /// A server of this name, with settings that were [checked](SimulatedConfig::build).
    pub(crate) fn new(name: &str, config: &SimulatedConfig) -> Self {
        Self {
            shared: Arc::new(Shared {
                name: name.into(),
                config: config.clone(),
                calls: AtomicU64::new(0),
                busy: AtomicU32::new(0),
            }),
        }
    }
}

/// Equal are servers of one name and equal settings, whatever they are doing.
impl PartialEq for Simulated {
    fn eq(&self, other: &Self) -> bool {
        self.shared.name == other.shared.name && self.shared.config == other.shared.config
    }
}

impl Service<Request<Full<Bytes>>> for Simulated {
    type Response = Response<SimulatedBody>;
    type Error = Infallible;
    type Future = SimulatedFuture;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> SimulatedFuture {
        let (head, body) = request.into_parts();
        // It is there already: it lies in memory.
        let body = body.collect().now_or_never().and_then(Result::ok);
        let body = body.map(|body| body.to_bytes()).unwrap_or_default();
        let number = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut rng = self.shared.rng(number);
        let answered = match (&head.method, head.uri.path()) {
            (&Method::POST, path) if path.ends_with("/chat/completions") => {
                self.shared.chat(&body, &mut rng)
            }
            (&Method::POST, path) if path.ends_with("/embeddings") => {
                self.shared.embeddings(&body, &mut rng)
            }
            (&Method::GET, path) if path.ends_with("/models") => Ok(self.shared.models()),
            (_, path) => Err(nowhere(path).into()),
        };
        let (wait, mut response) = answered.unwrap_or_else(Refused::answer);
        let id = format!("sim-{:016x}", rng.u64(..));
        if let Ok(id) = HeaderValue::try_from(id) {
            response.headers_mut().insert("x-request-id", id);
        }
        SimulatedFuture::after(wait, response)
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulated")
            .field("name", &self.shared.name)
            .field("busy", &self.shared.busy.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

// ===== impl Shared =====

/// An answer and how long it takes, or what is answered instead.
type Answered = Result<(Duration, Response<SimulatedBody>), Refused>;

/// What is answered instead, how long it takes, and whether it takes a slot.
struct Refused {
    wait: Duration,
    refusal: Refusal,
    slot: Option<Slot>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self {
            wait: Duration::ZERO,
            refusal,
            slot: None,
        }
    }
}

impl Refused {
    fn answer(self) -> (Duration, Response<SimulatedBody>) {
        (self.wait, self.refusal.response(self.slot))
    }
}

impl Shared {
    fn chat(self: &Arc<Self>, body: &[u8], rng: &mut Rng) -> Answered {
        let ask = Ask::parse(body)?;
        let (slot, first) = self.admit(rng)?;
        let words = self.config.words as f64 * (0.75 + 0.5 * rng.f64());
        let answer = Answer::to(&ask, &self.name, words as usize, rng)?;
        let count = pieces(answer.said.text());
        let each = Duration::from_secs_f64(1.0 / self.config.words_per_second);
        let id = format!("chatcmpl-{:016x}", rng.u64(..));
        let created = SystemTime::now().duration_since(UNIX_EPOCH);
        let created = created.map_or(0, |created| created.as_secs());
        if !ask.streamed() {
            let body = answer.body(&id, created, ask.model()).to_string();
            let more = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
            let response = json_response(SimulatedBody::whole(body, Some(slot)));
            return Ok((first + each.saturating_mul(more), response));
        }
        // After the first piece, and before the last.
        let cut =
            per_thousand(self.config.cuts_per_thousand, rng).then(|| rng.usize(1..count.max(2)));
        let pace = Pace {
            first: Instant::now() + first,
            each,
            written: 0,
        };
        let chunks = Chunks::new(id, created, ask.model(), answer, ask.tells_usage());
        let mut response = Response::new(SimulatedBody::paced(chunks, pace, cut, slot));
        let events = HeaderValue::from_static("text/event-stream");
        response.headers_mut().insert(CONTENT_TYPE, events);
        Ok((Duration::ZERO, response))
    }

    fn embeddings(self: &Arc<Self>, body: &[u8], rng: &mut Rng) -> Answered {
        let (slot, first) = self.admit(rng)?;
        let body = embed::embeddings(body)?;
        let body = SimulatedBody::whole(body.to_string(), Some(slot));
        Ok((first, json_response(body)))
    }

    fn models(&self) -> (Duration, Response<SimulatedBody>) {
        let model = json!({
            "id": &*self.name,
            "object": "model",
            "created": 0,
            "owned_by": "simulated",
        });
        let list = json!({ "object": "list", "data": [model] });
        let body = SimulatedBody::whole(list.to_string(), None);
        (Duration::ZERO, json_response(body))
    }

    /// A slot, and how long it takes to the first word; unless all are taken, or it is to fail.
    fn admit(self: &Arc<Self>, rng: &mut Rng) -> Result<(Slot, Duration), Refused> {
        let config = &self.config;
        let first = config.first_word.mul_f64(log_normal(config.spread, rng));
        let refused = |why: &str| {
            let message = format!("[simulated by {}] {why}", self.name);
            Refused::from(Refusal::throttled(message, config.retry_after))
        };
        let throttled = per_thousand(config.throttled_per_thousand, rng);
        let failed = per_thousand(config.failures_per_thousand, rng);
        let Some(slot) = self.slot() else {
            return Err(refused("all slots are taken"));
        };
        if throttled {
            return Err(refused("refused for now, as it is set to"));
        }
        if failed {
            // It tries for a while.
            return Err(Refused {
                wait: first / 2,
                refusal: Refusal::failed(&self.name),
                slot: Some(slot),
            });
        }
        Ok((slot, first))
    }

    fn slot(self: &Arc<Self>) -> Option<Slot> {
        let most = self.config.slots;
        let free = |busy: u32| (busy < most).then_some(busy + 1);
        let taken = self
            .busy
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, free);
        taken.is_ok().then(|| Slot {
            shared: Arc::clone(self),
        })
    }

    /// What the call of this number draws by.
    fn rng(&self, number: u64) -> Rng {
        match self.config.seed {
            // Neighbouring seeds draw nothing alike: the generator mixes them.
            Some(seed) => {
                Rng::with_seed(seed.wrapping_add(number.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
            }
            None => Rng::new(),
        }
    }
}

fn nowhere(path: &str) -> Refusal {
    let known = ["/chat/completions", "/embeddings", "/models"];
    match known.iter().any(|known| path.ends_with(known)) {
        true => Refusal::method(),
        false => Refusal::nowhere(path),
    }
}

fn per_thousand(rate: u32, rng: &mut Rng) -> bool {
    rng.u32(0..1_000) < rate
}

/// A number around 1, whose logarithm is normal with this deviation.
fn log_normal(spread: f64, rng: &mut Rng) -> f64 {
    // Box and Muller's way from two even numbers to a normal one; the logarithm of 0 is avoided.
    let (one, two) = (1.0 - rng.f64(), rng.f64());
    let normal = (-2.0_f64 * one.ln()).sqrt() * (TAU * two).cos();
    (spread * normal).exp().min(SLOWEST)
}

pub(super) fn json_response(body: SimulatedBody) -> Response<SimulatedBody> {
    let mut response = Response::new(body);
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

// ===== impl Slot =====

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.busy.fetch_sub(1, Ordering::AcqRel);
    }
}
