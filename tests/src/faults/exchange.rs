use bytes::Bytes;

/// A request, and what became of its answer.
#[derive(Debug, Clone, Default)]
pub struct Exchange {
    /// The method and the target, as `POST /v1/chat/completions`.
    pub target: String,
    /// The headers, their names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Bytes,
    /// Bytes of the answer's body that were written.
    pub sent: usize,
    /// How it ended, once it has.
    pub ended: Option<Ended>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All of the answer was sent.
    Whole,
    /// This side ended it early, as it was told to.
    Cut,
    /// The client left before.
    Cancelled,
}

/// What a client has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections made.
    pub connections: u64,
    /// Connections that are open.
    pub open: u64,
    /// Requests read.
    pub requests: u64,
    /// Requests whose answers go on.
    pub active: u64,
    /// Most requests whose answers went on at one time.
    pub most_active: u64,
    /// Answers that the client left before their end.
    pub cancelled: u64,
}

// ===== impl Exchange =====

impl Exchange {
    /// A header of the request.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}
