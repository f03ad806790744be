use std::{
    io,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::SizeHint;

use super::{Connection, exchange::Outgoing, framing::Framing, read};
use crate::provider::HttpError;

/// The body of an answer.
pub(in super::super) struct Body {
    /// `None` once it is over.
    connection: Option<Connection>,
    /// What is left of the request.
    out: Option<Box<Outgoing>>,
    framing: Framing,
    /// What came together with the head.
    first: Bytes,
    reusable: bool,
}

// ===== impl Body =====

impl Body {
    pub(super) fn new(
        connection: Connection,
        out: Option<Box<Outgoing>>,
        framing: Framing,
        first: Bytes,
        reusable: bool,
    ) -> Self {
        let mut body = Self {
            connection: Some(connection),
            out,
            framing,
            // Empty, it would keep what it was a part of.
            first: if first.is_empty() {
                Bytes::new()
            } else {
                first
            },
            reusable,
        };
        body.see_the_end();
        body
    }

    /// The next data.
    pub(in super::super) fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, HttpError>>> {
        let polled = self.poll_some(cx);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.connection = None;
        }
        polled
    }

    fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        loop {
            let Some(connection) = &mut self.connection else {
                return Poll::Ready(None);
            };
            if let Some(what) = self.framing.fault() {
                return Poll::Ready(Some(Err(HttpError::Malformed(what))));
            }
            let decoded = match self.first.is_empty() {
                false => {
                    let decoded = self.framing.decode_shared(&mut self.first);
                    if self.first.is_empty() {
                        // It would keep what it was a part of.
                        self.first = Bytes::new();
                    }
                    decoded
                }
                true => {
                    let io = &mut *connection.io;
                    if let Some(out) = &mut self.out {
                        match out.poll(io, cx) {
                            Poll::Ready(Ok(())) => self.out = None,
                            // The server knows why it does not read on.
                            Poll::Ready(Err(_)) => {
                                self.out = None;
                                self.reusable = false;
                            }
                            Poll::Pending => {}
                        }
                    }
                    let framing = &mut self.framing;
                    let reading = read(io, cx, |bytes| match bytes.is_empty() {
                        true => None,
                        false => {
                            let decoded = framing.decode(bytes);
                            Some(decoded.map(|(data, used)| (data, used < bytes.len())))
                        }
                    });
                    match ready!(reading) {
                        Ok(Some(decoded)) => decoded.map(|(data, beyond)| {
                            self.reusable &= !beyond;
                            data
                        }),
                        Ok(None) if matches!(self.framing, Framing::UntilClose) => {
                            return Poll::Ready(None);
                        }
                        Ok(None) => return Poll::Ready(Some(Err(HttpError::Cut))),
                        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                            // TLS that ended without its own word of it.
                            return Poll::Ready(Some(Err(HttpError::Cut)));
                        }
                        Err(error) => return Poll::Ready(Some(Err(HttpError::Io(error)))),
                    }
                }
            };
            match decoded {
                Ok(data) => {
                    self.see_the_end();
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Err(what) => return Poll::Ready(Some(Err(HttpError::Malformed(what)))),
            }
        }
    }

    /// Gives the connection back, if the body is over.
    fn see_the_end(&mut self) {
        if !self.framing.ended() {
            return;
        }
        let reusable = self.reusable && self.out.is_none() && self.first.is_empty();
        if let Some(connection) = self.connection.take().filter(|_| reusable) {
            match self.framing {
                Framing::Chunked(_) => connection.release_to_rest(),
                Framing::Length(_) | Framing::UntilClose => connection.release(),
            }
        }
        self.first = Bytes::new();
    }

    pub(in super::super) const fn is_over(&self) -> bool {
        self.connection.is_none()
    }

    pub(in super::super) fn size_hint(&self) -> SizeHint {
        match self.framing {
            _ if self.is_over() => SizeHint::with_exact(0),
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }
}
