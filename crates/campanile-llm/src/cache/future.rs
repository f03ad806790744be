use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use super::{
    flight::{Head, Reader},
    store::{Kept, KeptAnswer},
    stream::CacheStream,
};
use crate::{chat::ChatResponse, error::Error};

/// The response future of a [`Cache`](super::Cache).
#[must_use = "futures do nothing unless polled"]
pub struct CacheFuture {
    state: State,
}

enum State {
    Hit(Box<Kept>),
    Waiting(Reader),
    Over,
}

// ===== impl CacheFuture =====

impl CacheFuture {
    pub(super) const fn hit(kept: Box<Kept>) -> Self {
        Self {
            state: State::Hit(kept),
        }
    }

    pub(super) const fn waiting(reader: Reader) -> Self {
        Self {
            state: State::Waiting(reader),
        }
    }
}

impl Future for CacheFuture {
    type Output = Result<ChatResponse<CacheStream>, Error>;

    /// # Panics
    ///
    /// When it is polled after it was ready.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let head = match &self.state {
            State::Waiting(reader) => Some(ready!(reader.poll_head(cx))),
            _ => None,
        };
        let state = std::mem::replace(&mut self.state, State::Over);
        Poll::Ready(match (state, head) {
            (State::Hit(kept), _) => Ok(match kept.answer {
                KeptAnswer::Whole(whole) => ChatResponse::whole(kept.meta, whole),
                KeptAnswer::Events(events) => {
                    ChatResponse::stream(kept.meta, CacheStream::kept(events))
                }
            }),
            (State::Waiting(reader), Some(Head::Stream(meta))) => {
                Ok(ChatResponse::stream(meta, CacheStream::live(reader)))
            }
            (State::Waiting(_), Some(Head::Whole(meta, whole))) => {
                Ok(ChatResponse::whole(meta, whole))
            }
            (State::Waiting(_), Some(Head::Failed(error))) => Err(error),
            _ => panic!("polled after it was ready"),
        })
    }
}

impl fmt::Debug for CacheFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheFuture").finish_non_exhaustive()
    }
}
