use campanile::Usage;
use http::HeaderMap;
use serde_json::{Map, json};

use super::{
    chunk::{Candidate, Chunk, FunctionCall},
    failure,
};
use crate::{
    chat::FinishReason,
    dialect::{codec::Parse, ids::Ids, neutral::Delta},
    error::{Class, Error},
    stream::Frame,
};

/// Reads chunks.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    started: bool,
    ids: Ids,
    /// Whether text has passed that is no thought.
    said: bool,
    /// Whether anything has passed.
    content: bool,
    /// Why the model stopped, if nothing came after it.
    finish: Option<FinishReason>,
}

/// What the end of a candidate means.
enum Ending {
    Finish(FinishReason),
    /// The model made a mess of its answer, or this side of its request.
    Fault(Class),
    /// Not an end.
    None,
}

// ===== impl Parser =====

impl Parser {
    /// Reads the JSON of a chunk.
    pub(super) fn data(&mut self, data: &[u8], deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if data.is_empty() || data == b"[DONE]" {
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_slice(data).map_err(|error| {
            Error::new(Class::Malformed, format!("a chunk of Gemini's: {error}"))
        })?;
        self.chunk(chunk, deltas)
    }

    fn chunk(&mut self, chunk: Chunk, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        if let Some(error) = &chunk.error {
            return Err(failure::read(200, &HeaderMap::new(), Some(error), b""));
        }
        if !self.started {
            self.started = true;
            deltas.push(Delta::Start {
                id: chunk
                    .response_id
                    .filter(|id| !id.is_empty())
                    .unwrap_or_else(|| self.ids.answer()),
                model: chunk.model_version.unwrap_or_default(),
            });
        }
        let candidates = chunk.candidates.unwrap_or_default();
        let blocked = candidates.is_empty();
        let candidate = candidates
            .into_iter()
            .find(|candidate| candidate.index.is_none_or(|index| index == 0));
        let ending = candidate.map_or(Ok(()), |candidate| self.candidate(candidate, deltas));
        // After the text that it counts.
        if let Some(usage) = &chunk.usage_metadata {
            let usage = usage.usage(self.said, self.finish.is_some() || ending.is_err());
            if usage != Usage::default() {
                deltas.push(Delta::Usage(usage));
            }
        }
        ending?;
        match chunk.prompt_feedback {
            Some(feedback) if blocked => match feedback.block_reason {
                Some(reason) => Err(filtered(
                    "the prompt",
                    reason,
                    feedback.block_reason_message,
                )),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn candidate(&mut self, candidate: Candidate, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        let parts = candidate.content.and_then(|said| said.parts);
        for part in parts.into_iter().flatten() {
            if let Some(call) = part.function_call {
                self.call(call, part.thought_signature, deltas);
            } else if let Some(text) = part.text.filter(|text| !text.is_empty()) {
                self.passed();
                if part.thought == Some(true) {
                    deltas.push(Delta::Reasoning(text));
                } else {
                    self.said = true;
                    deltas.push(Delta::Text(text));
                }
            }
        }
        let Some(reason) = candidate.finish_reason else {
            return Ok(());
        };
        match ending(&reason) {
            Ending::None => Ok(()),
            Ending::Finish(FinishReason::ContentFilter) if !self.content => {
                Err(filtered("the answer", reason, candidate.finish_message))
            }
            Ending::Finish(finish) => {
                self.finish = Some(finish);
                Ok(())
            }
            Ending::Fault(class) => {
                let message = candidate
                    .finish_message
                    .unwrap_or_else(|| format!("the model stopped by {reason}"));
                Err(Error::new(class, message).with_code(reason))
            }
        }
    }

    fn call(&mut self, call: FunctionCall, signature: Option<String>, deltas: &mut Vec<Delta>) {
        self.passed();
        self.said = true;
        let (index, id) = self.ids.call(call.id);
        deltas.push(Delta::ToolCall {
            index,
            id,
            name: call.name,
        });
        let json = match call.args {
            Some(args) if args.get() != "null" => String::from(Box::<str>::from(args)),
            _ => "{}".to_owned(),
        };
        deltas.push(Delta::ToolArguments { index, json });
        if let Some(signature) = signature {
            let google = json!({"google": {"thought_signature": signature}});
            let extra = Map::from_iter([("extra_content".to_owned(), google)]);
            deltas.push(Delta::ToolExtra { index, extra });
        }
    }

    /// Something was said: an end before it was none.
    const fn passed(&mut self) {
        self.content = true;
        self.finish = None;
    }
}

impl Parse for Parser {
    fn frame(&mut self, frame: &Frame, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        self.data(frame.data(), deltas)
    }

    fn end(&mut self, deltas: &mut Vec<Delta>) -> Result<(), Error> {
        let Some(mut finish) = self.finish else {
            return Err(match self.started {
                true => Error::new(
                    Class::Interrupted,
                    "the answer ended without a finishReason",
                ),
                false => Error::new(Class::Empty, "there is no answer"),
            });
        };
        // Gemini has no reason of its own for it.
        if finish == FinishReason::Stop && self.ids.calls() > 0 {
            finish = FinishReason::ToolCalls;
        }
        deltas.push(Delta::Finish(finish));
        deltas.push(Delta::End);
        Ok(())
    }
}

fn ending(reason: &str) -> Ending {
    Ending::Finish(match reason {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "PROHIBITED_CONTENT"
        | "BLOCKLIST"
        | "SPII"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MALFORMED_RESPONSE" => return Ending::Fault(Class::Malformed),
        "MISSING_THOUGHT_SIGNATURE" => return Ending::Fault(Class::Request),
        "" | "FINISH_REASON_UNSPECIFIED" => return Ending::None,
        _ => FinishReason::Other,
    })
}

fn filtered(what: &str, reason: String, message: Option<String>) -> Error {
    let message = message.unwrap_or_else(|| format!("{what} was filtered: {reason}"));
    Error::new(Class::ContentFilter, message).with_code(reason)
}
