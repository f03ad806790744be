use std::io;

use campanile::BoxError;
use thiserror::Error;

/// Why an [`HttpClient`](super::HttpClient) has no answer, or not all of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum HttpError {
    /// The request has no absolute address.
    #[error("the address of the request names no scheme and host")]
    Address,
    /// The request wants what a client of providers does not do.
    #[error("a request cannot {0}: it takes a client of another kind")]
    Unsupported(&'static str),
    /// No connection could be made.
    #[error("no connection could be made")]
    Connect(#[source] BoxError),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The server closed the connection before the head of its answer was whole.
    #[error("the connection was closed before the head of the answer was whole")]
    Closed,
    /// The server closed the connection before the body of its answer was whole.
    #[error("the connection was closed before the body of the answer was whole")]
    Cut,
    /// The head of the answer is longer than the [settings](super::HttpConfig::buffer) allow.
    #[error("the head of the answer has more than {most} bytes")]
    LongHead {
        /// How many are allowed.
        most: usize,
    },
    /// What came is not an answer of HTTP/1.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// A call over HTTP/2 failed.
    #[error("the call over HTTP/2 failed")]
    Http2(#[source] hyper::Error),
}
