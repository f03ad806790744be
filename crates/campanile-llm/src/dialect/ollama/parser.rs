use campanile::Usage;

use super::{
    failure,
    line::{Call, Line},
};
use crate::{
    chat::FinishReason,
    dialect::{codec::Parse, ids::Ids, neutral::Delta},
    error::{Class, Error},
    stream::Frame,
};

/// Reads lines.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    started: bool,
    done: bool,
    ids: Ids,
}

// ===== impl Parser =====

impl Parser {
    /// Reads the JSON of a line.
    pub(super) fn line(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if self.done || data.trim_ascii().is_empty() {
            return Ok(());
        }
        let line: Line = serde_json::from_slice(data).map_err(|error| {
            Error::new(Class::Malformed, format!("a line of Ollama's: {error}"))
        })?;
        if let Some(error) = &line.error {
            return Err(failure::within(error));
        }
        if !self.started {
            self.started = true;
            deltas.push(Delta::Start {
                id: self.ids.answer(),
                model: line.model.unwrap_or_default(),
            });
        }
        if let Some(said) = line.message {
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            deltas.extend(filled(said.thinking).map(Delta::Reasoning));
            deltas.extend(filled(said.content).map(Delta::Text));
            for call in said.tool_calls.into_iter().flatten() {
                self.call(call, deltas);
            }
        }
        if line.done == Some(true) {
            self.done = true;
            let usage = Usage {
                input_tokens: line.prompt_eval_count,
                output_tokens: line.eval_count,
                ..Usage::default()
            };
            if usage != Usage::default() {
                deltas.push(Delta::Usage(usage));
            }
            deltas.push(Delta::Finish(self.finish(line.done_reason.as_deref())));
            deltas.push(Delta::End);
        }
        Ok(())
    }

    fn call(&mut self, call: Call, deltas: &mut Vec<Delta>) {
        let (index, id) = self.ids.call(call.id);
        let name = call.function.name;
        deltas.push(Delta::ToolCall { index, id, name });
        let json = match call.function.arguments {
            Some(arguments) if arguments.get() != "null" => {
                String::from(Box::<str>::from(arguments))
            }
            _ => "{}".to_owned(),
        };
        deltas.push(Delta::ToolArguments { index, json });
    }

    fn finish(&self, reason: Option<&str>) -> FinishReason {
        match reason {
            // Ollama has no reason of its own for calls, and older ones none at all.
            Some("stop" | "tool_calls" | "") | None if self.ids.calls() > 0 => {
                FinishReason::ToolCalls
            }
            Some("stop" | "") | None => FinishReason::Stop,
            Some("length") => FinishReason::Length,
            Some(_) => FinishReason::Other,
        }
    }
}

impl Parse for Parser {
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        self.line(frame.data(), deltas)
    }

    fn end(&mut self, _deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if self.done {
            return Ok(());
        }
        Err(match self.started {
            true => Error::new(Class::Interrupted, "the answer ended before it was done"),
            false => Error::new(Class::Empty, "there is no answer"),
        })
    }
}
