use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{runtime::Handle, time::timeout};

use super::{HttpError, h1, h2};

/// How long the end of a body is waited for that nobody reads any more.
const LINGER: Duration = Duration::from_millis(100);

/// The body of an answer of an [`HttpClient`](super::HttpClient).
///
/// When it is dropped before its end, the call is cancelled: a connection of HTTP/1 is closed, a stream of HTTP/2 reset. A
/// stream of events is often over for its reader, as with `[DONE]`, a moment before the body is over. So one whose last data was
/// taken is waited for a little, up to 100 ms, in a task of its own: if the body ends, the connection can be used again; if it
/// goes on, it is cancelled then. So is one that was never polled. One whose reader waited for data is cancelled at once. Trailers of
/// HTTP/1 are left out.
pub struct HttpBody {
    inner: Inner,
    /// Whether its reader waits for data.
    awaited: bool,
}

enum Inner {
    H1(h1::Body),
    H2(h2::Body),
    Over,
}

// ===== impl HttpBody =====

impl HttpBody {
    pub(super) const fn h1(body: h1::Body) -> Self {
        Self {
            inner: Inner::H1(body),
            awaited: false,
        }
    }

    pub(super) const fn h2(body: h2::Body) -> Self {
        Self {
            inner: Inner::H2(body),
            awaited: false,
        }
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let polled = self.inner.poll(cx);
        self.awaited = polled.is_pending();
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.inner = Inner::Over;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::H1(body) => body.is_over(),
            Inner::H2(body) => body.incoming.is_end_stream(),
            Inner::Over => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::H1(body) => body.size_hint(),
            Inner::H2(body) => body.incoming.size_hint(),
            Inner::Over => SizeHint::with_exact(0),
        }
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        if self.awaited || self.is_end_stream() {
            return;
        }
        let mut inner = std::mem::replace(&mut self.inner, Inner::Over);
        // Mostly it is there already.
        let mut cx = Context::from_waker(Waker::noop());
        if inner.poll(&mut cx).is_pending()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                // Whatever comes, it is the last that is waited for. A runtime without timers panics at them: in this task alone.
                let _ = timeout(LINGER, poll_fn(|cx| inner.poll(cx))).await;
            });
        }
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBody")
            .field("ended", &self.is_end_stream())
            .finish_non_exhaustive()
    }
}

// ===== impl Inner =====

impl Inner {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        match self {
            Self::H1(body) => body.poll_data(cx).map_ok(Frame::data),
            Self::H2(body) => Pin::new(&mut body.incoming)
                .poll_frame(cx)
                .map_err(HttpError::Http2),
            Self::Over => Poll::Ready(None),
        }
    }
}
