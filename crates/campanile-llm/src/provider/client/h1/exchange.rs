use std::{
    future::Future,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::Full;
use memchr::memmem;

use super::{Body, Connection, Io, head, read};
use crate::provider::{HttpBody, HttpError};

/// How many heads may come ahead of that of the answer.
const MOST_INTERIM: u8 = 32;

/// A request on its way, until the head of its answer.
pub(in super::super) struct Exchange {
    /// `None` once it is over.
    connection: Option<Connection>,
    out: Outgoing,
    /// Why the request could not be sent. The server may have answered all the same, and said why.
    unsent: Option<io::Error>,
    asked: Method,
    /// The beginning of the head.
    gathered: BytesMut,
    interim: u8,
}

/// A request, and how much of it is sent.
#[derive(Default)]
pub(super) struct Outgoing {
    head: BytesMut,
    body: Bytes,
    /// How many bytes of head and body.
    written: usize,
    /// Whether that is all, and on its way.
    sent: bool,
}

// ===== impl Exchange =====

impl Exchange {
    pub(in super::super) fn new(connection: Connection, request: Request<Full<Bytes>>) -> Self {
        let (parts, body) = request.into_parts();
        let body = whole(body);
        let host = &connection.origin.host;
        let head = head::request(&parts, host, connection.proxied, body.len());
        Self {
            connection: Some(connection),
            out: Outgoing {
                head,
                body,
                written: 0,
                sent: false,
            },
            unsent: None,
            asked: parts.method,
            gathered: BytesMut::new(),
            interim: 0,
        }
    }

    /// The answer, if its head is whole.
    fn answer(&mut self, mut read: Bytes) -> Result<Option<Response<HttpBody>>, HttpError> {
        let Some(connection) = &self.connection else {
            return Ok(None);
        };
        let most = connection.origin.config.buffer as usize;
        if !self.gathered.is_empty() {
            // Only with an empty line is it worth while to look at all of it once more.
            let new = self.gathered.len().saturating_sub(3);
            self.gathered.extend_from_slice(&read);
            if !has_empty_line(&self.gathered[new..]) {
                return match self.gathered.len() >= most {
                    true => Err(HttpError::LongHead { most }),
                    false => Ok(None),
                };
            }
            read = self.gathered.split().freeze();
        }
        loop {
            let head = head::answer(&read, &self.asked)?;
            if head.as_ref().map_or(read.len(), |head| head.length) > most {
                return Err(HttpError::LongHead { most });
            }
            let Some(head) = head else {
                self.gathered.extend_from_slice(&read);
                return Ok(None);
            };
            read.advance(head.length);
            let status = head.response.status();
            if status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(HttpError::Malformed("it changes the protocol unasked"));
            }
            if status.is_informational() {
                self.interim += 1;
                if self.interim > MOST_INTERIM {
                    return Err(HttpError::Malformed("it has heads without end"));
                }
                continue;
            }
            let Some(connection) = self.connection.take() else {
                return Ok(None);
            };
            let reusable = head.reusable && self.unsent.is_none();
            let unsent = !self.out.sent && self.unsent.is_none();
            let rest = unsent.then(|| Box::new(mem::take(&mut self.out)));
            let body = Body::new(connection, rest, head.framing, read, reusable);
            return Ok(Some(head.response.map(|()| HttpBody::h1(body))));
        }
    }
}

fn has_empty_line(bytes: &[u8]) -> bool {
    memmem::find(bytes, b"\n\r\n").is_some() || memmem::find(bytes, b"\n\n").is_some()
}

/// All of a body that is there.
fn whole(mut body: Full<Bytes>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut cx) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

impl Future for Exchange {
    type Output = Result<Response<HttpBody>, HttpError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        loop {
            let connection = this.connection.as_mut();
            let connection = connection.expect("polled after it was ready");
            let io = &mut *connection.io;
            // Both ways at once: a server may answer before it has read everything.
            if this.unsent.is_none()
                && let Poll::Ready(Err(error)) = this.out.poll(io, cx)
            {
                this.unsent = Some(error);
            }
            let bytes = match ready!(read(io, cx, Bytes::copy_from_slice)) {
                Ok(bytes) if bytes.is_empty() => Err(HttpError::Closed),
                Ok(bytes) => Ok(bytes),
                // TLS that ended without its own word of it.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    Err(HttpError::Closed)
                }
                Err(error) => Err(HttpError::Io(error)),
            };
            if bytes.is_err() {
                connection.has_broken();
            }
            let bytes = bytes.map_err(|error| match (error, this.unsent.take()) {
                (HttpError::Closed, Some(unsent)) => HttpError::Io(unsent),
                (error, _) => error,
            });
            let answer = bytes.and_then(|bytes| this.answer(bytes));
            if let Some(answer) = answer.transpose() {
                // Whatever is wrong, nothing more is to be had of it.
                this.connection = None;
                return Poll::Ready(answer);
            }
        }
    }
}

// ===== impl Outgoing =====

impl Outgoing {
    /// Sends what can be sent.
    pub(super) fn poll(&mut self, io: &mut dyn Io, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.sent {
            return Poll::Ready(Ok(()));
        }
        while self.written < self.head.len() + self.body.len() {
            let of_head = self.written.min(self.head.len());
            let of_body = self.written - of_head;
            let slices = [
                IoSlice::new(&self.head[of_head..]),
                IoSlice::new(&self.body[of_body..]),
            ];
            let first = usize::from(of_head == self.head.len());
            let written = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[first..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written += written;
        }
        ready!(Pin::new(&mut *io).poll_flush(cx))?;
        self.sent = true;
        Poll::Ready(Ok(()))
    }
}
