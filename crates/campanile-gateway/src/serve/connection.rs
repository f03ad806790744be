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
        // Whether it keeps its buffers.
        is_wakeful: bool,
        // Tells of the call that was under way when the stop began.
        under_way: UnderWay,
    }
}

enum State<T, S>
where
    S: HttpService<hyper::body::Incoming>,
{
    /// Waits for the first byte of a request. hyper has buffers of 16 KiB, which ten thousand idle connections need not have.
    Dozing(Transport<T>, S),
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
        let phase = stop.phase();
        let now = Timestamp::now();
        let state = if phase == Phase::Running {
            State::Dozing(transport, service)
        } else {
            // It was accepted too late. What it has sent is answered; for more nobody waits.
            clocks.enter(Stage::Head, now);
            State::Http(http(transport, service, &config, false))
        };
        let armed = now.after(config.server.idle_timeout);
        Self {
            state,
            clocks,
            timer: tokio::time::sleep_until(armed.to_instant(now)),
            config,
            armed,
            step: Arc::clone(&stop.steps).notified_owned(),
            stop,
            phase,
            is_registered: false,
            is_wakeful: phase > Phase::Running,
            under_way: UnderWay { stop: None },
        }
    }
}

/// How much hyper reads and writes at once at most, for each connection.
const BUFFER: usize = 64 << 10;

fn http<T, S>(
    transport: Transport<T>,
    service: S,
    config: &Config,
    goes_on: bool,
) -> Box<Http<T, S>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<hyper::body::Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as HttpBody>::Error: Into<campanile::BoxError>,
{
    let most = config.server.max_head;
    let http = http1::Builder::new()
        .keep_alive(goes_on)
        .header_read_timeout(None)
        .max_header_size(most)
        .max_buf_size(most.max(BUFFER))
        .serve_connection(TokioIo::new(transport), service);
    Box::new(http)
}

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
            this.step.set(Arc::clone(&this.stop.steps).notified_owned());
            *this.is_registered = this.step.as_mut().poll(cx).is_pending();
            let phase = this.stop.phase();
            let begins = *this.phase == Phase::Running && phase > Phase::Running;
            *this.phase = phase;
            if phase == Phase::Gone {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            if begins {
                if this.clocks.stage() == Stage::Call {
                    this.under_way.stop = Some(Arc::clone(this.stop));
                }
                *this.is_wakeful = true;
                match this.state {
                    State::Http(http) => Pin::new(&mut **http).graceful_shutdown(),
                    State::Dozing(..) => return Poll::Ready(()),
                    State::Closing(_) | State::Over => {}
                }
            }
        }
        loop {
            if let State::Dozing(transport, _) = this.state
                && let Poll::Ready(begun) = transport.poll_first(cx)
            {
                let State::Dozing(transport, service) = std::mem::replace(this.state, State::Over)
                else {
                    return Poll::Ready(());
                };
                if !begun {
                    return Poll::Ready(());
                }
                *this.state = State::Http(http(transport, service, this.config, true));
            }
            let over = match this.state {
                State::Dozing(..) => false,
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
            let has_buffers = matches!(this.state, State::Http(_)) && !*this.is_wakeful;
            let next = this.clocks.next(&this.config.server, has_buffers);
            let Some((until, expired)) = next else {
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
                (Expired::Doze, State::Http(http))
                    if !this.clocks.is_flushed() || this.clocks.is_unread() =>
                {
                    *this.is_wakeful = true;
                    *this.state = State::Http(http);
                }
                (Expired::Doze, State::Http(awake)) => {
                    let parts = awake.into_parts();
                    let mut transport = parts.io.into_inner();
                    *this.state = match parts.read_buf.is_empty() {
                        true => State::Dozing(transport, parts.service),
                        false => {
                            transport.read_before(parts.read_buf);
                            State::Http(http(transport, parts.service, this.config, true))
                        }
                    };
                }
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
