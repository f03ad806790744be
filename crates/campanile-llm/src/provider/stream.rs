use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Buf;
use campanile::{BoxError, Rejection};
use futures_core::Stream;
use http_body::Body;
use pin_project_lite::pin_project;

use super::settings::Settings;
use crate::{
    chat::{ChatEvent, Part},
    dialect::{Decoder, Frames, codec::Decode},
    error::{Class, Error},
    stream::cut_off,
};

pin_project! {
    /// The events of a provider's streamed answer. See the [module](super).
    #[must_use = "streams do nothing unless polled"]
    pub struct ProviderStream<B> {
        #[pin]
        body: Option<B>,
        frames: Option<Frames>,
        decoder: Option<Decoder>,
        events: VecDeque<ChatEvent>,
        // Comes after the events that came before it.
        failed: Option<Error>,
        settings: Arc<Settings>,
        request_id: Option<String>,
        done: bool,
    }
}

// ===== impl ProviderStream =====

impl<B> ProviderStream<B> {
    pub(super) fn new(
        body: B,
        frames: Frames,
        decoder: Decoder,
        settings: Arc<Settings>,
        request_id: Option<String>,
    ) -> Self {
        Self {
            body: Some(body),
            frames: Some(frames),
            decoder: Some(decoder),
            events: VecDeque::new(),
            failed: None,
            settings,
            request_id,
            done: false,
        }
    }

    /// The events of an answer that came whole.
    pub(super) fn of(
        events: VecDeque<ChatEvent>,
        settings: Arc<Settings>,
        request_id: Option<String>,
    ) -> Self {
        Self {
            body: None,
            frames: None,
            decoder: None,
            events,
            failed: None,
            settings,
            request_id,
            done: false,
        }
    }
}

impl<B> Stream for ProviderStream<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Item = Result<ChatEvent, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut this = self.project();
        loop {
            if *this.done {
                return Poll::Ready(None);
            }
            if let Some(event) = this.events.pop_front() {
                if event.part() == Part::End {
                    *this.done = true;
                    // The connection goes back, or the rest of the call is cancelled.
                    this.body.set(None);
                    this.events.clear();
                }
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(error) = this.failed.take() {
                *this.done = true;
                this.body.set(None);
                let error = this.settings.own(error, this.request_id.as_deref());
                return Poll::Ready(Some(Err(error)));
            }
            let (Some(frames), Some(decoder)) = (&mut *this.frames, &mut *this.decoder) else {
                *this.failed = Some(cut_off());
                continue;
            };
            let Some(body) = this.body.as_mut().as_pin_mut() else {
                // What was left at the end of the body, and then the end itself.
                let ended = match frames.end() {
                    Ok(Some(frame)) => decoder.frame(frame, this.events),
                    Ok(None) => decoder.end(this.events).and_then(|()| {
                        let proven = this.events.iter().any(|event| event.part() == Part::End);
                        if proven { Ok(()) } else { Err(cut_off()) }
                    }),
                    Err(error) => Err(error),
                };
                *this.failed = ended.err();
                continue;
            };
            // Only then is more pulled: who stops reading stops the provider.
            match frames.next() {
                Ok(Some(frame)) => *this.failed = decoder.frame(frame, this.events).err(),
                Ok(None) => match ready!(body.poll_frame(cx)) {
                    Some(Ok(frame)) => {
                        if let Ok(mut data) = frame.into_data() {
                            frames.push(data.copy_to_bytes(data.remaining()));
                        }
                    }
                    Some(Err(error)) => *this.failed = Some(broken(error.into())),
                    None => this.body.set(None),
                },
                Err(error) => *this.failed = Some(error),
            }
        }
    }
}

/// The error of a body that broke off, or that a layer around the HTTP client refused to wait for.
pub(super) fn broken(error: BoxError) -> Error {
    match Rejection::find(&*error) {
        Some(rejection) => Error::from(*rejection),
        None => Error::new(Class::Interrupted, "the answer broke off").with_source(error),
    }
}

impl<B> fmt::Debug for ProviderStream<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProviderStream")
            .field("provider", &self.settings.name)
            .field("events", &self.events.len())
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}
