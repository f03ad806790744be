//! What is asked, as far as it matters here.

use serde::Deserialize;
use serde_json::Value;

use super::{refusal::Refusal, text::tokens};

/// A chat.
#[derive(Debug, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    pub(super) model: Option<String>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
    #[serde(default)]
    pub(super) stream: Option<bool>,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    max_tokens: Option<i64>,
    #[serde(default)]
    max_completion_tokens: Option<i64>,
    #[serde(default)]
    n: Option<u64>,
    #[serde(default)]
    pub(super) tools: Option<Vec<Tool>>,
    #[serde(default)]
    pub(super) tool_choice: Option<Value>,
    #[serde(default)]
    pub(super) response_format: Option<Value>,
    #[serde(default)]
    stop: Option<Several>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) role: String,
    #[serde(default)]
    content: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: Option<bool>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Tool {
    #[serde(default)]
    pub(super) function: Option<Function>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Function {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: Option<Value>,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Several {
    One(String),
    More(Vec<String>),
}

// ===== impl Ask =====

impl Ask {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let ask: Self =
            serde_json::from_slice(body).map_err(|error| Refusal::unreadable(&error))?;
        if ask.model().is_empty() {
            return Err(Refusal::invalid("model", "a model must be named"));
        }
        if ask.messages().is_empty() {
            let rule = "there must be at least one message";
            return Err(Refusal::invalid("messages", rule));
        }
        if ask.n.is_some_and(|n| n != 1) {
            let rule = "simulated processors give one choice: n must be 1";
            return Err(Refusal::invalid("n", rule));
        }
        for (param, limit) in [
            ("max_tokens", ask.max_tokens),
            ("max_completion_tokens", ask.max_completion_tokens),
        ] {
            if limit.is_some_and(|limit| limit < 1) {
                return Err(Refusal::invalid(param, "it must be at least 1"));
            }
        }
        Ok(ask)
    }

    pub(super) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or_default()
    }

    pub(super) fn messages(&self) -> &[Message] {
        self.messages.as_deref().unwrap_or_default()
    }

    pub(super) fn streamed(&self) -> bool {
        self.stream == Some(true)
    }

    /// Whether the stream is to tell its usage.
    pub(super) fn tells_usage(&self) -> bool {
        let options = self.stream_options.as_ref();
        options.and_then(|options| options.include_usage) == Some(true)
    }

    /// How many tokens the answer may have.
    pub(super) fn limit(&self) -> usize {
        let limit = self.max_completion_tokens.or(self.max_tokens);
        limit.map_or(usize::MAX, |limit| {
            usize::try_from(limit).unwrap_or(usize::MAX)
        })
    }

    /// Where the answer is to end.
    pub(super) fn stops(&self) -> &[String] {
        match &self.stop {
            Some(Several::One(stop)) => std::slice::from_ref(stop),
            Some(Several::More(stops)) => stops,
            None => &[],
        }
    }

    /// What was said last.
    pub(super) fn last(&self) -> (&str, String) {
        let last = self.messages().last();
        last.map_or_else(Default::default, |last| (last.role.as_str(), last.text()))
    }

    /// What the user said last.
    pub(super) fn prompt(&self) -> String {
        let mut messages = self.messages().iter().rev();
        let user = messages.find(|message| message.role == "user");
        user.map(Message::text).unwrap_or_default()
    }

    pub(super) fn prompt_tokens(&self) -> usize {
        // Each message takes a few for its frame.
        let messages = self.messages().iter();
        messages.map(|message| tokens(&message.text()) + 4).sum()
    }
}

// ===== impl Message =====

impl Message {
    /// Its text, without what is none.
    fn text(&self) -> String {
        match &self.content {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Array(parts)) => {
                let texts = parts.iter().filter_map(|part| part["text"].as_str());
                texts.collect::<Vec<_>>().join(" ")
            }
            _ => String::new(),
        }
    }
}
