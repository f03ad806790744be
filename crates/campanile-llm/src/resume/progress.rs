use std::{mem, sync::Arc, time::Duration};

use campanile::{Call, Usage, context::Repeat, time::Timestamp, timeout::Clock};
use tokio::time::Instant;

use super::{
    ResumeConfig,
    seam::{Seam, no_text},
    shown::shown,
};
use crate::{
    chat::{ChatEvent, ChatRequest, Part, Role},
    dialect::{Dialect, anthropic, codec::Parse, neutral::Delta, openai},
    error::{Class, Error},
    stream::SseFrames,
};

/// How far an answer has come, and what it takes to go on with it.
pub(super) struct Progress {
    config: Arc<ResumeConfig>,
    call: Call<ChatRequest>,
    resumed: u32,
    text: String,
    /// `None` once the answer is no longer one to resume.
    parser: Option<Box<dyn Parse + Send + Sync>>,
    deltas: Vec<Delta>,
    /// What the streams before have taken.
    before: Usage,
    /// What all have taken so far.
    taken: Usage,
    /// Where a second stream has not come to its first text.
    seam: Option<Seam>,
}

// ===== impl Progress =====

impl Progress {
    /// That of a call whose answer could be resumed.
    pub(super) fn of(
        call: &mut Call<ChatRequest>,
        config: &Arc<ResumeConfig>,
    ) -> Option<Box<Self>> {
        let request = &call.message;
        let text_alone = request.is_streamed()
            && openai::choices(request) == 1
            && request.object().get("response_format").is_none();
        if !text_alone {
            return None;
        }
        // Kept from the first attempt on, so that the second goes elsewhere.
        call.context.trail.get_or_insert_default();
        Some(Box::new(Self {
            config: Arc::clone(config),
            parser: Some(parser(request.dialect())),
            call: call.clone(),
            resumed: 0,
            text: String::new(),
            deltas: Vec::new(),
            before: Usage::default(),
            taken: Usage::default(),
            seam: None,
        }))
    }

    pub(super) fn patience(&self) -> Duration {
        self.config.patience
    }

    /// Looks at an event that comes, and says what to pass on in its place.
    ///
    /// # Errors
    ///
    /// When a second stream does not go on with the text.
    pub(super) fn pass(&mut self, mut event: ChatEvent) -> Result<Option<ChatEvent>, Error> {
        self.read(&event);
        if self.resumed > 0 {
            let usage = add(&self.before, event.usage());
            event = event.with_usage(usage, false);
        }
        self.taken = *event.usage();
        if let Some(seam) = &mut self.seam {
            if self.parser.is_none() {
                return Err(no_text());
            }
            let Some((next, text)) = seam.join(event, &self.deltas)? else {
                return Ok(None);
            };
            event = next;
            self.seam = None;
            self.deltas.retain(|delta| !matches!(delta, Delta::Text(_)));
            self.deltas.insert(0, Delta::Text(text));
        }
        self.note();
        if self.resumed > 0 {
            event = shown(self.call.message.dialect(), event);
        }
        Ok(Some(event))
    }

    /// Reads what an event says.
    fn read(&mut self, event: &ChatEvent) {
        self.deltas.clear();
        let Some(parser) = &mut self.parser else {
            return;
        };
        if event.part() == Part::End {
            self.give_up();
            return;
        }
        let dialect = self.call.message.dialect();
        let mut frames = SseFrames::new(usize::MAX);
        frames.push(event.frame().clone());
        let mut read = || {
            let mut text_alone = true;
            while let Some(frame) = frames.next()? {
                if !frame.data.is_empty() {
                    parser.frame(&frame, &mut self.deltas)?;
                    text_alone &= dialect != Dialect::Anthropic || anthropic::goes_on(&frame);
                }
            }
            Ok::<_, Error>(text_alone)
        };
        if !read().unwrap_or(false) {
            self.give_up();
        }
    }

    /// Keeps the text of what was read.
    fn note(&mut self) {
        for delta in mem::take(&mut self.deltas) {
            match delta {
                Delta::Text(text) => self.text.push_str(&text),
                Delta::Start { .. } | Delta::Usage(_) => {}
                // Something else than text has begun, or the answer is done.
                _ => return self.give_up(),
            }
        }
        if self.text.len() > self.config.max_text {
            self.give_up();
        }
    }

    /// The answer is no longer one to resume.
    fn give_up(&mut self) {
        self.parser = None;
        self.text = String::new();
    }

    /// The call that goes on where the stream broke off, with this error, if it may.
    pub(super) fn next(&mut self, error: &Error, now: Instant) -> Option<Call<ChatRequest>> {
        let written = self.text.trim_end();
        let over = self.call.context.deadline.is_some_and(|at| at <= now);
        if self.parser.is_none()
            || self.resumed >= self.config.max_resumes
            || written.is_empty()
            || over
            || !breaks(error)
        {
            return None;
        }
        let mut request = self.call.message.clone();
        // Its own last words are not to be mixed with these.
        let last = request.messages().ok()?.pop()?;
        if last.role == Role::Assistant {
            return None;
        }
        request = request.with_less_tokens(self.taken.output_tokens.unwrap_or(0))?;
        for (name, value) in &self.config.fields {
            request = request.field(name, value);
        }
        let request = request.assistant(written);
        let mut context = self.call.context.clone();
        let trail = context.trail.get_or_insert_default();
        if !trail.spend() {
            return None;
        }
        let made = u32::try_from(trail.attempts().len()).unwrap_or(u32::MAX);
        context.attempt = (context.attempt.saturating_add(self.resumed + 1)).max(made);
        context.repeat = Some(Repeat::Retry);
        if let Some(since) = &mut context.queued_since {
            *since = Timestamp::now();
        }
        let dialect = request.dialect();
        self.seam = Some(Seam::new(dialect, &self.text[written.len()..]));
        self.parser = Some(parser(dialect));
        self.before = self.taken;
        self.resumed += 1;
        Some(Call {
            context,
            message: request,
        })
    }
}

/// Whether this is how an answer breaks off that could go on.
fn breaks(error: &Error) -> bool {
    use Class::{Interrupted, Malformed, Overload, Rate, Server, Timeout, Unreachable};
    match error.rejection() {
        // Not when the time of the whole call is over.
        Some(rejection) => rejection.layer() == Clock::BetweenData.layer(),
        None => matches!(
            error.class(),
            Interrupted | Malformed | Overload | Rate | Server | Timeout | Unreachable
        ),
    }
}

fn parser(dialect: Dialect) -> Box<dyn Parse + Send + Sync> {
    match dialect {
        Dialect::OpenAi => Box::new(openai::parser()),
        Dialect::Anthropic => Box::new(anthropic::parser()),
    }
}

fn add(one: &Usage, other: &Usage) -> Usage {
    let sum = |one: Option<u64>, other: Option<u64>| match (one, other) {
        (None, None) => None,
        (one, other) => Some(one.unwrap_or(0).saturating_add(other.unwrap_or(0))),
    };
    Usage {
        input_tokens: sum(one.input_tokens, other.input_tokens),
        output_tokens: sum(one.output_tokens, other.output_tokens),
        cached_tokens: sum(one.cached_tokens, other.cached_tokens),
        cache_write_tokens: sum(one.cache_write_tokens, other.cache_write_tokens),
        cache_write_long_tokens: sum(one.cache_write_long_tokens, other.cache_write_long_tokens),
        reasoning_tokens: sum(one.reasoning_tokens, other.reasoning_tokens),
        nano_dollars: sum(one.nano_dollars, other.nano_dollars),
    }
}
