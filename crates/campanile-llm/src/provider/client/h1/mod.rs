//! HTTP/1.1, by RFC 9112: one call at a time on a connection, driven by whoever waits for it.

mod body;
mod exchange;
mod framing;
mod head;
#[cfg(test)]
mod tests;

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBuf, Write};

pub(super) use self::{body::Body, exchange::Exchange};
use super::origin::{Origin, is_quiet};

/// How many bytes are read at once. They lie on the stack, so that a connection that waits holds none.
const READ: usize = 16 << 10;

/// What a connection is made of.
pub(super) trait Io: Read + Write + Send + Unpin {}

/// A connection that a call has for itself.
pub(super) struct Connection {
    io: Box<dyn Io>,
    /// Whether a proxy wants to know the whole address.
    proxied: bool,
    origin: Arc<Origin>,
    /// Whether it was idle before.
    used: bool,
}

impl<T: Read + Write + Send + Unpin> Io for T {}

/// Reads what is there, which is nothing when the other side has closed.
pub(super) fn read<R>(
    io: &mut dyn Io,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> R,
) -> Poll<io::Result<R>> {
    let mut space = [MaybeUninit::uninit(); READ];
    let mut buffer = ReadBuf::uninit(&mut space);
    ready!(Pin::new(io).poll_read(cx, buffer.unfilled()))?;
    Poll::Ready(Ok(take(buffer.filled())))
}

// ===== impl Connection =====

impl Connection {
    pub(super) const fn new(io: Box<dyn Io>, proxied: bool, origin: Arc<Origin>) -> Self {
        Self {
            io,
            proxied,
            origin,
            used: false,
        }
    }

    /// One that was idle.
    pub(super) const fn used(mut self) -> Self {
        self.used = true;
        self
    }

    /// Whether the server has closed it, or said something, since it was looked at as it was idle.
    pub(super) fn is_stale(&mut self) -> bool {
        self.used && !is_quiet(&mut self.io)
    }

    pub(super) fn origin(&self) -> &Arc<Origin> {
        &self.origin
    }

    /// It broke before an answer.
    fn has_broken(&self) {
        if self.used {
            self.origin.was_missed();
        }
    }

    /// Gives it back for the next call.
    pub(super) fn release(self) {
        self.origin.put(self.io, self.proxied, false);
    }

    /// Gives it back after a stream.
    fn release_to_rest(self) {
        self.origin.put(self.io, self.proxied, true);
    }
}
