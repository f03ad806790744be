use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker, ready},
};

use ::http::HeaderMap;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};

use crate::{
    BoxError,
    sync::{Mutex, lock},
};

/// A request body that can be sent again: what was read of it is on record. Made by
/// [`ReplayBodies`](super::ReplayBodies).
pub struct ReplayBody<B> {
    kind: Kind<B>,
}

enum Kind<B> {
    /// Nothing to send, as often as one likes.
    Empty,
    /// Known to be beyond the cap: passed on, never again.
    Once(Pin<Box<B>>),
    /// What is left of one that was passed on.
    Gone,
    Recorded {
        record: Arc<Mutex<Record<B>>>,
        /// The attempt that sends it; only the last one may read on.
        attempt: u32,
        /// The next frame on the record to send.
        next: usize,
        ended: bool,
    },
}

/// What all attempts share.
struct Record<B> {
    /// Boxed, since it is polled behind a lock and cannot be pinned there.
    source: Pin<Box<B>>,
    frames: Vec<Bytes>,
    trailers: Option<HeaderMap>,
    /// Bytes read up to now.
    read: usize,
    cap: usize,
    /// The last attempt.
    attempt: u32,
    /// Who waits for more of the source.
    reader: Option<Waker>,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// All that was read is on record.
    Recording,
    /// More was read than the cap allows; the record was dropped.
    Overrun,
    /// All of the body is on record.
    Whole,
    /// The source failed.
    Failed,
}

// ===== impl ReplayBody =====

impl<B: Body> ReplayBody<B> {
    /// The body for the first attempt, and the one that makes others.
    pub(super) fn pair(source: B, cap: usize) -> (Self, Self) {
        let of = |kind| Self { kind };
        if source.is_end_stream() {
            return (of(Kind::Empty), of(Kind::Empty));
        }
        if source.size_hint().lower() > cap as u64 {
            return (of(Kind::Once(Box::pin(source))), of(Kind::Gone));
        }
        let record = Arc::new(Mutex::new(Record {
            source: Box::pin(source),
            frames: Vec::new(),
            trailers: None,
            read: 0,
            cap,
            attempt: 0,
            reader: None,
            state: State::Recording,
        }));
        let recorded = |record| {
            of(Kind::Recorded {
                record,
                attempt: 0,
                next: 0,
                ended: false,
            })
        };
        (recorded(Arc::clone(&record)), recorded(record))
    }
}

impl<B> ReplayBody<B> {
    /// Whether it can be sent again.
    pub(super) fn is_whole(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once(_) | Kind::Gone => false,
            Kind::Recorded { record, .. } => lock(record).is_whole(),
        }
    }

    /// Whether all of it is on record, so that several attempts can send it at once.
    pub(super) fn is_sent(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Once(_) | Kind::Gone => false,
            Kind::Recorded { record, .. } => lock(record).state == State::Whole,
        }
    }

    /// The body for another attempt, which alone reads on from now.
    pub(super) fn again(&self) -> Option<Self> {
        let kind = match &self.kind {
            Kind::Empty => Kind::Empty,
            Kind::Once(_) | Kind::Gone => return None,
            Kind::Recorded { record, .. } => {
                let mut held = lock(record);
                if !held.is_whole() {
                    return None;
                }
                held.attempt += 1;
                // That of the attempt before: told that it has ended, it lets go of what it is sent through.
                if let Some(reader) = held.reader.take() {
                    reader.wake();
                }
                Kind::Recorded {
                    record: Arc::clone(record),
                    attempt: held.attempt,
                    next: 0,
                    ended: false,
                }
            }
        };
        Some(Self { kind })
    }
}

type Polled = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

