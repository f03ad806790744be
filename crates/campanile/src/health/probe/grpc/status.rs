use std::fmt;

use http::{HeaderMap, HeaderName};

use super::super::{http::Secrets, text};

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// How a call ended.
pub(super) struct GrpcStatus {
    pub(super) code: Code,
    message: String,
}

/// A code of `grpc/doc/statuscodes.md`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Code(pub(super) u8);

// ===== impl GrpcStatus =====

impl GrpcStatus {
    /// Of the head of a call that failed at once, or of its trailers.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let code = headers.get(STATUS)?.to_str().ok();
        let message = headers.get(MESSAGE).map(|message| message.as_bytes());
        Some(Self {
            code: Code(
                code.and_then(|code| code.parse().ok())
                    .unwrap_or(Code::UNKNOWN.0),
            ),
            message: decode(message.unwrap_or_default()),
        })
    }

    /// The code, and what the server says, which may repeat what it was sent.
    pub(super) fn describe(&self, secrets: &Secrets) -> String {
        if self.message.is_empty() {
            return self.code.to_string();
        }
        text::conceal(&format!("{}: {}", self.code, self.message), secrets.iter())
    }
}

/// Undoes the percent encoding of `grpc-message`.
fn decode(message: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(message.len());
    let mut rest = message;
    while let [first, after @ ..] = rest {
        let encoded = (*first == b'%')
            .then(|| after.split_at_checked(2))
            .flatten();
        let hex = encoded.and_then(|(digits, after)| {
            let digits = str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, after))
        });
        let (byte, after) = hex.unwrap_or((*first, after));
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

// ===== impl Code =====

impl Code {
    pub(super) const OK: Self = Self(0);
    pub(super) const UNKNOWN: Self = Self(2);
    pub(super) const UNIMPLEMENTED: Self = Self(12);

    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Self::NAMES.get(usize::from(self.0)) {
            Some(name) => f.write_str(name),
            None => write!(f, "status {}", self.0),
        }
    }
}
