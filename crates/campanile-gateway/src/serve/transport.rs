//! What lies between a socket and hyper: it sees when a head begins and when nothing can be written, gives words to the
//! refusals of heads that hyper writes by itself, and hears a client out before it closes.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use campanile::time::Timestamp;
use campanile_llm::error::Class;
use pin_project_lite::pin_project;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{calls::Link, clocks::Stage, refuse};

pin_project! {
    pub(super) struct Transport<T> {
        #[pin]
        socket: T,
        link: Arc<Link>,
        // What was read before hyper was there to read it.
        first: Bytes,
        // What is written in place of a refusal that hyper wrote.
        instead: Bytes,
        // When the socket was shut down for writing.
        shut: Option<Timestamp>,
    }
}

/// How long what a client goes on sending is thrown away at most, before it is cut off: 30 s. It is cut off earlier when it
/// sends nothing for a while, see [`Stage::Closing`].
const HEARD_OUT: Duration = Duration::from_secs(30);

/// How much of a request is read before there is a buffer for it: most requests whole.
const FIRST: usize = 2048;

// ===== impl Transport =====

impl<T> Transport<T> {
    pub(super) fn new(socket: T, link: Arc<Link>) -> Self {
        Self {
            socket,
            link,
            first: Bytes::new(),
            instead: Bytes::new(),
            shut: None,
        }
    }

    /// Has this read first, which came then.
    pub(super) fn read_before(&mut self, first: Bytes, since: Timestamp) {
        self.first = first;
        self.link.clocks.enter_at(Stage::Head, since);
    }

    /// Whether nothing was written for the head that came.
    pub(super) fn is_unanswered(&self) -> bool {
        self.link.clocks.is_flushed() && self.link.clocks.stage() == Stage::Head
    }

    /// Writes the answer to a head that cannot be read, by this status, and then no more.
    pub(super) fn refuse(&mut self, status: &[u8]) {
        if let Some(answer) = self.refusal(status) {
            self.instead = answer;
            self.link.clocks.leaves_unread(true);
            self.link.clocks.enter(Stage::Closing);
        }
    }

    /// The answer to a head that cannot be read, which is counted.
    fn refusal(&self, status: &[u8]) -> Option<Bytes> {
        let answer = refuse::unread_head(status)?;
        let status = std::str::from_utf8(status).ok()?.parse().ok()?;
        let refusals = &self.link.served.gateway.kept().standing.refusals;
        refusals.count(Arc::default(), status, Class::Request);
        Some(answer)
    }

    /// The answer to put in the place of what hyper writes when it cannot read a head: a head of its own, without a word.
    fn in_place_of(&self, head: &[u8]) -> Option<Bytes> {
        if !self.is_unanswered() {
            return None;
        }
        let status = head.strip_prefix(b"HTTP/1.")?.get(2..5)?;
        self.refusal(status)
    }
}

impl<T: AsyncRead + Unpin> Transport<T> {
    /// Waits for the first bytes of a request, without a buffer; false at the end.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        let mut space = [0; FIRST];
        let mut buf = ReadBuf::new(&mut space);
        let read = ready!(Pin::new(&mut *self).poll_read(cx, &mut buf));
        if read.is_err() || buf.filled().is_empty() {
            return Poll::Ready(false);
        }
        self.first = Bytes::copy_from_slice(buf.filled());
        self.link.clocks.enter(Stage::Head);
        Poll::Ready(true)
    }
}

impl<T: AsyncWrite> Transport<T> {
    fn poll_instead(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut this = self.project();
        while !this.instead.is_empty() {
            let written = ready!(this.socket.as_mut().poll_write(cx, this.instead))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            this.instead.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn wrote(self: Pin<&mut Self>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let this = self.project();
        this.link.clocks.flushed(false);
        this.link.clocks.written(result.is_ready());
        result
    }
}

impl<T: AsyncRead> AsyncRead for Transport<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if !this.first.is_empty() {
            let bytes = this.first.len().min(buf.remaining());
            buf.put_slice(&this.first.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let result = this.socket.poll_read(cx, buf);
        if buf.filled().len() > before && this.link.clocks.stage() == Stage::Idle {
            this.link.clocks.enter(Stage::Head);
        }
        result
    }
}

impl<T: AsyncRead + AsyncWrite> AsyncWrite for Transport<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if let Some(answer) = self.in_place_of(buf) {
            let this = self.project();
            *this.instead = answer;
            this.link.clocks.leaves_unread(true);
            this.link.clocks.enter(Stage::Closing);
            return Poll::Ready(Ok(buf.len()));
        }
        let result = self.as_mut().project().socket.poll_write(cx, buf);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = bufs.first().map_or(&[][..], |buf| buf);
        if self.is_unanswered() {
            return self.poll_write(cx, first);
        }
        let result = self.as_mut().project().socket.poll_write_vectored(cx, bufs);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_instead(cx))?;
        let this = self.project();
        let result = this.socket.poll_flush(cx);
        if result.is_ready() {
            this.link.clocks.flushed(true);
        }
        result
    }

    /// Shuts down. A client that may still be sending is read to its end, for a while: were the socket closed before, the
    /// system would tell it of that and not of the answer.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_instead(cx))?;
        let mut this = self.project();
        let shut = match *this.shut {
            Some(shut) => shut,
            None => {
                ready!(this.socket.as_mut().poll_shutdown(cx))?;
                let now = Timestamp::now();
                this.link.clocks.written(true);
                this.link.clocks.enter_at(Stage::Closing, now);
                *this.shut.insert(now)
            }
        };
        let mut space = [0; 4096];
        while this.link.clocks.is_unread() {
            let mut buf = ReadBuf::new(&mut space);
            ready!(this.socket.as_mut().poll_read(cx, &mut buf))?;
            let now = Timestamp::now();
            if buf.filled().is_empty() || now.since(shut) > HEARD_OUT {
                break;
            }
            this.link.clocks.enter_at(Stage::Closing, now);
        }
        Poll::Ready(Ok(()))
    }
}
