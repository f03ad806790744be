use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{chunks::Chunks, service::Slot};

/// The body of an answer: whole, or piece by piece.
pub(crate) struct SimulatedBody {
    kind: Kind,
    /// Given back at the end, or when this is dropped.
    slot: Option<Slot>,
}

enum Kind {
    Whole(Bytes),
    // Behind a pointer, as most of it is a timer.
    Paced(Pin<Box<Paced>>),
    Over,
}

/// Events, each when it is due.
struct Paced {
    chunks: Chunks,
    pace: Pace,
    /// How many pieces there will be before the connection breaks.
    left: Option<usize>,
    sleep: Pin<Box<Sleep>>,
}

/// When the pieces of a text are due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// When the first is due.
    pub(super) first: Instant,
    /// How long each takes after the one before.
    pub(super) each: Duration,
    /// How many have been written.
    pub(super) written: u32,
}

// ===== impl SimulatedBody =====

impl SimulatedBody {
    pub(super) fn whole(bytes: impl Into<Bytes>, slot: Option<Slot>) -> Self {
        Self {
            kind: Kind::Whole(bytes.into()),
            slot,
        }
    }

    /// Events at this pace; broken off after so many pieces, if a number is given.
    pub(super) fn paced(chunks: Chunks, pace: Pace, cut: Option<usize>, slot: Slot) -> Self {
        let sleep = Box::pin(sleep_until(pace.first));
        Self {
            kind: Kind::Paced(Box::pin(Paced {
                chunks,
                pace,
                left: cut,
                sleep,
            })),
            slot: Some(slot),
        }
    }

    fn end(&mut self) {
        self.kind = Kind::Over;
        self.slot = None;
    }
}

impl Body for SimulatedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let polled = match &mut self.kind {
            Kind::Whole(bytes) => {
                let bytes = std::mem::take(bytes);
                self.end();
                Some(Ok(Frame::data(bytes)))
            }
            Kind::Paced(paced) => ready!(paced.poll_next(cx)).map(|event| event.map(Frame::data)),
            Kind::Over => None,
        };
        match &self.kind {
            Kind::Paced(paced) if !paced.chunks.is_over() && matches!(polled, Some(Ok(_))) => {}
            _ => self.end(),
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.kind, Kind::Over)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Paced(_) => SizeHint::default(),
            Kind::Over => SizeHint::with_exact(0),
        }
    }
}

impl fmt::Debug for SimulatedBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedBody")
            .field("over", &self.is_end_stream())
            .finish_non_exhaustive()
    }
}

// ===== impl Paced =====

impl Paced {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        // The role comes with the first word.
        let due = self.pace.due();
        if self.sleep.deadline() != due {
            self.sleep.as_mut().reset(due);
        }
        let waits = self.chunks.at_text() || self.pace.written == 0;
        if waits {
            ready!(self.sleep.as_mut().poll(cx));
        }
        if self.chunks.at_text() {
            self.pace.written += 1;
            if let Some(left) = &mut self.left {
                if *left == 0 {
                    let cut = "simulated: the connection was reset";
                    let error = io::Error::new(io::ErrorKind::ConnectionReset, cut);
                    return Poll::Ready(Some(Err(error)));
                }
                *left -= 1;
            }
        }
        Poll::Ready(self.chunks.next().map(Ok))
    }
}

// ===== impl Pace =====

impl Pace {
    /// When the next piece is due.
    fn due(&self) -> Instant {
        self.first + self.each * self.written
    }
}
