//! What can go wrong with an answer, and what becomes of its call.

use std::time::Duration;

use bytes::Bytes;
use campanile_llm::{dialect::Api, error::Class};
use campanile_tests::faults::{Answer, Ended, recorded, streamed};

mod list;

#[allow(unused_imports)] // each test takes a part of it
pub(crate) use list::faults;

/// What a clock allows that is to run out. Nothing that is to go well waits on it.
pub(crate) const SHORT: Duration = Duration::from_millis(120);

/// What becomes of a call.
#[derive(Debug, Clone)]
pub(crate) enum Fate {
    /// It fails, as one of these, without an event.
    Fails(Vec<Class>),
    /// Its stream says a beginning, and ends in one of these.
    Breaks(Vec<Class>),
    /// It says everything.
    Whole,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) name: String,
    pub(crate) answer: Answer,
    pub(crate) fate: Fate,
    /// What the breaker counts it as: a failure is one, an overload a half.
    pub(crate) failures: f64,
    /// How the exchange ends at the provider, where that is known.
    pub(crate) ended: Option<Ended>,
    /// Whether a clock has to run out.
    pub(crate) timed: bool,
}

pub(crate) fn full(api: Api) -> Bytes {
    recorded(api, &streamed(api, "composed_full"))
}

/// Behind the frame that says this.
pub(crate) fn behind(api: Api, text: &str) -> usize {
    let body = full(api);
    let said = find(&body, text.as_bytes());
    let end: &[u8] = match api {
        Api::Ollama => b"\n",
        _ => b"\n\n",
    };
    said + find(&body[said..], end) + end.len()
}

pub(crate) fn find(body: &[u8], what: &[u8]) -> usize {
    body.windows(what.len())
        .position(|bytes| bytes == what)
        .unwrap()
}

impl Fault {
    pub(crate) fn new(name: impl Into<String>, answer: Answer, fate: Fate, failures: f64) -> Self {
        Self {
            name: name.into(),
            answer,
            fate,
            failures,
            ended: None,
            timed: false,
        }
    }

    pub(crate) fn ended(mut self, ended: Ended) -> Self {
        self.ended = Some(ended);
        self
    }

    pub(crate) fn timed(mut self) -> Self {
        self.timed = true;
        self
    }
}
