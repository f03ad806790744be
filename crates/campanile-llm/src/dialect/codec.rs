//! What each interface of a provider is read by, and each dialect written by.

use std::collections::VecDeque;

use super::halves::Halves;
use crate::{
    chat::ChatEvent,
    dialect::neutral::Delta,
    error::{Class, Error},
    stream::Frame,
    usage::Tally,
};

/// Reads a provider's stream frame by frame, into events in the dialect of the request. It keeps the tally of the call, and
/// each event tells it.
pub(crate) trait Decode {
    /// Reads a frame, which may make any number of events.
    ///
    /// # Errors
    ///
    /// When the frame is an error, or makes no sense.
    fn frame(&mut self, frame: Frame, events: &mut VecDeque<ChatEvent>) -> Result<(), Error>;

    /// The provider has ended the stream. Where that is how its streams end, the last events are made here, if what came
    /// before proves that it is whole.
    ///
    /// # Errors
    ///
    /// When it is not.
    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), Error>;
}

/// Reads a provider's frames into what all dialects have in common: the half of a [`Decode`] that translates.
pub(crate) trait Parse {
    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// As [`Decode::frame`].
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error>;

    /// The provider has ended the stream.
    ///
    /// # Errors
    ///
    /// As [`Decode::end`].
    fn end(&mut self, deltas: &mut Vec<Delta>) -> Result<(), Error>;
}

/// Writes what all dialects have in common in one of them: the other half.
pub(crate) trait Render {
    /// Writes a step, which may make any number of events. Usage and counts have been added to the tally before.
    fn delta(&mut self, delta: Delta, tally: &Tally, events: &mut VecDeque<ChatEvent>);
}

/// A stream that is translated.
#[derive(Debug)]
pub(crate) struct Translated<P, R> {
    parse: P,
    render: R,
    tally: Tally,
    deltas: Vec<Delta>,
    halves: Halves,
}

// ===== impl Translated =====

impl<P: Parse, R: Render> Translated<P, R> {
    pub(crate) fn new(parse: P, render: R, tally: Tally) -> Self {
        Self {
            parse,
            render,
            tally,
            deltas: Vec::new(),
            halves: Halves::default(),
        }
    }

    /// Writes steps that are known already.
    pub(crate) fn replay(&mut self, deltas: Vec<Delta>, events: &mut VecDeque<ChatEvent>) {
        self.deltas.extend(deltas);
        self.write(events);
    }

    fn write(&mut self, events: &mut VecDeque<ChatEvent>) {
        for delta in self.deltas.drain(..) {
            match &delta {
                Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) => {
                    self.tally.said(text.len() as u64);
                }
                Delta::ToolCall { name, .. } => self.tally.said(name.len() as u64),
                Delta::ToolArguments { json, .. } => self.tally.said(json.len() as u64),
                Delta::Usage(usage) => self.tally.report(usage),
                _ => {}
            }
            self.render.delta(delta, &self.tally, events);
        }
    }
}

/// Of what is whole already: there is nothing to parse.
impl Parse for () {
    fn frame(&mut self, _: &Frame, _: &mut Vec<Delta>) -> Result<(), Error> {
        Ok(())
    }

    fn end(&mut self, _: &mut Vec<Delta>) -> Result<(), Error> {
        Ok(())
    }
}

impl<P: Parse, R: Render> Decode for Translated<P, R> {
    fn frame(&mut self, frame: Frame, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        // What came before an error is passed on before it.
        let mut result = self.parse.frame(&frame, &mut self.deltas);
        if result
            .as_ref()
            .is_err_and(|error| error.class() == Class::Malformed)
            && let Some(whole) = self.halves.mend(&frame)
        {
            result = self.parse.frame(&whole, &mut self.deltas);
        }
        self.write(events);
        result
    }

    fn end(&mut self, events: &mut VecDeque<ChatEvent>) -> Result<(), Error> {
        let result = self.parse.end(&mut self.deltas);
        self.write(events);
        result
    }
}
