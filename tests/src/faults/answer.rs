use std::time::Duration;

use bytes::{Bytes, BytesMut};
use campanile_llm::dialect::Api;

/// An answer to one request: what of it is sent, when, and how it ends.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) before_head: Vec<Step>,
    /// Without a head the connection is reset at once.
    pub(super) head: Option<Head>,
    pub(super) body: Vec<Step>,
    pub(super) cut: Option<Cut>,
}

#[derive(Debug, Clone)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) chunked: bool,
}

/// A step of an answer.
#[derive(Debug, Clone)]
pub enum Step {
    /// Bytes of the body, in one chunk.
    Send(Bytes),
    /// Nothing for so long.
    Wait(Duration),
    /// Nothing, until the client leaves.
    Stall,
}

/// How an answer ends before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// As a whole body does, with its last chunk: HTTP does not tell that anything is missing.
    Terminated,
    /// The connection ends, without the last chunk.
    Fin,
    /// The connection is reset.
    Reset,
}

// ===== impl Answer =====

impl Answer {
    /// A streamed answer of success, one chunk for each frame.
    #[must_use]
    pub fn stream(api: Api, body: Bytes) -> Self {
        let kind = match api {
            Api::Ollama => "application/x-ndjson",
            _ => "text/event-stream",
        };
        let separator: &[u8] = match api {
            Api::Ollama => b"\n",
            _ => b"\n\n",
        };
        Self::new(200, kind, true, frames(body, separator))
    }

    /// A whole answer.
    #[must_use]
    pub fn whole(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "application/json", false, vec![body.into()])
    }

    /// No answer: the connection is reset once the request is read.
    #[must_use]
    pub const fn reset() -> Self {
        Self {
            before_head: Vec::new(),
            head: None,
            body: Vec::new(),
            cut: None,
        }
    }

    fn new(status: u16, kind: &str, chunked: bool, body: Vec<Bytes>) -> Self {
        Self {
            before_head: Vec::new(),
            head: Some(Head {
                status,
                headers: vec![("content-type".into(), kind.into())],
                chunked,
            }),
            body: body.into_iter().map(Step::Send).collect(),
            cut: None,
        }
    }

    /// Sets a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        if let Some(head) = &mut self.head {
            head.headers.retain(|(known, _)| known != name);
            head.headers.push((name.into(), value.into()));
        }
        self
    }

    /// Takes a while before the head.
    #[must_use]
    pub fn slow_head(mut self, time: Duration) -> Self {
        self.before_head.push(Step::Wait(time));
        self
    }

    /// Never sends a head, until the client leaves.
    #[must_use]
    pub fn no_head(mut self) -> Self {
        self.before_head.push(Step::Stall);
        self
    }

    /// Takes a while between the head and the body.
    #[must_use]
    pub fn slow_first(mut self, time: Duration) -> Self {
        self.body.insert(0, Step::Wait(time));
        self
    }

    /// Takes a while before each piece of the body.
    #[must_use]
    pub fn paced(mut self, time: Duration) -> Self {
        self.body = self
            .body
            .into_iter()
            .flat_map(|step| [Step::Wait(time), step])
            .collect();
        self
    }

    /// Sends nothing after so many bytes of the body, until the client leaves.
    #[must_use]
    pub fn stall_at(mut self, bytes: usize) -> Self {
        self.truncate(bytes);
        self.body.push(Step::Stall);
        self
    }

    /// Ends after so many bytes of the body.
    #[must_use]
    pub fn cut_at(mut self, bytes: usize, cut: Cut) -> Self {
        self.truncate(bytes);
        self.cut = Some(cut);
        if let (Cut::Terminated, Some(head)) = (cut, &mut self.head) {
            // Otherwise the length would tell.
            head.headers.retain(|(name, _)| name != "content-length");
            head.chunked = true;
        }
        self
    }

    /// Puts bytes into the body, after so many others.
    #[must_use]
    pub fn insert(mut self, at: usize, bytes: impl Into<Bytes>) -> Self {
        let whole = self.bytes();
        let mut with = BytesMut::from(&whole[..at]);
        with.extend_from_slice(&bytes.into());
        with.extend_from_slice(&whole[at..]);
        self.body = vec![Step::Send(with.freeze())];
        self
    }

    /// Sends each byte of the body alone.
    #[must_use]
    pub fn byte_by_byte(mut self) -> Self {
        let whole = self.bytes();
        self.body = (0..whole.len())
            .map(|at| Step::Send(whole.slice(at..=at)))
            .collect();
        self
    }

    /// The body, as far as it is sent.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        let mut whole = BytesMut::new();
        for step in &self.body {
            if let Step::Send(bytes) = step {
                whole.extend_from_slice(bytes);
            }
        }
        whole.freeze()
    }

    fn truncate(&mut self, mut left: usize) {
        let length = self.bytes().len();
        if let Some(head) = self.head.as_mut().filter(|head| !head.chunked) {
            // That of the whole: so the client knows what is missing.
            head.headers
                .push(("content-length".into(), length.to_string()));
        }
        let mut body = Vec::new();
        for step in self.body.drain(..) {
            match step {
                Step::Send(bytes) => {
                    let taken = bytes.len().min(left);
                    left -= taken;
                    if taken > 0 {
                        body.push(Step::Send(bytes.slice(..taken)));
                    }
                }
                other if left > 0 => body.push(other),
                _ => {}
            }
        }
        self.body = body;
    }
}

/// Cuts a body after each separator.
fn frames(mut body: Bytes, separator: &[u8]) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let Some(at) = body
        .windows(separator.len())
        .position(|bytes| bytes == separator)
    {
        frames.push(body.split_to(at + separator.len()));
    }
    if !body.is_empty() {
        frames.push(body);
    }
    frames
}
