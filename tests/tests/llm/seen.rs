//! What a caller sees: the bytes of a stream, read by nothing of what wrote them.

use campanile_llm::dialect::Dialect;
use serde_json::Value;

/// What a stream said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) text: String,
    pub(crate) reasoning: String,
    /// Names and arguments of calls of tools, in their order.
    pub(crate) calls: Vec<(String, String)>,
    pub(crate) finish: Option<String>,
    /// Whether it ended as whole streams of the dialect do.
    pub(crate) ended: bool,
    /// Error frames.
    pub(crate) errors: Vec<Value>,
    /// Frames behind the end, or behind an error.
    pub(crate) after: usize,
    /// Frames that are none.
    pub(crate) garbage: usize,
    /// Tokens read and written, as it was told.
    pub(crate) usage: (Option<u64>, Option<u64>),
}

// ===== impl Seen =====

impl Seen {
    /// Reads a stream.
    pub(crate) fn read(dialect: Dialect, stream: &[u8]) -> Self {
        let mut seen = Self::default();
        let text = std::str::from_utf8(stream).expect("a stream is UTF-8");
        let (frames, rest) = match text.rfind("\n\n") {
            Some(end) => text.split_at(end + 2),
            None => ("", text),
        };
        seen.garbage += usize::from(!rest.trim().is_empty());
        for frame in frames.split("\n\n").filter(|frame| !frame.is_empty()) {
            let mut name = None;
            let mut data = None;
            for line in frame.lines() {
                if let Some(value) = line.strip_prefix("data:") {
                    data = Some(value.trim());
                } else if let Some(value) = line.strip_prefix("event:") {
                    name = Some(value.trim());
                } else if !line.starts_with(':') {
                    seen.garbage += 1;
                }
            }
            let Some(data) = data else { continue };
            if seen.ended || !seen.errors.is_empty() {
                seen.after += 1;
            }
            if data == "[DONE]" {
                seen.ended = true;
                continue;
            }
            match serde_json::from_str::<Value>(data) {
                Ok(data) if dialect == Dialect::Anthropic => seen.anthropic(name, &data),
                Ok(data) => seen.openai(&data),
                Err(_) => seen.garbage += 1,
            }
        }
        seen
    }

    /// Whether it is whole, and says so once.
    pub(crate) fn is_clean(&self) -> bool {
        self.ended && self.errors.is_empty() && self.after == 0 && self.garbage == 0
    }

    /// Whether what it said is a beginning of what another said.
    pub(crate) fn begins(&self, whole: &Self) -> bool {
        let calls = self
            .calls
            .iter()
            .enumerate()
            .all(|(index, (name, arguments))| {
                whole
                    .calls
                    .get(index)
                    .is_some_and(|(its_name, its_arguments)| {
                        name == its_name && its_arguments.starts_with(arguments.as_str())
                    })
            });
        calls && whole.text.starts_with(&self.text) && whole.reasoning.starts_with(&self.reasoning)
    }

    /// Whether it said the same, arguments compared as JSON.
    pub(crate) fn says(&self, other: &Self) -> bool {
        let json = |calls: &[(String, String)]| -> Vec<(String, Value)> {
            let parse = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
            calls
                .iter()
                .map(|(name, arguments)| (name.clone(), parse(arguments)))
                .collect()
        };
        self.text == other.text
            && self.reasoning == other.reasoning
            && json(&self.calls) == json(&other.calls)
    }

    fn openai(&mut self, data: &Value) {
        if data.get("error").is_some_and(|error| !error.is_null()) {
            self.errors.push(data["error"].clone());
            return;
        }
        let count = |name: &str| data["usage"][name].as_u64();
        self.usage.0 = count("prompt_tokens").or(self.usage.0);
        self.usage.1 = count("completion_tokens").or(self.usage.1);
        let choice = &data["choices"][0];
        let delta = &choice["delta"];
        self.text += delta["content"].as_str().unwrap_or_default();
        self.reasoning += delta["reasoning_content"].as_str().unwrap_or_default();
        for call in delta["tool_calls"].as_array().into_iter().flatten() {
            let index = call["index"].as_u64().expect("calls are numbered") as usize;
            if index == self.calls.len() {
                let name = call["function"]["name"]
                    .as_str()
                    .expect("a new call has a name");
                self.calls.push((name.to_owned(), String::new()));
            }
            self.calls[index].1 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        if let Some(finish) = choice["finish_reason"].as_str() {
            assert!(self.finish.is_none(), "it finishes once");
            self.finish = Some(finish.to_owned());
        }
    }

    fn anthropic(&mut self, name: Option<&str>, data: &Value) {
        let kind = data["type"].as_str().expect("an event has a type");
        assert_eq!(name, Some(kind), "an event's name is its type");
        let mut count = |usage: &Value| {
            let read = [
                "input_tokens",
                "cache_read_input_tokens",
                "cache_creation_input_tokens",
            ];
            if usage["input_tokens"].is_u64() {
                self.usage.0 = Some(read.iter().filter_map(|name| usage[*name].as_u64()).sum());
            }
            self.usage.1 = usage["output_tokens"].as_u64().or(self.usage.1);
        };
        match kind {
            "error" => self.errors.push(data["error"].clone()),
            "message_start" => count(&data["message"]["usage"]),
            "message_delta" => {
                count(&data["usage"]);
                if let Some(finish) = data["delta"]["stop_reason"].as_str() {
                    self.finish = Some(finish.to_owned());
                }
            }
            "message_stop" => self.ended = true,
            "content_block_start" if data["content_block"]["type"] == "tool_use" => {
                let name = data["content_block"]["name"]
                    .as_str()
                    .expect("a call has a name");
                self.calls.push((name.to_owned(), String::new()));
            }
            "content_block_delta" => {
                let delta = &data["delta"];
                self.text += delta["text"].as_str().unwrap_or_default();
                self.reasoning += delta["thinking"].as_str().unwrap_or_default();
                if let Some(json) = delta["partial_json"].as_str() {
                    self.calls.last_mut().expect("arguments follow a call").1 += json;
                }
            }
            _ => {}
        }
    }
}

/// What `composed_full` says in every interface.
pub(crate) fn composed() -> Seen {
    let call = |city: &str| {
        let arguments = serde_json::json!({"city": city, "unit": "°C"});
        ("get_weather".to_owned(), arguments.to_string())
    };
    Seen {
        text: "I ask “both” – 世界.".into(),
        reasoning: "Two cities, so two calls.".into(),
        calls: vec![call("Rome"), call("Oslo")],
        ended: true,
        usage: (Some(64), Some(48)),
        ..Seen::default()
    }
}
