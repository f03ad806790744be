use std::{
    fmt,
    future::Future,
    io::{self, ErrorKind},
    iter,
    sync::Arc,
};

use tokio::net::{TcpStream, ToSocketAddrs};

use super::{Check, Find, Probe, Report, Target, call, text};

/// Connects over TCP. What accepts a connection is healthy, unless more is asked of it: with
/// [`with_send`](Self::with_send) and [`with_expect`](Self::with_expect) it must take some bytes, and its answer must begin
/// with some.
///
/// The address is a [`Label`](super::Label) of the endpoint (`host:port`), the [target](Self::target), or what a function
/// makes of the check: anything that tokio can connect to. Names are looked up at each check. It has no time limit of its
/// own.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> std::io::Result<()> {
/// use campanile::{Endpoint, health::{Check, Label, Probe, TcpProbe}};
/// use std::net::SocketAddr;
/// use tokio::net::TcpListener;
///
/// let listener = TcpListener::bind("127.0.0.1:0").await?;
/// let check = Check::new(Endpoint::new("one"), listener.local_addr()?);
/// assert!(TcpProbe::target().check(check).await.is_healthy());
///
/// // Asks a Redis server whether it is alive.
/// let redis = TcpProbe::new(Label::new("address")).with_send("PING\r\n").with_expect("+PONG");
/// // And one whose port is beside that of the service.
/// let beside = TcpProbe::new(|check: &Check<SocketAddr>| (check.target.ip(), 9_000));
/// # let _ = (redis, beside);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct TcpProbe<A> {
    address: A,
    send: Arc<[u8]>,
    expect: Arc<[u8]>,
}

/// What goes wrong.
enum Failure {
    Connect(io::Error),
    Send(io::Error),
    Receive(io::Error),
    Closed(usize),
    Unexpected,
}

// ===== impl TcpProbe =====

impl TcpProbe<Target> {
    /// Connects to the target, which is an address.
    #[must_use]
    pub fn target() -> Self {
        Self::new(Target)
    }
}

impl<A> TcpProbe<A> {
    /// Connects to the address that `address` finds.
    pub fn new(address: A) -> Self {
        Self {
            address,
            send: [].into(),
            expect: [].into(),
        }
    }

    /// Sends these bytes once it is connected.
    #[must_use]
    pub fn with_send(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.send = bytes.as_ref().into();
        self
    }

    /// Waits for these bytes, which must be the first that come.
    #[must_use]
    pub fn with_expect(mut self, prefix: impl AsRef<[u8]>) -> Self {
        self.expect = prefix.as_ref().into();
        self
    }
}

impl<T, A> Probe<T> for TcpProbe<A>
where
    A: Find<T>,
    A::Found: ToSocketAddrs + Send + Sync + 'static,
{
    fn check(&self, check: Check<T>) -> impl Future<Output = Report> + Send + 'static {
        let address = self.address.find(&check);
        let (send, expect) = (Arc::clone(&self.send), Arc::clone(&self.expect));
        async move {
            let address = match address {
                Ok(address) => address,
                Err(error) => return call::unprepared(&error),
            };
            match converse(address, &send, &expect).await {
                Ok(()) => Report::healthy(),
                Err(failure) => Report::unhealthy(failure.to_string()),
            }
        }
    }
}

/// Written with `try_read` and `try_write`, so that the feature `health` needs no more of tokio than its sockets.
async fn converse(address: impl ToSocketAddrs, send: &[u8], expect: &[u8]) -> Result<(), Failure> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(Failure::Connect)?;
    let mut sent = 0;
    while sent < send.len() {
        stream.writable().await.map_err(Failure::Send)?;
        match stream.try_write(&send[sent..]) {
            Ok(bytes) => sent += bytes,
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(Failure::Send(error)),
        }
    }
    let mut matched = 0;
    // As much as is wanted at once: what follows is not for us.
    let mut buffer = [0; 256];
    while matched < expect.len() {
        stream.readable().await.map_err(Failure::Receive)?;
        let wanted = buffer.len().min(expect.len() - matched);
        match stream.try_read(&mut buffer[..wanted]) {
            Ok(0) => return Err(Failure::Closed(matched)),
            Ok(bytes) if buffer[..bytes] == expect[matched..matched + bytes] => matched += bytes,
            Ok(_) => return Err(Failure::Unexpected),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(Failure::Receive(error)),
        }
    }
    Ok(())
}

impl<A> fmt::Debug for TcpProbe<A> {
    // What is sent may be a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpProbe")
            .field("sends", &self.send.len())
            .field("expects", &self.expect.len())
            .finish_non_exhaustive()
    }
}

// ===== impl Failure =====

impl fmt::Display for Failure {
    // What came is not shown: whose it is and what stands in it nobody knows.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (doing, error) = match self {
            Self::Connect(error) => ("connecting", error),
            Self::Send(error) => ("sending", error),
            Self::Receive(error) => ("receiving", error),
            Self::Closed(after) => {
                return write!(
                    f,
                    "closed the connection after {after} of the expected bytes"
                );
            }
            Self::Unexpected => return f.write_str("answered otherwise than expected"),
        };
        write!(f, "{doing}: {}", text::describe(error, iter::empty()))
    }
}
