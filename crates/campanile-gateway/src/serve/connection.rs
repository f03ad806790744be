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
    calls::{Link, Served},
    clocks::{Expired, Stage},
    stop::Phase,
    transport::Transport,
};

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
        link: Arc<Link>,
        #[pin]
        timer: Sleep,
        // When the timer fires.
        armed: Timestamp,
        phase: Phase,
        #[pin]
        step: OwnedNotified,
        is_registered: bool,
        // While it waits for a request without a buffer: wakes it when it is to make room for another connection.
        #[pin]
        leave: Option<OwnedNotified>,
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
    link: Option<Arc<Link>>,
}

// ===== impl Connection =====

impl<T, S> Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<hyper::body::Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as HttpBody>::Error: Into<campanile::BoxError>,
{
    pub(super) fn new(socket: T, service: S, link: Arc<Link>) -> Self {
        let transport = Transport::new(socket, Arc::clone(&link));
        let phase = link.served.stop.phase();
        let now = Timestamp::now();
        let state = if phase == Phase::Running {
            State::Dozing(transport, service)
        } else {
            // It came while the gateway stops. What it has sent is answered; for more nobody waits.
            link.clocks.enter(Stage::Head);
            State::Http(http(transport, service, &link.served, false))
        };
        let armed = now.after(link.served.gateway.present().idle());
        Self {
            state,
            timer: tokio::time::sleep_until(armed.to_instant(now)),
            armed,
            step: Arc::clone(&link.served.stop.steps).notified_owned(),
            link,
            phase,
            is_registered: false,
            leave: None,
            is_wakeful: phase > Phase::Running,
            under_way: UnderWay { link: None },
        }
    }
}

/// The least that hyper reads and writes at once, for each connection.
const BUFFER: usize = 8 << 10;

fn http<T, S>(
    transport: Transport<T>,
    service: S,
    served: &Served,
    goes_on: bool,
) -> Box<Http<T, S>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: HttpService<hyper::body::Incoming, Error = Infallible>,
    S::ResBody: 'static,
    <S::ResBody as HttpBody>::Error: Into<campanile::BoxError>,
{
    let most = served.gateway.live().config.server.max_head;
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
        let link = &*this.link;
        let (clocks, stop) = (&link.clocks, &link.served.stop);
        let present = link.served.gateway.present();
        // A waker is left with the stop once, and again after each of its steps: not with each poll.
        while !*this.is_registered || stop.phase() != *this.phase {
            this.step.set(Arc::clone(&stop.steps).notified_owned());
            *this.is_registered = this.step.as_mut().poll(cx).is_pending();
            let phase = stop.phase();
            let begins = *this.phase == Phase::Running && phase > Phase::Running;
            *this.phase = phase;
            if phase == Phase::Gone {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            if begins {
                if clocks.stage() == Stage::Call {
                    this.under_way.link = Some(Arc::clone(link));
                }
                *this.is_wakeful = true;
                match std::mem::replace(this.state, State::Over) {
                    State::Http(mut http) => {
                        Pin::new(&mut *http).graceful_shutdown();
                        *this.state = State::Http(http);
                    }
                    // What it has sent already is answered, as if it had come later.
                    State::Dozing(mut transport, service) => match transport.poll_first(cx) {
                        Poll::Ready(true) => {
                            let http = http(transport, service, &link.served, false);
                            *this.state = State::Http(http);
                        }
                        Poll::Ready(false) | Poll::Pending => return Poll::Ready(()),
                    },
                    other @ (State::Closing(_) | State::Over) => *this.state = other,
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
                *this.state = State::Http(http(transport, service, &link.served, true));
                this.leave.set(None);
            }
            let over = match this.state {
                State::Dozing(..) => loop {
                    if this.leave.is_none() {
                        let leave = Arc::clone(&stop.leave).notified_owned();
                        this.leave.set(Some(leave));
                    }
                    let asked = match this.leave.as_mut().as_pin_mut() {
                        Some(leave) => leave.poll(cx).is_ready(),
                        None => false,
                    };
                    if !asked {
                        break false;
                    }
                    if stop.must_leave() {
                        break true;
                    }
                    // Somebody else went meanwhile.
                    this.leave.set(None);
                },
                State::Http(http) => match Pin::new(&mut **http).poll(cx) {
                    Poll::Pending => false,
                    Poll::Ready(Err(error)) if error.is_parse() => {
                        // It answers every head that it cannot read but that of HTTP/2, whose words it knows.
                        let State::Http(http) = std::mem::replace(this.state, State::Over) else {
                            return Poll::Ready(());
                        };
                        let mut transport = http.into_parts().io.into_inner();
                        if !transport.is_unanswered() {
                            return Poll::Ready(());
                        }
                        transport.refuse(b"505");
                        *this.state = State::Closing(Box::new(transport));
                        continue;
                    }
                    Poll::Ready(_) => true,
                },
                State::Closing(transport) => {
                    Pin::new(&mut **transport).poll_shutdown(cx).is_ready()
                }
                State::Over => true,
            };
            if this.under_way.link.is_some() && clocks.stage() != Stage::Call {
                this.under_way.end(clocks.was_cut());
            }
            if over {
                *this.state = State::Over;
                return Poll::Ready(());
            }
            let has_buffers = matches!(this.state, State::Http(_)) && !*this.is_wakeful;
            let next = clocks.next(present, has_buffers);
            let Some((until, expired)) = next else {
                // Whatever it is armed for is looked at when it fires.
                if this.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                let now = Timestamp::now();
                *this.armed = now.after(present.idle());
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
                    if !clocks.is_flushed() || clocks.is_unread() =>
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
                            // It came with the request before, or while that was answered.
                            transport.read_before(parts.read_buf, clocks.since());
                            State::Http(http(transport, parts.service, &link.served, true))
                        }
                    };
                }
                (Expired::Head, State::Http(http)) => {
                    let mut transport = http.into_parts().io.into_inner();
                    transport.refuse(b"408");
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
        if let Some(link) = self.link.take() {
            link.served.stop.ended(was_cut);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.end(true);
    }
}
