//! The connections to one scheme and authority.

use std::{
    collections::BTreeMap,
    future::{Future, poll_fn},
    mem,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    task::{Context, Waker},
    time::Duration,
};

use http::uri::{Authority, Scheme};
use tokio::{
    runtime::Handle,
    sync::Mutex as Turns,
    task::unconstrained,
    time::{Instant, sleep},
};

use super::{
    HttpConfig,
    connect::{Maker, Making},
    h1::{self, Connection, Io},
    h2::{Place, Shared},
};

/// How often connections are looked at that are idle, at least.
const SWEEP: Duration = Duration::from_secs(5);

/// How long a connection is left alone after a stream. Some servers, llama.cpp's among them, close after each, and do not say so
/// before: a call that is made at once would miss that.
const REST: Duration = Duration::from_millis(10);

/// A connection that is closed so soon after a stream is closed because of it, not because it was idle.
const SOON: Duration = Duration::from_secs(1);

/// What a server does with its connections after streams, by what it did. One that closed one has to keep two to be trusted.
const CLOSES: u8 = 0;
const UNKNOWN: u8 = 1;
const KEEPS: u8 = 2;

/// What is known of one scheme and authority.
pub(super) struct Origin {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) config: HttpConfig,
    maker: Maker,
    /// The line of the head that names the host.
    pub(super) host: Box<str>,
    /// Whose turn it is to make a connection of HTTP/2: many calls wait for one.
    pub(super) turn: Turns<()>,
    /// How many of those who had their turn have failed.
    failures: AtomicU64,
    http2_spoken: AtomicBool,
    swept: AtomicBool,
    /// What is done with connections after streams.
    habit: AtomicU8,
    connections: Mutex<Connections>,
}

#[derive(Default)]
struct Connections {
    /// The last is the one that was used last.
    idle: Vec<(Instant, Idle)>,
    /// Calls go to the first that has room, so that those are idle that are not needed.
    http2: Vec<(Instant, Shared)>,
    /// Calls that make a connection, and would rather have one, by their tickets.
    waiting: BTreeMap<u64, Waker>,
    tickets: u64,
}

/// A connection of HTTP/1 without a call.
struct Idle {
    io: Box<dyn Io>,
    proxied: bool,
    /// Whether its last answer was a stream, so that the server may be about to close it.
    streamed: bool,
}

/// Says that nobody sweeps any more, also when the runtime drops the task.
struct Sweeping(Weak<Origin>);

// ===== impl Origin =====

