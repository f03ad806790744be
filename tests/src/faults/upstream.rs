use std::{
    collections::VecDeque,
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::JoinHandle,
    time::sleep,
};

use super::{Answer, Counts, Cut, Ended, Exchange, Step, answer::Head};

/// The most that a head or a body of a request may be.
const MOST: usize = 16 << 20;

/// How long is waited for what is to come.
const BOUND: Duration = Duration::from_secs(30);

/// A server that answers as it is told. It and its connections end when it is dropped.
#[derive(Debug)]
pub struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    script: Script,
    state: Mutex<State>,
    /// Changes with each change of the state.
    changed: watch::Sender<()>,
    /// Connections end when this ends.
    stop: watch::Sender<bool>,
}

/// Answers by what is asked.
#[allow(clippy::type_complexity)] // named by what holds it
struct Script(Box<dyn Fn(&Exchange) -> Option<Answer> + Send + Sync>);

#[derive(Debug, Default)]
struct State {
    next: VecDeque<Answer>,
    always: Option<Answer>,
    exchanges: Vec<Exchange>,
    counts: Counts,
}

/// A port that refuses: it is taken, and nobody listens. It is free again when the socket is dropped.
///
/// # Errors
///
/// When there is no port.
pub fn refusing() -> io::Result<(SocketAddr, TcpSocket)> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
    Ok((socket.local_addr()?, socket))
}

// ===== impl Upstream =====

impl Upstream {
    /// Starts one, on a free port of the loopback interface.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn start() -> io::Result<Self> {
        Self::scripted(|_| None).await
    }

    /// Starts one that answers by what it is asked; as others do where the script has no answer.
    ///
    /// # Errors
    ///
    /// When there is no port.
    pub async fn scripted<F>(script: F) -> io::Result<Self>
    where
        F: Fn(&Exchange) -> Option<Answer> + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            script: Script(Box::new(script)),
            state: Mutex::default(),
            changed: watch::Sender::default(),
            stop: watch::Sender::default(),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The same as a URL, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next request so that no other answer is for; one after the other.
    pub fn next(&self, answer: Answer) {
        self.shared.change(|state| state.next.push_back(answer));
    }

    /// Answers so whatever no other answer is for. Until this is set, that is reset.
    pub fn always(&self, answer: Answer) {
        self.shared.change(|state| state.always = Some(answer));
    }

    /// What its clients have done.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// What it was asked, and what became of it.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.shared.lock().exchanges.clone()
    }

    /// Waits until so many exchanges have ended, and none goes on.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn ended(&self, exchanges: usize) -> Vec<Exchange> {
        self.until(|_, all| {
            let ended = all.iter().filter(|one| one.ended.is_some()).count();
            ended >= exchanges && ended == all.len()
        })
        .await;
        self.exchanges()
    }

    /// Waits until its counts and exchanges are as wanted.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn until(&self, wanted: impl Fn(&Counts, &[Exchange]) -> bool) {
        let mut changes = self.shared.changed.subscribe();
        let reached = async {
            loop {
                {
                    let state = self.shared.lock();
                    if wanted(&state.counts, &state.exchanges) {
                        return;
                    }
                }
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        if tokio::time::timeout(BOUND, reached).await.is_err() {
            panic!("it stays so: {:?}", self.shared.lock());
        }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.stop.send_replace(true);
    }
}

// ===== impl Shared =====

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.send_replace(());
        result
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").finish_non_exhaustive()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Head and body are written one after the other: the second is not to wait for word of the first.
        let _ = stream.set_nodelay(true);
        let shared = Arc::clone(&shared);
        shared.change(|state| {
            state.counts.connections += 1;
            state.counts.open += 1;
        });
        tokio::spawn(async move {
            let mut stop = shared.stop.subscribe();
            let mut connection = Connection {
                stream,
                read: BytesMut::new(),
                shared: &shared,
            };
            tokio::select! {
                // What it ends in, its exchanges tell.
                _ = connection.serve() => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
            drop(connection);
            shared.change(|state| state.counts.open -= 1);
        });
    }
}

struct Connection<'a> {
    stream: TcpStream,
    read: BytesMut,
    shared: &'a Shared,
}

/// The client has left.
struct Gone;

// ===== impl Connection =====

