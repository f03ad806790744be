use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use campanile::Call;
use futures_core::Stream;
use tokio::time::Instant;
use tower_service::Service;

use super::{
    flight::{Flight, Head, nothing},
    handle::Shared,
    key::Key,
    store::KeptAnswer,
};
use crate::{
    chat::{Answer, ChatEvent, ChatRequest, ChatResponse, Part},
    error::Error,
    stream::cut_off,
};

/// The task of a call: it ends with the answer, or when nobody reads any more. However it ends, it leaves nobody waiting.
pub(super) struct Task {
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    flight: Arc<Flight>,
    shared: Arc<Shared>,
    key: Key,
}

// ===== impl Task =====

impl Task {
    pub(super) fn new<S, St>(
        service: S,
        call: Call<ChatRequest>,
        key: Key,
        flight: &Arc<Flight>,
        shared: &Arc<Shared>,
    ) -> Self
    where
        S: Service<Call<ChatRequest>, Response = ChatResponse<St>, Error = Error> + Send + 'static,
        S::Future: Send,
        St: Stream<Item = Result<ChatEvent, Error>> + Send + 'static,
    {
        let work = fly(service, call, key, Arc::clone(flight), Arc::clone(shared));
        Self {
            work: Some(Box::pin(work)),
            flight: Arc::clone(flight),
            shared: Arc::clone(shared),
            key,
        }
    }
}

impl Future for Task {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let deserted = self.flight.poll_deserted(cx).is_ready();
        let Some(work) = &mut self.work else {
            return Poll::Ready(());
        };
        if deserted || work.as_mut().poll(cx).is_ready() {
            self.work = None;
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // The provider's call goes first.
        self.work = None;
        self.flight.abort();
        self.shared.landed(&self.key, &self.flight);
    }
}

async fn fly<S, St>(
    mut service: S,
    call: Call<ChatRequest>,
    key: Key,
    flight: Arc<Flight>,
    shared: Arc<Shared>,
) where
    S: Service<Call<ChatRequest>, Response = ChatResponse<St>, Error = Error>,
    St: Stream<Item = Result<ChatEvent, Error>> + Send,
{
    let answered = match poll_fn(|cx| service.poll_ready(cx)).await {
        Ok(()) => service.call(call).await,
        Err(error) => Err(error),
    };
    drop(service);
    let response = match answered {
        Ok(response) => response,
        Err(error) => return flight.head(Head::Failed(error)),
    };
    let meta = response.meta;
    let stream = match response.answer {
        Answer::Whole(whole) => {
            let mut kept = whole.clone();
            *kept.usage_mut() = nothing();
            shared
                .store
                .keep(key, meta.clone(), KeptAnswer::Whole(kept), Instant::now());
            return flight.head(Head::Whole(meta, whole));
        }
        Answer::Stream(stream) => stream,
    };
    flight.head(Head::Stream(meta.clone()));
    let mut stream = Box::pin(stream);
    let most = shared.store.config().max_answer;
    let result = loop {
        poll_fn(|cx| flight.poll_room(cx)).await;
        match poll_fn(|cx| stream.as_mut().poll_next(cx)).await {
            Some(Ok(event)) => {
                let over = event.part() == Part::End;
                flight.event(event, most);
                if over {
                    break Ok(());
                }
            }
            Some(Err(error)) => break Err(error),
            None => break Err(cut_off()),
        }
    };
    // Kept before it is over, so that whoever comes in between finds the one or the other.
    if result.is_ok()
        && let Some(events) = flight.recorded()
    {
        let answer = KeptAnswer::Events(events);
        shared.store.keep(key, meta, answer, Instant::now());
    }
    flight.end(result);
}
