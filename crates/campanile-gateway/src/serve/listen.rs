use std::{convert::Infallible, io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};

use super::{
    Audience,
    calls::{self, Link, Served},
    connection::Connection,
    stop::Phase,
};
use crate::gateway::Gateway;

/// A gateway and its listeners.
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    listener: TcpListener,
    /// Where operators are served, if that is apart.
    operators: Option<TcpListener>,
}

/// How it stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Stopped {
    /// How many answers were under way when it was told to stop, and came to their end.
    pub finished: usize,
    /// How many answers were cut, because they were not over in time.
    pub cut: usize,
}

/// How long those that were cut have to send their last words.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long nothing is accepted after that failed: what is wanting, as a rule files, is not there again at once.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How many operators are connected at once, where they have a listener of their own.
const OPERATORS: usize = 64;

/// The most connections that can be counted.
const MOST: usize = u32::MAX as usize >> 4;

// ===== impl Server =====

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// When an address cannot be had: which, and why.
    pub async fn bind(gateway: Gateway) -> io::Result<Self> {
        let address = gateway.live().config.listen;
        Self::bind_at(gateway, address).await
    }

    /// Listens at this address, whatever the settings say; to operators where they say, if they do.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub async fn bind_at(gateway: Gateway, address: SocketAddr) -> io::Result<Self> {
        Self::with_listener(gateway, listen_at(address).await?).await
    }

    /// Takes callers from a listener that is there already; listens to operators where the settings say, if they do.
    ///
    /// # Errors
    ///
    /// When the address for operators cannot be had, or the system does not tell the listener's.
    pub async fn with_listener(gateway: Gateway, listener: TcpListener) -> io::Result<Self> {
        let operators = gateway.live().config.admin.listen;
        let operators = match operators {
            Some(address) => Some(listen_at(address).await?),
            None => None,
        };
        gateway.kept().standing.listens_at(listener.local_addr()?);
        Ok(Self {
            gateway,
            listener,
            operators,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Where it listens to operators, if that is apart.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn operators_address(&self) -> io::Result<Option<SocketAddr>> {
        self.operators
            .as_ref()
            .map(TcpListener::local_addr)
            .transpose()
    }

    /// Serves until `stop` is ready. Then it takes no more calls, waits until the answers under way have come to their end, for as
    /// long as [`stop_within`](crate::config::ServerConfig::stop_within) says, and cuts those that have not: a stream says so in
    /// its last frame. While it waits it goes on accepting, so that load balancers hear that it is not ready and callers
    /// that they are to go elsewhere. Operators with a listener of their own are served to the end.
    ///
    /// # Errors
    ///
    /// None at present.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> io::Result<Stopped> {
        let Self {
            gateway,
            listener,
            operators,
        } = self;
        let most = gateway.live().config.server.max_connections.clamp(1, MOST);
        let Some(operators) = operators else {
            let callers = Door::new(gateway, Audience::Everybody, listener, most);
            return Ok(callers.serve(stop).await);
        };
        let mut operators = Door::new(gateway.clone(), Audience::Operators, operators, OPERATORS);
        let callers = Door::new(gateway, Audience::Callers, listener, most);
        let stopped = tokio::select! {
            stopped = callers.serve(stop) => stopped,
            never = operators.attend() => match never {},
        };
        operators.close().await;
        Ok(stopped)
    }
}

async fn listen_at(address: SocketAddr) -> io::Result<TcpListener> {
    let failed = |error: io::Error| io::Error::new(error.kind(), format!("{address}: {error}"));
    TcpListener::bind(address).await.map_err(failed)
}

/// Where connections come in, one after the other, as far as there is room.
struct Door {
    served: Arc<Served>,
    listener: TcpListener,
    /// How many places there are.
    most: usize,
    room: Arc<Semaphore>,
    /// Who has come, and has no room yet.
    waiting: Option<(TcpStream, SocketAddr)>,
}

// ===== impl Door =====

impl Door {
    fn new(gateway: Gateway, audience: Audience, listener: TcpListener, most: usize) -> Self {
        Self {
            served: Arc::new(Served::new(gateway, audience)),
            listener,
            most,
            room: Arc::new(Semaphore::new(most)),
            waiting: None,
        }
    }

    /// Serves who comes, for as long as it is polled.
    async fn attend(&mut self) -> Infallible {
        loop {
            let accepted = self.next().await;
            begin(&self.served, accepted, None);
        }
    }

    /// Lets everybody go. Who is being answered has a moment.
    async fn close(self) {
        drop(self.listener);
        self.served.stop.enter(Phase::Stopping);
        let _ = tokio::time::timeout(LAST_WORDS, is_empty(&self.room, self.most)).await;
        self.served.stop.enter(Phase::Gone);
    }

    /// Serves until `stop` is ready, and then stops.
    async fn serve(mut self, stop: impl Future<Output = ()> + Send) -> Stopped {
        // Those that are open when the stop begins hold this; that all are gone is when nobody does.
        let (before, mut gone) = mpsc::channel::<Infallible>(1);
        let served = Arc::clone(&self.served);
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = self.next() => accepted,
            };
            begin(&served, accepted, Some(before.clone()));
        }
        served.gateway.stop();
        served.stop.enter(Phase::Stopping);
        drop(before);
        let within = served.gateway.live().config.server.stop_within;
        {
            let mut over = pin!(tokio::time::timeout(within, gone.recv()));
            loop {
                let accepted = tokio::select! {
                    biased;
                    _ = &mut over => break,
                    accepted = self.next() => accepted,
                };
                begin(&served, accepted, None);
            }
        }
        // What the system has accepted would be reset.
        while let Some(accepted) = self.next().now_or_never() {
            begin(&served, accepted, None);
        }
        drop(self.listener);
        // Those that came last have as long for their answers.
        if gone.try_recv() == Err(mpsc::error::TryRecvError::Empty) {
            served.stop.enter(Phase::Cutting);
        }
        for _ in 0..2 {
            let empty = is_empty(&self.room, self.most);
            if tokio::time::timeout(LAST_WORDS, empty).await.is_ok() {
                break;
            }
            served.stop.enter(Phase::Gone);
        }
        Stopped {
            finished: served.stop.finished(),
            cut: served.stop.cut(),
        }
    }

    /// The next connection, when there is room for it. Where there is none, the one that has been idle for longest is let go, or
    /// the next to become idle. Dropped, it loses nobody.
    async fn next(&mut self) -> Accepted {
        let (socket, peer) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => self.accept().await,
        };
        let room = Arc::clone(&self.room);
        let permit = match room.try_acquire_owned() {
            Ok(permit) => Some(permit),
            Err(_) => {
                self.waiting = Some((socket, peer));
                self.served.stop.ask_to_leave();
                let permit = Arc::clone(&self.room).acquire_owned().await.ok();
                self.served.stop.has_room();
                // It was put there above.
                let Some((socket, peer)) = self.waiting.take() else {
                    return std::future::pending().await;
                };
                return (socket, peer, permit);
            }
        };
        (socket, peer, permit)
    }

    async fn accept(&self) -> (TcpStream, SocketAddr) {
        let mut is_told = false;
        loop {
            match self.listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%error, "no connection can be accepted; it is tried again");
                    }
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    }
}

/// All places are free.
async fn is_empty(room: &Semaphore, most: usize) {
    let all = most.try_into().unwrap_or(u32::MAX);
    let _ = room.acquire_many(all).await;
}

type Accepted = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// Whether it concerns a connection that went before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves a connection in a task of its own, which holds this until it is closed.
fn begin(
    served: &Arc<Served>,
    (socket, peer, permit): Accepted,
    held: Option<mpsc::Sender<Infallible>>,
) {
    let _ = socket.set_nodelay(true);
    let open = served.gateway.kept().standing.connect();
    let connection = serve(served, socket, Some(peer));
    tokio::spawn(async move {
        connection.await;
        drop((permit, open, held));
    });
}

/// Serves a connection, which comes from there.
pub(super) fn serve<T>(
    served: &Arc<Served>,
    socket: T,
    peer: Option<SocketAddr>,
) -> impl Future<Output = ()> + Send + use<T>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let link = Arc::new(Link::new(Arc::clone(served), peer));
    let service = calls::of_connection(Arc::clone(&link));
    Connection::new(socket, service, link)
}