impl Origin {
    pub(super) fn new(
        scheme: &Scheme,
        authority: &Authority,
        config: &HttpConfig,
        maker: Maker,
    ) -> Self {
        let usual = match scheme.as_str() {
            "https" => 443,
            _ => 80,
        };
        // Without the user and the password that an authority may have.
        let host = match authority.port_u16().filter(|port| *port != usual) {
            Some(port) => format!("host: {}:{port}\r\n", authority.host()),
            None => format!("host: {}\r\n", authority.host()),
        };
        Self {
            scheme: scheme.clone(),
            authority: authority.clone(),
            config: config.clone(),
            maker,
            host: host.into(),
            turn: Turns::new(()),
            failures: AtomicU64::new(0),
            http2_spoken: AtomicBool::new(config.http2_only),
            swept: AtomicBool::new(false),
            habit: AtomicU8::new(UNKNOWN),
            connections: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a connection.
    pub(super) fn make(self: &Arc<Self>) -> Making {
        (self.maker)(Arc::clone(self))
    }

    /// Whether there is no connection.
    pub(super) fn is_empty(&self) -> bool {
        let connections = self.lock();
        connections.idle.is_empty() && connections.http2.is_empty()
    }

    /// A connection of HTTP/1 that is idle, open, and does not rest.
    pub(super) fn idle(self: &Arc<Self>) -> Option<Connection> {
        loop {
            let (now, kept) = (Instant::now(), self.keeps());
            let mut connections = self.lock();
            let ready = |(since, idle): &(Instant, Idle)| {
                kept || !idle.streamed || now.saturating_duration_since(*since) >= REST
            };
            let at = connections.idle.iter().rposition(ready)?;
            let (since, mut idle) = connections.idle.remove(at);
            drop(connections);
            let idle_for = now.saturating_duration_since(since);
            let quiet = is_quiet(&mut idle.io);
            if idle.streamed {
                match quiet {
                    true if idle_for >= REST => self.has_kept(),
                    false if idle_for < SOON => self.has_closed(),
                    _ => {}
                }
            }
            if idle_for < self.config.idle_timeout && quiet {
                let connection = Connection::new(idle.io, idle.proxied, Arc::clone(self));
                return Some(connection.used());
            }
        }
    }

    /// When the first of the connections has rested that rest.
    pub(super) fn rested(&self) -> Option<Instant> {
        if self.keeps() {
            return None;
        }
        let connections = self.lock();
        let first = connections.idle.iter().find(|(_, idle)| idle.streamed);
        first.map(|(since, _)| *since + REST)
    }

    /// Whether connections are kept after streams, so that they need no rest.
    fn keeps(&self) -> bool {
        self.habit.load(Ordering::Relaxed) == KEEPS
    }

    /// Whether connections are closed after streams, so that it is no use to wait until one has rested.
    pub(super) fn closes(&self) -> bool {
        self.habit.load(Ordering::Relaxed) == CLOSES
    }

    /// The server has kept a connection after a stream.
    fn has_kept(&self) {
        match self.habit.load(Ordering::Relaxed) {
            KEEPS => {}
            CLOSES => self.habit.store(UNKNOWN, Ordering::Relaxed),
            _ => {
                self.habit.store(KEEPS, Ordering::Relaxed);
                // Those that rest may be taken now.
                let waiting = mem::take(&mut self.lock().waiting);
                waiting.into_values().for_each(Waker::wake);
            }
        }
    }

    /// The server has closed a connection after a stream.
    fn has_closed(&self) {
        if !self.closes() {
            self.habit.store(CLOSES, Ordering::Relaxed);
        }
    }

    /// A connection that had served before was closed as a call came. Whatever the reason, it is looked at again what is done with
    /// them after streams.
    pub(super) fn was_missed(&self) {
        if self.keeps() {
            self.habit.store(UNKNOWN, Ordering::Relaxed);
        }
    }

    /// Takes back a connection of HTTP/1 whose call is over. If there are too many, the one goes that was used the longest ago.
    pub(super) fn put(self: &Arc<Self>, io: Box<dyn Io>, proxied: bool, streamed: bool) {
        let most = self.config.max_idle;
        if most == 0 {
            return;
        }
        let mut connections = self.lock();
        let oldest = (connections.idle.len() >= most).then(|| connections.idle.remove(0));
        let idle = Idle {
            io,
            proxied,
            streamed,
        };
        connections.idle.push((Instant::now(), idle));
        let waiting = connections.waiting.pop_first();
        drop(connections);
        drop(oldest);
        if let Some((_, waker)) = waiting {
            waker.wake();
        }
        self.have_swept();
    }

    /// A call that makes a connection, to be woken when one becomes idle. Look for one afterwards. 0 is a ticket that is new.
    pub(super) fn wait(&self, ticket: &mut u64, waker: &Waker) {
        let mut connections = self.lock();
        if *ticket == 0 {
            connections.tickets += 1;
            *ticket = connections.tickets;
        }
        connections.waiting.insert(*ticket, waker.clone());
    }

    /// A call that does not wait any more. It may have been told of a connection that it does not take, or waited until that has
    /// rested: the next one is told.
    pub(super) fn unwait(&self, ticket: u64) {
        let mut connections = self.lock();
        connections.waiting.remove(&ticket);
        if !connections.idle.is_empty() {
            let next = connections.waiting.pop_first();
            drop(connections);
            if let Some((_, waker)) = next {
                waker.wake();
            }
        }
    }

    /// How many attempts to make a connection for others have failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// An attempt to make a connection for others has failed.
    pub(super) fn has_failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether calls are better off with a connection of HTTP/2 that somebody else makes.
    pub(super) fn speaks_http2(&self) -> bool {
        self.http2_spoken.load(Ordering::Relaxed)
    }

    /// Room on a connection of HTTP/2 that is open.
    pub(super) fn http2(&self) -> Option<Place> {
        let mut connections = self.lock();
        connections.http2.retain(|(_, shared)| !shared.is_closed());
        connections.http2.iter_mut().find_map(|(used, shared)| {
            let place = shared.place()?;
            *used = Instant::now();
            Some(place)
        })
    }

    /// Keeps a connection of HTTP/2, unless there is one with room: then that one is to be used. Room on it.
    pub(super) fn put_http2(self: &Arc<Self>, shared: Shared) -> Option<Place> {
        if let Some(there) = self.http2() {
            return Some(there);
        }
        self.http2_spoken.store(true, Ordering::Relaxed);
        let place = shared.place()?;
        self.lock().http2.push((Instant::now(), shared));
        self.have_swept();
        Some(place)
    }

    /// A server that spoke HTTP/2, and does not any more.
    pub(super) fn speaks_http1(&self) {
        let only = self.config.http2_only;
        self.http2_spoken.store(only, Ordering::Relaxed);
    }

    /// Has connections closed that are idle for too long, or that the server has closed.
    fn have_swept(self: &Arc<Self>) {
        if self.swept.load(Ordering::Relaxed) || self.swept.swap(true, Ordering::AcqRel) {
            return;
        }
        let weak = Arc::downgrade(self);
        let sweeping = Sweeping(Weak::clone(&weak));
        let period = self.config.idle_timeout.min(SWEEP);
        // Without a runtime nobody sweeps; it is tried again with the next connection.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                loop {
                    sleep(period).await;
                    match weak.upgrade() {
                        Some(origin) if origin.sweep(Instant::now()) => {}
                        _ => break,
                    }
                }
                drop(sweeping);
                // Whoever came in between has seen that somebody sweeps.
                if let Some(origin) = weak.upgrade()
                    && !origin.is_empty()
                {
                    origin.have_swept();
                }
            });
        }
    }

    /// Whether there is something left.
    fn sweep(&self, now: Instant) -> bool {
        let timeout = self.config.idle_timeout;
        let mut connections = self.lock();
        let fresh = |since: Instant| now.saturating_duration_since(since) < timeout;
        let gone: Vec<_> = connections
            .idle
            .extract_if(.., |(since, idle)| {
                !fresh(*since) || !is_quiet(&mut idle.io)
            })
            .collect();
        let shared: Vec<_> = connections
            .http2
            .extract_if(.., |(used, shared)| {
                if !shared.is_idle() {
                    *used = now;
                }
                !fresh(*used) || shared.is_closed()
            })
            .collect();
        let left = !connections.idle.is_empty() || !connections.http2.is_empty();
        drop(connections);
        // They are closed outside of the lock.
        drop((gone, shared));
        left
    }
}

/// Whether a connection that should say nothing is open and says nothing. Nobody is woken when that changes.
pub(super) fn is_quiet(io: &mut Box<dyn Io>) -> bool {
    // A task that has used up its budget would be told that nothing is there.
    let look = unconstrained(poll_fn(|cx| h1::read(&mut **io, cx, |_| ())));
    let mut cx = Context::from_waker(Waker::noop());
    pin!(look).poll(&mut cx).is_pending()
}

// ===== impl Sweeping =====

impl Drop for Sweeping {
    fn drop(&mut self) {
        if let Some(origin) = self.0.upgrade() {
            origin.swept.store(false, Ordering::Release);
        }
    }
}
