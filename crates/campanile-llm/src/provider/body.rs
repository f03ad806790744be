use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::{runtime::Handle, time::timeout};

/// How long the end of a body is waited for that nobody reads any more.
const LINGER: Duration = Duration::from_millis(100);

/// The body of an answer of an [`HttpClient`](super::HttpClient).
///
/// When it is dropped before its end, the call is cancelled: a connection of HTTP/1 is closed, a stream of HTTP/2 reset. A
/// stream of events is often over for its reader, as with `[DONE]`, a moment before the body is over. So one whose last data was
/// taken is waited for a little, up to 100 ms, in a task of its own: if the body ends, the connection can be used again; if it
/// goes on, it is cancelled then. One that was waited for in vain is cancelled at once.
pub struct HttpBody {
    /// `None` once it has ended.
    incoming: Option<Incoming>,
    /// Whether its reader waits for data.
    awaited: bool,
}

// ===== impl HttpBody =====

impl HttpBody {
    pub(super) const fn new(incoming: Incoming) -> Self {
        Self {
            incoming: Some(incoming),
            awaited: false,
        }
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else {
            return Poll::Ready(None);
        };
        let polled = Pin::new(incoming).poll_frame(cx);
        self.awaited = polled.is_pending();
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.incoming = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.incoming {
            Some(incoming) => incoming.size_hint(),
            None => SizeHint::with_exact(0),
        }
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        let Some(mut incoming) = self.incoming.take() else {
            return;
        };
        if self.awaited || incoming.is_end_stream() {
            return;
        }
        // Mostly it is there already.
        let mut cx = Context::from_waker(Waker::noop());
        if Pin::new(&mut incoming).poll_frame(&mut cx).is_pending()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(timeout(LINGER, async move {
                // Whatever comes, it is the last that is waited for.
                poll_fn(|cx| Pin::new(&mut incoming).poll_frame(cx)).await
            }));
        }
    }
}

impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBody")
            .field("ended", &self.incoming.is_none())
            .finish_non_exhaustive()
    }
}
