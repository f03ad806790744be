//! A connection: hyper's, its clocks, and the stop of the whole.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use campanile::time::Timestamp;
use http_body::Body as HttpBody;
use hyper::{server::conn::http1, service::HttpService};
use hyper_util::rt::TokioIo;
use pin_project_lite::pin_project;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::futures::OwnedNotified,
    time::Sleep,
};

use super::{
    clocks::{Clocks, Expired, Stage},
    refuse,
    stop::{Phase, Stop},
    transport::Transport,
};
use crate::config::Config;

type Http<T, S> = http1::Connection<TokioIo<Transport<T>>, S>;

pin_project! {
    /// Serves a connection until it is over. Dropped, it gives up the call that it is serving.
    ///
    /// One timer is armed for as long as it lives: stages pass without touching it, and when it fires it looks at what the
    /// time is for by then.
    pub(super) struct Connection<T, S>
    where
        S: HttpService<hyper::body::Incoming>,
    {
        state: State<T, S>,
        clocks: Arc<Clocks>,
        config: Arc<Config>,
        #[pin]
        timer: Sleep,
        // When the timer fires.
        armed: Timestamp,
        stop: Arc<Stop>,
        phase: Phase,
        #[pin]
        step: OwnedNotified,
        is_registered: bool,
        // Tells of the call that was under way when the stop began.
        under_way: UnderWay,
    }
}

enum State<T, S>
where
    S: HttpService<hyper::body::Incoming>,
{
    /// Boxed: what waits for its first byte is small so.
    Http(Box<Http<T, S>>),
    /// Told why nobody hears it any more.
    Closing(Box<Transport<T>>),
    Over,
}

/// A call that was under way when the stop began, if there was one. Whatever becomes of the connection, it is counted.
struct UnderWay {
    stop: Option<Arc<Stop>>,
}

// ===== impl Connection =====

impl<T, S> Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<hyper::body::Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as HttpBody>::Error: Into<campanile::BoxError>,
{
    pub(super) fn new(
        socket: T,
        service: S,
        clocks: Arc<Clocks>,
        config: Arc<Config>,
        stop: Arc<Stop>,
    ) -> Self {
        let transport = Transport::new(socket, Arc::clone(&clocks));
        let http = http1::Builder::new()
            .header_read_timeout(None)
            .max_header_size(config.server.max_head)
            .max_buf_size(config.server.max_head.max(BUFFER))
            .serve_connection(TokioIo::new(transport), service);
        let now = Timestamp::now();
        let armed = now.after(config.server.idle_timeout);
        Self {
            state: State::Http(Box::new(http)),
            clocks,
            timer: tokio::time::sleep_until(armed.to_instant(now)),
            config,
            armed,
            step: Arc::clone(&stop.steps).notified_owned(),
            stop,
            phase: Phase::Running,
            is_registered: false,
            under_way: UnderWay { stop: None },
        }
    }
}

/// How much hyper reads and writes at once at most, for each connection.
const BUFFER: usize = 64 << 10;

impl<T, S> Future for Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<hyper::body::Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as HttpBody>::Error: Into<campanile::BoxError>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        // A waker is left with the stop once, and again after each of its steps: not with each poll.
        while !*this.is_registered || this.stop.phase() != *this.phase {
            if *this.is_registered {
                let step = Arc::clone(&this.stop.steps).notified_owned();
                this.step.set(step);
            }
            *this.is_registered = this.step.as_mut().poll(cx).is_pending();
            let phase = this.stop.phase();
            if *this.phase < Phase::Stopping
                && phase >= Phase::Stopping
                && this.clocks.stage() == Stage::Call
            {
                this.under_way.stop = Some(Arc::clone(this.stop));
            }
            *this.phase = phase;
            match (phase, &mut *this.state) {
                (Phase::Running, _) => {}
                (Phase::Gone, state) => {
                    *state = State::Over;
                    return Poll::Ready(());
                }
                (_, State::Http(http)) => Pin::new(&mut **http).graceful_shutdown(),
                (_, _) => {}
            }
        }
        loop {
            let over = match this.state {
                State::Http(http) => Pin::new(&mut **http).poll(cx).is_ready(),
                State::Closing(transport) => {
                    Pin::new(&mut **transport).poll_shutdown(cx).is_ready()
                }
                State::Over => true,
            };
            if this.under_way.stop.is_some() && this.clocks.stage() != Stage::Call {
                this.under_way.end(this.clocks.was_cut());
            }
            if over {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            let Some((until, expired)) = this.clocks.next(&this.config.server) else {
                // Whatever it is armed for is looked at when it fires.
                if this.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let now = Timestamp::now();
                *this.armed = now.after(this.config.server.idle_timeout);
                this.timer.as_mut().reset(this.armed.to_instant(now));
                continue;
            };
            if until < *this.armed {
                *this.armed = until;
                this.timer
                    .as_mut()
                    .reset(until.to_instant(Timestamp::now()));
            }
            if this.timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            let now = Timestamp::now();
            if now < until {
                *this.armed = until;
                this.timer.as_mut().reset(until.to_instant(now));
                continue;
            }
            let state = std::mem::replace(this.state, State::Over);
            match (expired, state) {
                (Expired::Head, State::Http(http)) => {
                    let mut transport = http.into_parts().io.into_inner();
                    if let Some(answer) = refuse::unread_head(b"408") {
                        transport.refuse(answer);
                    }
                    *this.state = State::Closing(Box::new(transport));
                }
                (_, _) => return Poll::Ready(()),
            }
        }
    }
}

// ===== impl UnderWay =====

impl UnderWay {
    fn end(&mut self, was_cut: bool) {
        if let Some(stop) = self.stop.take() {
            stop.ended(was_cut);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.end(true);
    }
}
