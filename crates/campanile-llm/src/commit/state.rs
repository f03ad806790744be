use std::collections::VecDeque;

use super::{CommitConfig, EmptyAnswer, FilteredAnswer};
use crate::{
    chat::{ChatCompletion, ChatEvent, FinishReason, Meta, Part},
    error::{Begun, Class, Error},
};

/// What is held of a stream that has not been committed to.
#[derive(Debug)]
pub(super) struct Held {
    max_bytes: usize,
    max_events: usize,
    empty: EmptyAnswer,
    filtered: FilteredAnswer,
    events: VecDeque<ChatEvent>,
    bytes: usize,
    finish: Option<FinishReason>,
}

// ===== impl Held =====

impl Held {
    pub(super) const fn new(config: &CommitConfig) -> Self {
        Self {
            max_bytes: config.max_held_bytes,
            max_events: config.max_held_events,
            empty: config.empty,
            filtered: config.filtered,
            events: VecDeque::new(),
            bytes: 0,
            finish: None,
        }
    }

    /// Takes the next event; gives it back if the stream is committed to from now on.
    pub(super) fn take(&mut self, event: ChatEvent) -> Result<Option<ChatEvent>, Error> {
        self.finish = event.finish().or(self.finish);
        match event.part() {
            Part::Content => return Ok(Some(event)),
            Part::End => {
                let whole = self.may_be_empty(self.finish);
                return match whole {
                    Ok(()) => Ok(Some(event)),
                    Err(error) => {
                        self.events.push_back(event);
                        Err(error)
                    }
                };
            }
            Part::Idle if event.data().is_empty() => return Ok(None),
            Part::Idle => {}
        }
        // A ping after a ping tells nobody anything: however many come before the first word, one is kept.
        if let Some(last) = self.events.back_mut()
            && last.frame() == event.frame()
        {
            *last = event;
            return Ok(None);
        }
        self.bytes = self.bytes.saturating_add(event.frame().len());
        if self.bytes > self.max_bytes || self.events.len() >= self.max_events {
            let error = Error::new(
                Class::Malformed,
                format!(
                    "{} events of {} bytes without content: at most {} of {} bytes are held",
                    self.events.len() + 1,
                    self.bytes,
                    self.max_events,
                    self.max_bytes,
                ),
            );
            self.events.push_back(event);
            return Err(error);
        }
        if self.events.is_empty() {
            self.events.reserve_exact(self.max_events);
        }
        self.events.push_back(event);
        Ok(None)
    }

    /// What was seen of an answer from here that failed: its last event tells what it had taken.
    pub(super) fn begun(&self, meta: Meta) -> Begun {
        let begun = Begun::new(meta);
        match self.events.back() {
            Some(last) => begun.with_usage(*last.usage(), last.is_reported()),
            None => begun,
        }
    }

    /// Looks at a whole answer.
    pub(super) fn whole(&self, answer: &ChatCompletion) -> Result<(), Error> {
        if answer.is_empty() {
            self.may_be_empty(answer.finish())?;
        }
        Ok(())
    }

    pub(super) fn events(&mut self) -> VecDeque<ChatEvent> {
        std::mem::take(&mut self.events)
    }

    #[cfg(test)]
    pub(super) fn room(&self) -> usize {
        self.events.capacity()
    }

    fn may_be_empty(&self, finish: Option<FinishReason>) -> Result<(), Error> {
        use FinishReason::{ContentFilter, Length, ToolCalls};
        match finish {
            Some(ContentFilter) => match self.filtered {
                FilteredAnswer::Pass => Ok(()),
                FilteredAnswer::Fail => Err(Error::new(
                    Class::ContentFilter,
                    "the answer was filtered before it had any content",
                )),
            },
            Some(Length | ToolCalls) => Ok(()),
            _ => match self.empty {
                EmptyAnswer::Pass => Ok(()),
                EmptyAnswer::Retry => Err(Error::new(
                    Class::Empty,
                    "the answer is a success without any content",
                )),
            },
        }
    }
}
