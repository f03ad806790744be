use std::{io, net::SocketAddr, pin::pin, sync::Arc, time::Duration};

use campanile::time::Timestamp;
use futures_util::FutureExt;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
};

use super::{
    calls::{self, Served},
    clocks::Clocks,
    connection::Connection,
    operate,
    stop::Phase,
};
use crate::gateway::Gateway;

/// A gateway and its listener.
#[derive(Debug)]
pub struct Server {
    gateway: Gateway,
    listener: TcpListener,
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

/// The most connections that can be counted.
const MOST: usize = u32::MAX as usize >> 4;

// ===== impl Server =====

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    ///
    /// When the address cannot be had.
    pub async fn bind(gateway: Gateway) -> io::Result<Self> {
        let address = gateway.live().config.listen;
        Self::bind_at(gateway, address).await
    }

    /// Listens at this address, whatever the settings say.
    ///
    /// # Errors
    ///
    /// As [`bind`](Self::bind).
    pub async fn bind_at(gateway: Gateway, address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        Ok(Self { gateway, listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    ///
    /// When the system does not tell.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `stop` is ready. Then it takes no more connections and no more calls, waits until the answers under way
    /// have come to their end, for as long as [`stop_within`](crate::config::ServerConfig::stop_within) says, and cuts those
    /// that have not: a stream says so in its last frame.
    ///
    /// # Errors
    ///
    /// None at present.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> io::Result<Stopped> {
        let Self { gateway, listener } = self;
        let most = gateway.live().config.server.max_connections.clamp(1, MOST);
        let room = Arc::new(Semaphore::new(most));
        let served = Arc::new(Served {
            operate: operate(gateway.clone()),
            gateway,
            stop: Arc::default(),
        });
        let mut stop = pin!(stop);
        loop {
            let accepted = tokio::select! {
                biased;
                () = &mut stop => break,
                accepted = accept(&listener, &room) => accepted,
            };
            begin(&served, accepted);
        }
        served.gateway.stop();
        served.stop.enter(Phase::Stopping);
        // What the system has accepted would be reset.
        while let Some(accepted) = accept(&listener, &room).now_or_never() {
            begin(&served, accepted);
        }
        drop(listener);
        let within = served.gateway.live().config.server.stop_within;
        let all = most.try_into().unwrap_or(u32::MAX);
        for (phase, time) in [
            (Phase::Cutting, within),
            (Phase::Gone, LAST_WORDS),
            (Phase::Gone, LAST_WORDS),
        ] {
            if tokio::time::timeout(time, room.acquire_many(all))
                .await
                .is_ok()
            {
                break;
            }
            served.stop.enter(phase);
        }
        Ok(Stopped {
            finished: served.stop.finished(),
            cut: served.stop.cut(),
        })
    }
}

/// The next connection, when there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Accepted {
    let permit = Arc::clone(room).acquire_owned().await;
    let mut is_told = false;
    loop {
        match listener.accept().await {
            Ok((socket, peer)) => return (socket, peer, permit.ok()),
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

type Accepted = (TcpStream, SocketAddr, Option<OwnedSemaphorePermit>);

/// Whether it concerns a connection that went before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Serves a connection in a task of its own.
fn begin(served: &Arc<Served>, (socket, peer, permit): Accepted) {
    let _ = socket.set_nodelay(true);
    let open = served.gateway.kept().standing.connect();
    let connection = serve(served, socket, Some(peer));
    tokio::spawn(async move {
        connection.await;
        drop((permit, open));
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
    let config = Arc::clone(&served.gateway.live().config);
    let clocks = Arc::new(Clocks::new(Timestamp::now()));
    let service = calls::of_connection(served, Arc::clone(&clocks), peer);
    Connection::new(socket, service, clocks, config, Arc::clone(&served.stop))
}
