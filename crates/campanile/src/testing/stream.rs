use std::{
    borrow::Cow,
    collections::VecDeque,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_core::Stream;
use thiserror::Error;
use tokio::time::Sleep;

/// A stream that does as it is told: pieces, pauses, a cut. Clones start where the original stands.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use campanile::testing::ScriptStream;
/// use futures_util::StreamExt;
/// use std::time::Duration;
///
/// let mut words = ScriptStream::new()
///     .piece("one")
///     .pause(Duration::from_millis(20))
///     .piece("two")
///     .cut("connection reset");
/// assert_eq!(words.next().await.unwrap().unwrap(), "one");
/// assert_eq!(words.next().await.unwrap().unwrap(), "two");
/// assert!(words.next().await.unwrap().is_err());
/// assert!(words.next().await.is_none());
/// # }
/// ```
#[must_use]
pub struct ScriptStream<D> {
    events: VecDeque<Event<D>>,
    /// Boxed, so that the stream is `Unpin`.
    pause: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug, Clone)]
enum Event<D> {
    Piece(D),
    Pause(Duration),
    Cut(Cut),
    Stall,
    Panic,
}

/// The error of a scripted stream or body that was cut.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cut by the script: {0}")]
pub struct Cut(pub Cow<'static, str>);

// ===== impl ScriptStream =====

impl<D> ScriptStream<D> {
    /// A stream without pieces.
    pub const fn new() -> Self {
        Self {
            events: VecDeque::new(),
            pause: None,
        }
    }

    fn event(mut self, event: Event<D>) -> Self {
        self.events.push_back(event);
        self
    }

    /// Adds a piece.
    pub fn piece(self, piece: D) -> Self {
        self.event(Event::Piece(piece))
    }

    /// Adds a pause, counted from when the stream is polled for what follows it.
    pub fn pause(self, time: Duration) -> Self {
        self.event(Event::Pause(time))
    }

    /// Breaks off with an error.
    pub fn cut(self, why: impl Into<Cow<'static, str>>) -> Self {
        self.event(Event::Cut(Cut(why.into())))
    }

    /// Goes on no further, for ever.
    pub fn stall(self) -> Self {
        self.event(Event::Stall)
    }

    /// Panics when it is polled for what follows.
    pub fn panic(self) -> Self {
        self.event(Event::Panic)
    }

    /// Whether it has nothing left to say but that it is over.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.events.is_empty() && self.pause.is_none()
    }
}

impl<D> FromIterator<D> for ScriptStream<D> {
    /// The pieces one after the other, without pauses.
    fn from_iter<I: IntoIterator<Item = D>>(pieces: I) -> Self {
        Self {
            events: pieces.into_iter().map(Event::Piece).collect(),
            pause: None,
        }
    }
}

impl<D: Unpin> Stream for ScriptStream<D> {
    type Item = Result<D, Cut>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        loop {
            if let Some(pause) = &mut this.pause {
                ready!(pause.as_mut().poll(cx));
                this.pause = None;
            }
            match this.events.pop_front() {
                None => return Poll::Ready(None),
                Some(Event::Piece(piece)) => return Poll::Ready(Some(Ok(piece))),
                Some(Event::Pause(time)) => this.pause = Some(Box::pin(tokio::time::sleep(time))),
                Some(Event::Cut(cut)) => {
                    this.events.clear();
                    return Poll::Ready(Some(Err(cut)));
                }
                Some(Event::Stall) => {
                    this.events.push_front(Event::Stall);
                    return Poll::Pending;
                }
                Some(Event::Panic) => panic!("the script says so: panic in a stream"),
            }
        }
    }
}

impl<D: Clone> Clone for ScriptStream<D> {
    fn clone(&self) -> Self {
        Self {
            events: self.events.clone(),
            pause: self
                .pause
                .as_ref()
                .map(|pause| Box::pin(tokio::time::sleep_until(pause.deadline()))),
        }
    }
}

impl<D> Default for ScriptStream<D> {
    fn default() -> Self {
        Self::new()
    }
}

impl<D: fmt::Debug> fmt::Debug for ScriptStream<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScriptStream")
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
