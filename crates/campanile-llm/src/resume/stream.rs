use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use campanile::Call;
use futures_core::Stream;
use tokio::time::Instant;
use tower_service::Service;

use super::{progress::Progress, reach::Reach, service::Master};
use crate::{
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Part},
    error::Error,
    stream::cut_off,
};

/// A streamed answer that goes on elsewhere when it breaks off. See the [module](super).
pub struct ResumedStream<S, T>
where
    S: Service<Call<ChatRequest>> + 'static,
{
    stage: Stage<S, T>,
    /// `None` where the answer is not one to resume.
    progress: Option<Box<Progress>>,
    master: Arc<Master<S>>,
    /// What the first stream broke off with.
    error: Option<Error>,
}

enum Stage<S, T>
where
    S: Service<Call<ChatRequest>>,
{
    Passing(T),
    /// Boxed, since few streams are resumed and all would carry its size.
    Reaching(Pin<Box<Reach<S>>>),
    Over,
}

// ===== impl ResumedStream =====

impl<S: Service<Call<ChatRequest>>, T> ResumedStream<S, T> {
    pub(super) const fn new(
        stream: T,
        progress: Option<Box<Progress>>,
        master: Arc<Master<S>>,
    ) -> Self {
        Self {
            stage: Stage::Passing(stream),
            progress,
            master,
            error: None,
        }
    }

    /// The stream broke off: goes on elsewhere, or gives the error that it ends in.
    fn broke(&mut self, error: Error) -> Option<Error>
    where
        S: Clone,
    {
        // What broke off gives everything back before anything else begins.
        self.stage = Stage::Over;
        let progress = self.progress.as_mut();
        let next = progress.and_then(|progress| {
            let call = progress.next(&error, Instant::now())?;
            Some((call, progress.patience()))
        });
        let first = self.error.take().unwrap_or(error);
        let Some((call, patience)) = next else {
            self.progress = None;
            return Some(first);
        };
        tracing::debug!(error = %first, "a stream that broke off is resumed");
        self.error = Some(first);
        let reach = Reach::new(self.master.instance(), call, patience);
        self.stage = Stage::Reaching(Box::pin(reach));
        None
    }
}

impl<S, T> Stream for ResumedStream<S, T>
where
    S: Service<Call<ChatRequest>, Response = ChatResponse<T>, Error = Error> + Clone,
    T: Stream<Item = Result<ChatEvent, Error>> + Unpin,
{
    type Item = Result<ChatEvent, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let result = match &mut this.stage {
                Stage::Over => return Poll::Ready(None),
                Stage::Passing(stream) => ready!(Pin::new(stream).poll_next(cx))
                    .unwrap_or_else(|| Err(cut_off()))
                    .and_then(|event| match &mut this.progress {
                        Some(progress) => progress.pass(event),
                        None => Ok(Some(event)),
                    }),
                Stage::Reaching(reach) => match ready!(reach.as_mut().poll(cx)) {
                    Ok(response) => match response.answer {
                        Answer::Stream(stream) => {
                            this.stage = Stage::Passing(stream);
                            continue;
                        }
                        // It was asked for a stream.
                        Answer::Whole(_) => Err(cut_off()),
                    },
                    Err(error) => Err(error),
                },
            };
            match result {
                Ok(None) => {}
                Ok(Some(event)) => {
                    if event.part() == Part::End {
                        this.stage = Stage::Over;
                    }
                    return Poll::Ready(Some(Ok(event)));
                }
                Err(error) => {
                    if let Some(error) = this.broke(error) {
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

impl<S: Service<Call<ChatRequest>>, T> Unpin for ResumedStream<S, T> {}

impl<S: Service<Call<ChatRequest>>, T> fmt::Debug for ResumedStream<S, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match self.stage {
            Stage::Passing(_) => "passing",
            Stage::Reaching(_) => "reaching",
            Stage::Over => "over",
        };
        f.debug_struct("ResumedStream")
            .field("stage", &stage)
            .field("resumed", &self.error.is_some())
            .finish_non_exhaustive()
    }
}
