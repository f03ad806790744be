use super::{Completion, Observe};
use crate::{cost::Usage, outcome::Outcome, time::Timestamp};

/// Reads each piece of a body or stream as it passes: how much work it is, what it reports, whether it says that the
/// call failed although the head said otherwise.
pub trait Meter<D> {
    /// Reads one piece.
    fn read(&mut self, data: &D) -> Reading;
}

/// What a [`Meter`] read off one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Units of work done, tokens where they can be told.
    pub units: u64,
    /// What the upstream reported of the whole call.
    pub usage: Option<Usage>,
    /// Replaces what the head said, from here on: an error event within a stream.
    pub outcome: Option<Outcome>,
    /// The answer is whole with this piece: the call ends with it, whether or not somebody asks for more.
    pub ended: bool,
}

/// The plainest meter: each piece is one unit of work. With server-sent events that is close to one token.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chunks;

impl<D> Meter<D> for Chunks {
    #[inline]
    fn read(&mut self, _data: &D) -> Reading {
        Reading {
            units: 1,
            ..Reading::default()
        }
    }
}

/// Tells a completion what was read.
pub(super) fn observe<O: Observe>(
    call: &mut Option<Completion<O>>,
    reading: Reading,
    outcome: &mut Outcome,
    now: Timestamp,
) {
    let Some(completion) = call else {
        return;
    };
    completion.data(now, reading.units);
    if let Some(usage) = &reading.usage {
        completion.usage(usage);
    }
    if let Some(said) = reading.outcome {
        *outcome = said;
    }
    if reading.ended
        && let Some(completion) = call.take()
    {
        completion.end(now, *outcome);
    }
}
