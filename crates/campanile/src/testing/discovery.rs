use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures_core::Stream;
use tokio::sync::mpsc;
use tower::discover::Change;

use crate::BoxError;

/// A `Discover` whose members a test decides on, with the handle by which it does so.
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// use campanile::testing::discovery;
/// use futures_util::StreamExt;
/// use tower::discover::Change;
///
/// let (members, mut discover) = discovery();
/// members.insert("a", 1);
/// members.fail("resolver is down");
/// members.remove("a");
/// members.end();
///
/// assert!(matches!(discover.next().await, Some(Ok(Change::Insert("a", 1)))));
/// assert!(matches!(discover.next().await, Some(Err(_))));
/// assert!(matches!(discover.next().await, Some(Ok(Change::Remove("a")))));
/// assert!(discover.next().await.is_none());
/// # }
/// ```
#[must_use]
pub fn discovery<K, S>() -> (DiscoverHandle<K, S>, MockDiscover<K, S>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (
        DiscoverHandle { sender },
        MockDiscover {
            receiver,
            ended: false,
        },
    )
}

/// Decides on the members of a [`MockDiscover`]; made by [`discovery`]. What it tells is read in order. Discovery ends
/// when the last clone of the handle is dropped, too.
pub struct DiscoverHandle<K, S> {
    sender: mpsc::UnboundedSender<Event<K, S>>,
}

/// A `Discover` in a test's hand; made by [`discovery`].
pub struct MockDiscover<K, S> {
    receiver: mpsc::UnboundedReceiver<Event<K, S>>,
    ended: bool,
}

enum Event<K, S> {
    Change(Change<K, S>),
    Error(BoxError),
    End,
}

// ===== impl DiscoverHandle =====

impl<K, S> DiscoverHandle<K, S> {
    /// A dropped reader is no fault of the test: [`is_dropped`](Self::is_dropped) tells.
    fn send(&self, event: Event<K, S>) {
        let _ = self.sender.send(event);
    }

    /// Inserts a member, or another service under the key of one.
    pub fn insert(&self, key: K, service: S) {
        self.send(Event::Change(Change::Insert(key, service)));
    }

    /// Removes a member.
    pub fn remove(&self, key: K) {
        self.send(Event::Change(Change::Remove(key)));
    }

    /// Discovery errs once, and goes on.
    pub fn fail(&self, error: impl Into<BoxError>) {
        self.send(Event::Error(error.into()));
    }

    /// Discovery ends; what is told afterwards is not heard.
    pub fn end(&self) {
        self.send(Event::End);
    }

    /// Whether nobody reads any more: the [`MockDiscover`] was dropped.
    #[must_use]
    pub fn is_dropped(&self) -> bool {
        self.sender.is_closed()
    }

    /// Waits until the [`MockDiscover`] is dropped.
    pub async fn dropped(&self) {
        self.sender.closed().await;
    }
}

impl<K, S> Clone for DiscoverHandle<K, S> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
        }
    }
}

impl<K, S> fmt::Debug for DiscoverHandle<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DiscoverHandle")
            .field("is_dropped", &self.is_dropped())
            .finish_non_exhaustive()
    }
}

// ===== impl MockDiscover =====

impl<K, S> Stream for MockDiscover<K, S> {
    type Item = Result<Change<K, S>, BoxError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        Poll::Ready(match ready!(self.receiver.poll_recv(cx)) {
            Some(Event::Change(change)) => Some(Ok(change)),
            Some(Event::Error(error)) => Some(Err(error)),
            Some(Event::End) | None => {
                self.ended = true;
                None
            }
        })
    }
}

impl<K, S> fmt::Debug for MockDiscover<K, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockDiscover")
            .field("unread", &self.receiver.len())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
