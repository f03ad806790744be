use std::borrow::Cow;

use serde::Deserialize;

use crate::{chat::ChatRequest, json::Object};

mod capabilities;
mod media;
#[cfg(test)]
mod tests;

pub use capabilities::Capabilities;

use media::media;

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
/// let plain = Capabilities::default().with_json(false);
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

// ===== impl Needs =====

impl Needs {
    /// Reads them off a request of either dialect, once: its clones share what was read. Looks at its outermost fields;
    /// messages are parsed only where they may have an image in them.
    #[must_use]
    pub fn of(request: &ChatRequest) -> Self {
        request.needs_or_read(|| Self::read(request))
    }

    fn read(request: &ChatRequest) -> Self {
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
    let effort = object.get("reasoning_effort");
    if effort.is_some_and(|effort| effort.starts_with(b"\"") && effort != &b"\"none\""[..]) {
        return true;
    }
    let asked = object.read::<Reasoning<'_>>("reasoning").ok().flatten();
    if asked.is_some_and(|asked| asked.is_wanted()) {
        return true;
    }
    Kind::of(object, "thinking").is_some_and(|kind| kind != "disabled")
}

/// OpenRouter's.
#[derive(Deserialize)]
struct Reasoning<'a> {
    enabled: Option<bool>,
    #[serde(borrow)]
    effort: Option<Kept<'a>>,
}

/// Text that is not copied, unless something in it is escaped.
#[derive(Deserialize)]
struct Kept<'a>(#[serde(borrow)] Cow<'a, str>);

impl Reasoning<'_> {
    fn is_wanted(&self) -> bool {
        let none = self
            .effort
            .as_ref()
            .is_some_and(|effort| effort.0 == "none");
        self.enabled != Some(false) && !none
    }
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
