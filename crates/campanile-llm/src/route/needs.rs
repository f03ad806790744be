use std::{borrow::Cow, fmt};

use memchr::memmem;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};

use crate::{chat::ChatRequest, json::Object};

/// What a request needs of a model.
///
/// ```
/// use campanile_llm::{chat::ChatRequest, route::{Capabilities, Needs}};
///
/// let request = ChatRequest::new("m")
///     .user("hi")
///     .field("response_format", &serde_json::json!({"type": "json_object"}));
/// let needs = Needs::of(&request);
/// assert!(needs.json && !needs.tools);
///
/// let plain = Capabilities { json: false, ..Capabilities::default() };
/// assert_eq!(plain.lacks(&needs), Some("json"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Needs {
    /// Tools are offered.
    pub tools: bool,
    /// A message has an image.
    pub vision: bool,
    /// The answer is to be JSON.
    pub json: bool,
    /// The answer is to be JSON of a schema.
    pub json_schema: bool,
    /// The model is to reason.
    pub reasoning: bool,
    /// The answer is to be streamed.
    pub streaming: bool,
    /// The longest answer that the request allows, in tokens.
    pub max_output: Option<u64>,
    /// A message has an image, a sound or a file, whose bytes are no measure of their tokens.
    pub media: bool,
}

/// What a model can do, at one endpoint or wherever it is. Everything, unless it is said that it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Capabilities {
    /// It calls tools.
    pub tools: bool,
    /// It sees images.
    pub vision: bool,
    /// It can be held to JSON.
    pub json: bool,
    /// It can be held to JSON of a schema.
    pub json_schema: bool,
    /// It can be told to reason, or how much.
    pub reasoning: bool,
    /// It streams its answers.
    pub streaming: bool,
    /// How many tokens prompt and answer may have together. Unknown unless set.
    pub context_window: Option<u64>,
    /// How many tokens an answer may have. Unknown unless set.
    pub max_output: Option<u64>,
}

// ===== impl Needs =====

impl Needs {
    /// Reads them off a request of either dialect. Looks at its outermost fields; messages are parsed only where they may
    /// have an image in them.
    #[must_use]
    pub fn of(request: &ChatRequest) -> Self {
        let object = request.object();
        let format = Kind::of(object, "response_format");
        let claude = object
            .read::<OutputConfig<'_>>("output_config")
            .ok()
            .flatten()
            .and_then(|config| config.format);
        let format = format
            .or_else(|| Kind::of(object, "output_format"))
            .or(claude.map(|format| format.kind));
        let (vision, media) = media(request);
        Self {
            tools: has_elements(object, "tools") || has_elements(object, "functions"),
            vision,
            json: format.as_deref() == Some("json_object"),
            json_schema: format.as_deref() == Some("json_schema"),
            reasoning: reasons(object),
            streaming: request.is_streamed(),
            max_output: request.most_tokens(),
            media,
        }
    }
}

fn has_elements(object: &Object, name: &str) -> bool {
    let list = object.get(name).and_then(|list| list.strip_prefix(b"["));
    list.is_some_and(|list| !list.trim_ascii_start().starts_with(b"]"))
}

/// OpenAI's effort, OpenRouter's object, Anthropic's thinking.
fn reasons(object: &Object) -> bool {
    let effort = object.read::<Cow<'_, str>>("reasoning_effort");
    if matches!(effort, Ok(Some(effort)) if effort != "none") {
        return true;
    }
    let is_set = |name| {
        object
            .get(name)
            .is_some_and(|value: &bytes::Bytes| value.starts_with(b"{"))
    };
    let thinks = || Kind::of(object, "thinking").is_some_and(|kind| kind != "disabled");
    is_set("reasoning") || thinks()
}