impl<B> Body for ReplayBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Polled {
        match &mut self.get_mut().kind {
            Kind::Empty | Kind::Gone => Poll::Ready(None),
            Kind::Once(source) => source.as_mut().poll_frame(cx).map(|frame| {
                frame.map(|frame| frame.map(|frame| frame.map_data(bytes)).map_err(Into::into))
            }),
            Kind::Recorded { ended: true, .. } => Poll::Ready(None),
            Kind::Recorded {
                record,
                attempt,
                next,
                ended,
            } => {
                let mut record = lock(record);
                if record.attempt != *attempt && record.state != State::Whole {
                    // It must not take what the later one waits for.
                    *ended = true;
                    return Poll::Ready(Some(Err("the request is being sent again".into())));
                }
                let frame = match record.frames.get(*next) {
                    Some(data) => Some(Ok(Frame::data(data.clone()))),
                    None => match record.read_on(cx) {
                        Poll::Ready(frame) => frame,
                        Poll::Pending => {
                            record.reader = Some(cx.waker().clone());
                            return Poll::Pending;
                        }
                    },
                };
                *next += 1;
                *ended = !matches!(&frame, Some(Ok(frame)) if frame.is_data());
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty | Kind::Gone => true,
            Kind::Once(source) => source.is_end_stream(),
            Kind::Recorded { ended: true, .. } => true,
            Kind::Recorded { record, next, .. } => lock(record).is_over(*next),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty | Kind::Gone => SizeHint::with_exact(0),
            Kind::Once(source) => source.size_hint(),
            Kind::Recorded { ended: true, .. } => SizeHint::with_exact(0),
            Kind::Recorded { record, next, .. } => lock(record).size_hint(*next),
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut body = f.debug_struct("ReplayBody");
        if let Kind::Recorded { record, next, .. } = &self.kind {
            let record = lock(record);
            body.field("read", &record.read)
                .field("state", &record.state)
                .field("next", next);
        }
        body.finish_non_exhaustive()
    }
}

/// Without a copy where the data are `Bytes` already.
fn bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

// ===== impl Record =====

impl<B> Record<B> {
    /// Whether everything that was read is on record.
    fn is_whole(&self) -> bool {
        matches!(self.state, State::Recording | State::Whole)
    }
}

impl<B> Record<B>
where
    B: Body,
{
    /// Reads the next frame, and notes it.
    fn read_on(&mut self, cx: &mut Context<'_>) -> Polled
    where
        B::Error: Into<BoxError>,
    {
        if self.state == State::Whole {
            return Poll::Ready(self.trailers.clone().map(|t| Ok(Frame::trailers(t))));
        }
        let Some(frame) = ready!(self.source.as_mut().poll_frame(cx)) else {
            self.end();
            return Poll::Ready(None);
        };
        let frame = match frame {
            Ok(frame) => frame.map_data(bytes),
            Err(error) => {
                self.state = State::Failed;
                self.frames = Vec::new();
                return Poll::Ready(Some(Err(error.into())));
            }
        };
        if let Some(data) = frame.data_ref() {
            self.read = self.read.saturating_add(data.len());
            if self.read <= self.cap {
                self.frames.push(data.clone());
            } else if self.state == State::Recording {
                self.state = State::Overrun;
                self.frames = Vec::new();
            }
            if self.source.is_end_stream() {
                self.end();
            }
        } else if let Some(trailers) = frame.trailers_ref() {
            if self.state == State::Recording {
                self.trailers = Some(trailers.clone());
            }
            self.end();
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn end(&mut self) {
        if self.state == State::Recording {
            self.state = State::Whole;
        }
    }

    /// Whether one who has sent `next` frames has sent everything.
    fn is_over(&self, next: usize) -> bool {
        match self.state {
            State::Whole => next >= self.frames.len() && self.trailers.is_none(),
            State::Recording => next >= self.frames.len() && self.source.is_end_stream(),
            State::Overrun => self.source.is_end_stream(),
            State::Failed => true,
        }
    }

    /// What is left for one who has sent `next` frames.
    fn size_hint(&self, next: usize) -> SizeHint {
        let recorded = self.frames.get(next..).unwrap_or_default();
        let recorded: u64 = recorded.iter().map(|data| data.len() as u64).sum();
        if self.state == State::Whole {
            return SizeHint::with_exact(recorded);
        }
        let rest = self.source.size_hint();
        let mut hint = SizeHint::new();
        // The upper first: the lower must not be above it.
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(recorded));
        }
        hint.set_lower(rest.lower().saturating_add(recorded));
        hint
    }
}
