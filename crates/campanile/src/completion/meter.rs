use super::{Completion, Observe};
use crate::{
    cost::Usage,
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

/// Reads each piece of a body or stream as it passes: how much work it is, what it reports, whether it says that the
/// call failed although the head said otherwise. Judges the error `E` that it may end in.
pub trait Meter<D, E> {
    /// Reads one piece.
    fn read(&mut self, data: &D) -> Reading;

    /// What it means that the body or stream broke off with this error, after a head of success. Unless a meter knows better,
    /// it is [`FailureKind::Interrupted`]; a success counts as that too.
    ///
    /// Where no usage was read by then, budgets and rate limits take a call that was throttled, overloaded or ignored for one
    /// on which no work was done.
    fn error(&mut self, error: &E) -> Outcome {
        let _ = error;
        Outcome::Failure(FailureKind::Interrupted)
    }
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

impl<D, E> Meter<D, E> for Chunks {
    #[inline]
    fn read(&mut self, _data: &D) -> Reading {
        Reading {
            units: 1,
            ..Reading::default()
        }
    }
}

/// What a call means that broke off with this error. Apart, so that pieces pass by it.
#[cold]
pub(super) fn broke<D, E>(meter: &mut impl Meter<D, E>, error: &E, outcome: &mut Outcome) {
    if outcome.is_success() {
        *outcome = match meter.error(error) {
            Outcome::Success => Outcome::Failure(FailureKind::Interrupted),
            judged => judged,
        };
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