/// Whether there is an image in the messages, and whether there is anything that is not text.
fn media(request: &ChatRequest) -> (bool, bool) {
    let Some(messages) = request.object().get("messages") else {
        return (false, false);
    };
    let may_have = ["image", "\"input_audio\"", "\"file\"", "\"document\""]
        .iter()
        .any(|word| memmem::find(messages, word.as_bytes()).is_some());
    if !may_have {
        return (false, false);
    }
    // What cannot be read is for the provider to refuse.
    let seen = serde_json::from_slice::<Vec<Said>>(messages).unwrap_or_default();
    seen.iter().fold((false, false), |(vision, media), said| {
        (vision || said.content.vision, media || said.content.media)
    })
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    content: Parts,
}

/// What the parts of a content are. A tool's result has parts within.
#[derive(Default)]
struct Parts {
    vision: bool,
    media: bool,
}

#[derive(Deserialize)]
struct Part<'a> {
    #[serde(rename = "type", borrow, default)]
    kind: Cow<'a, str>,
    #[serde(default)]
    content: Parts,
}

#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct OutputConfig<'a> {
    #[serde(borrow)]
    format: Option<Kind<'a>>,
}

impl<'a> Kind<'a> {
    /// The `type` of a field that is an object.
    fn of(object: &'a Object, name: &str) -> Option<Cow<'a, str>> {
        let kind = object.read::<Self>(name).ok().flatten()?;
        Some(kind.kind)
    }
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PartsVisitor)
    }
}

struct PartsVisitor;

impl<'de> Visitor<'de> for PartsVisitor {
    type Value = Parts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of parts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<Parts, A::Error> {
        let mut all = Parts::default();
        while let Some(part) = parts.next_element::<Part<'de>>()? {
            match &*part.kind {
                "image_url" | "image" | "input_image" => all.vision = true,
                "input_audio" | "audio" | "file" | "document" => all.media = true,
                _ => {}
            }
            all.vision |= part.content.vision;
            all.media |= part.content.media | all.vision;
        }
        Ok(all)
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Parts::default())
    }

    fn visit_str<E>(self, _: &str) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_unit<E>(self) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<Parts, E> {
        Ok(Parts::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<Parts, E> {
        Ok(Parts::default())
    }
}

// ===== impl Capabilities =====

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            tools: true,
            vision: true,
            json: true,
            json_schema: true,
            reasoning: true,
            streaming: true,
            context_window: None,
            max_output: None,
        }
    }
}