impl Connection<'_> {
    async fn serve(&mut self) -> io::Result<()> {
        while let Some(exchange) = self.request().await? {
            let scripted = (self.shared.script.0)(&exchange);
            let (index, answer) = self.shared.change(|state| {
                state.exchanges.push(exchange);
                state.counts.requests += 1;
                state.counts.active += 1;
                state.counts.most_active = state.counts.most_active.max(state.counts.active);
                let answer = scripted
                    .or_else(|| state.next.pop_front())
                    .or_else(|| state.always.clone());
                (state.exchanges.len() - 1, answer)
            });
            let answer = answer.unwrap_or_else(Answer::reset);
            let ended = match self.answer(index, &answer).await {
                Ok(()) if answer.cut.is_some() || answer.head.is_none() => Ended::Cut,
                Ok(()) => Ended::Whole,
                Err(Gone) => Ended::Cancelled,
            };
            if ended == Ended::Cut && answer.cut != Some(Cut::Terminated) {
                if answer.cut != Some(Cut::Fin) {
                    self.stream.set_zero_linger()?;
                } else {
                    self.stream.shutdown().await?;
                }
            }
            self.shared.change(|state| {
                state.exchanges[index].ended = Some(ended);
                state.counts.active -= 1;
                state.counts.cancelled += u64::from(ended == Ended::Cancelled);
            });
            if ended == Ended::Cancelled
                || (ended == Ended::Cut && answer.cut != Some(Cut::Terminated))
            {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Reads a request: `None` where the client is done.
    async fn request(&mut self) -> io::Result<Option<Exchange>> {
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break self.read.split_to(end + 4);
            }
            if self.read.len() > MOST || self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        };
        let head = String::from_utf8_lossy(&head);
        let mut lines = head.lines();
        let target = lines.next().unwrap_or_default();
        let mut exchange = Exchange {
            target: target.trim_end_matches(" HTTP/1.1").into(),
            ..Exchange::default()
        };
        for line in lines {
            if let Some((name, value)) = line.split_once(':') {
                let header = (name.to_ascii_lowercase(), value.trim().to_owned());
                exchange.headers.push(header);
            }
        }
        let length = exchange.header("content-length");
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        while self.read.len() < length {
            if length > MOST || self.stream.read_buf(&mut self.read).await? == 0 {
                return Ok(None);
            }
        }
        exchange.body = self.read.split_to(length).freeze();
        Ok(Some(exchange))
    }

    async fn answer(&mut self, index: usize, answer: &Answer) -> Result<(), Gone> {
        for step in &answer.before_head {
            self.pause(step).await?;
        }
        let Some(head) = &answer.head else {
            return Ok(());
        };
        self.write(&head_bytes(head, answer)).await?;
        for step in &answer.body {
            let Step::Send(bytes) = step else {
                self.pause(step).await?;
                continue;
            };
            if head.chunked {
                let mut chunk = BytesMut::from(format!("{:x}\r\n", bytes.len()).as_bytes());
                chunk.extend_from_slice(bytes);
                chunk.extend_from_slice(b"\r\n");
                self.write(&chunk).await?;
            } else {
                self.write(bytes).await?;
            }
            self.shared
                .change(|state| state.exchanges[index].sent += bytes.len());
        }
        if head.chunked && matches!(answer.cut, None | Some(Cut::Terminated)) {
            self.write(b"0\r\n\r\n").await?;
        }
        Ok(())
    }

    async fn pause(&mut self, step: &Step) -> Result<(), Gone> {
        let time = match step {
            Step::Send(_) => return Ok(()),
            Step::Wait(time) => Some(*time),
            Step::Stall => None,
        };
        let wait = async {
            match time {
                Some(time) => sleep(time).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => Ok(()),
            gone = left(&mut self.stream, &mut self.read) => Err(gone),
        }
    }

    /// Writes, and looks whether the client is still there.
    async fn write(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        let (mut reading, mut writing) = self.stream.split();
        let mut bytes = Bytes::copy_from_slice(bytes);
        while bytes.has_remaining() {
            tokio::select! {
                biased;
                gone = left(&mut reading, &mut self.read) => return Err(gone),
                written = writing.write_buf(&mut bytes) => {
                    if written.is_err() {
                        return Err(Gone);
                    }
                }
            }
        }
        Ok(())
    }
}

/// Waits until the client leaves. What it sends before, such as its next request, is kept.
async fn left<R: tokio::io::AsyncRead + Unpin>(stream: &mut R, read: &mut BytesMut) -> Gone {
    loop {
        match stream.read_buf(read).await {
            Ok(1..) if read.len() < MOST => {}
            _ => return Gone,
        }
    }
}

fn head_bytes(head: &Head, answer: &Answer) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {} Said\r\n", head.status);
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    if head.chunked {
        text.push_str("transfer-encoding: chunked\r\n");
    } else if !head
        .headers
        .iter()
        .any(|(name, _)| name == "content-length")
    {
        text.push_str(&format!("content-length: {}\r\n", answer.bytes().len()));
    }
    text.push_str("\r\n");
    text.into_bytes()
}