impl Capabilities {
    /// What of the needs is not met: the name of the first such capability. The context window is another matter: it takes
    /// an estimate.
    #[must_use]
    pub fn lacks(&self, needs: &Needs) -> Option<&'static str> {
        [
            (needs.tools && !self.tools, "tools"),
            (needs.vision && !self.vision, "vision"),
            (needs.json_schema && !self.json_schema, "json_schema"),
            (needs.json && !self.json, "json"),
            (needs.reasoning && !self.reasoning, "reasoning"),
            (needs.streaming && !self.streaming, "streaming"),
            (
                needs.max_output > self.max_output && self.max_output.is_some(),
                "max_output",
            ),
        ]
        .into_iter()
        .find_map(|(lacks, name)| lacks.then_some(name))
    }

    /// What is possible here and there: what a model can do, at an endpoint of limits of its own.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            tools: self.tools && other.tools,
            vision: self.vision && other.vision,
            json: self.json && other.json,
            json_schema: self.json_schema && other.json_schema,
            reasoning: self.reasoning && other.reasoning,
            streaming: self.streaming && other.streaming,
            context_window: least(self.context_window, other.context_window),
            max_output: least(self.max_output, other.max_output),
        }
    }

    /// Nothing but text, of unknown length.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            tools: false,
            vision: false,
            json: false,
            json_schema: false,
            reasoning: false,
            streaming: false,
            context_window: None,
            max_output: None,
        }
    }

    /// Whether so many tokens are more than the context window holds, if that is known.
    #[must_use]
    pub fn overflows(&self, tokens: Option<u64>) -> bool {
        matches!((tokens, self.context_window), (Some(tokens), Some(window)) if tokens > window)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dialect::Dialect;

    fn of(dialect: Dialect, fields: serde_json::Value) -> Needs {
        let mut body = json!({"model": "m", "messages": [{"role": "user", "content": "hi"}]});
        for (name, value) in fields.as_object().unwrap() {
            body[name] = value.clone();
        }
        Needs::of(&ChatRequest::parse(dialect, body.to_string()).unwrap())
    }

    #[test]
    fn are_read_off_both_dialects() {
        use Dialect::{Anthropic, OpenAi};
        assert_eq!(of(OpenAi, json!({})), Needs::default());
        assert!(of(OpenAi, json!({"tools": [{"type": "function"}]})).tools);
        assert!(of(OpenAi, json!({"functions": [{"name": "f"}]})).tools);
        assert!(!of(OpenAi, json!({"tools": []})).tools);
        assert!(!of(OpenAi, json!({"tools": null})).tools);
        assert!(of(OpenAi, json!({"response_format": {"type": "json_object"}})).json);
        assert!(
            of(
                OpenAi,
                json!({"response_format": {"type": "json_schema", "json_schema": {}}})
            )
            .json_schema
        );
        assert!(
            of(
                Anthropic,
                json!({"output_config": {"format": {"type": "json_schema"}}})
            )
            .json_schema
        );
        assert_eq!(
            of(OpenAi, json!({"response_format": {"type": "text"}})),
            Needs::default()
        );
        assert!(of(OpenAi, json!({"reasoning_effort": "low"})).reasoning);
        assert!(!of(OpenAi, json!({"reasoning_effort": "none"})).reasoning);
        assert!(of(OpenAi, json!({"reasoning": {"effort": "low"}})).reasoning);
        assert!(
            of(
                Anthropic,
                json!({"thinking": {"type": "enabled", "budget_tokens": 9}})
            )
            .reasoning
        );
        assert!(!of(Anthropic, json!({"thinking": {"type": "disabled"}})).reasoning);
        assert!(of(OpenAi, json!({"stream": true})).streaming);
        assert_eq!(
            of(OpenAi, json!({"max_completion_tokens": 5})).max_output,
            Some(5)
        );
    }

    #[test]
    fn an_image_is_one_only_as_a_part() {
        let image = json!([{"role": "user", "content": [
            {"type": "text", "text": "what is this?"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ]}]);
        let needs = of(Dialect::OpenAi, json!({"messages": image}));
        assert!(needs.vision && needs.media);
        let nested = json!([{"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "image", "source": {}}]},
        ]}]);
        assert!(of(Dialect::Anthropic, json!({"messages": nested})).vision);
        let sound =
            json!([{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]);
        let needs = of(Dialect::OpenAi, json!({"messages": sound}));
        assert!(needs.media && !needs.vision);
        let talk = json!([{"role": "user", "content": r#"what is {"type": "image"}?"#}]);
        assert_eq!(
            of(Dialect::OpenAi, json!({"messages": talk})),
            Needs::default()
        );
        let odd = json!([{"role": "user", "content": {"type": "image"}}, 7, {"content": 3}]);
        assert_eq!(
            of(Dialect::OpenAi, json!({"messages": odd})),
            Needs::default()
        );
    }

    #[test]
    fn what_is_lacking_is_named() {
        let needs = Needs {
            vision: true,
            max_output: Some(10),
            ..Needs::default()
        };
        assert_eq!(Capabilities::default().lacks(&needs), None);
        let blind = Capabilities {
            vision: false,
            ..Capabilities::default()
        };
        assert_eq!(blind.lacks(&needs), Some("vision"));
        let short = Capabilities {
            max_output: Some(9),
            ..Capabilities::default()
        };
        assert_eq!(short.lacks(&needs), Some("max_output"));
        assert_eq!(
            short.lacks(&Needs {
                max_output: Some(9),
                ..needs
            }),
            None
        );
        assert_eq!(short.lacks(&Needs::default()), None);
        let small = Capabilities {
            context_window: Some(9),
            ..Capabilities::default()
        };
        assert!(small.overflows(Some(10)) && !small.overflows(Some(9)) && !small.overflows(None));
    }
}
