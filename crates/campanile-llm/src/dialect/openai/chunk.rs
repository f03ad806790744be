//! What accounting needs of a chunk, read in one pass that allocates nothing and checks that the chunk is JSON.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use super::{text::text_len, wire};

/// A chunk of a stream, or what a server sends in its place.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    /// `error`, where that is what the object is, as older vLLM writes it.
    #[serde(borrow, default)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    /// Groq's place of it.
    #[serde(borrow, default)]
    pub(super) x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) choices: Option<Choices<'a>>,
}

/// The choices of a chunk, added up.
#[derive(Debug, Default)]
pub(super) struct Choices<'a> {
    pub(super) count: u32,
    /// Bytes of text, reasoning, refusals and arguments.
    pub(super) said: u64,
    /// Whether any has content.
    pub(super) content: bool,
    /// Choices that are finished with this chunk, a bit each.
    pub(super) finished: u128,
    /// Why the last of them is, or the first that failed.
    pub(super) finish: Option<&'a RawValue>,
    /// What is wrong with one of them.
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Choice<'a> {
    #[serde(default)]
    index: Option<u32>,
    #[serde(borrow, default)]
    delta: Option<Delta<'a>>,
    #[serde(borrow, default)]
    finish_reason: Option<&'a RawValue>,
    #[serde(borrow, default)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow, default)]
    content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    reasoning_content: Option<&'a RawValue>,
    /// The same at OpenRouter, newer vLLM and Ollama. Some send both.
    #[serde(borrow, default)]
    reasoning: Option<&'a RawValue>,
    #[serde(borrow, default)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    tool_calls: Option<Calls<'a>>,
    #[serde(borrow, default)]
    function_call: Option<Function<'a>>,
    #[serde(borrow, default)]
    audio: Option<&'a RawValue>,
    #[serde(borrow, default)]
    images: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Call<'a> {
    #[serde(borrow, default)]
    function: Option<Function<'a>>,
}

#[derive(Deserialize)]
struct Function<'a> {
    #[serde(borrow, default)]
    name: Option<&'a RawValue>,
    #[serde(borrow, default)]
    arguments: Option<&'a RawValue>,
}

/// The calls of tools in a delta, added up.
#[derive(Default)]
struct Calls<'a> {
    count: u32,
    said: u64,
    marker: std::marker::PhantomData<&'a ()>,
}

/// A text of JSON as it is written, without its quotes.
fn name(raw: &RawValue) -> &str {
    raw.get().trim_matches('"')
}

// ===== impl Choices =====

impl<'a> Choices<'a> {
    fn add(&mut self, choice: &Choice<'a>) {
        self.count += 1;
        if let Some(delta) = &choice.delta {
            self.add_delta(delta);
        }
        // Some write an empty one until there is one.
        if let Some(reason) = choice.finish_reason.filter(|reason| reason.get() != "\"\"") {
            self.finished |= 1 << choice.index.unwrap_or(0).min(127);
            let failed = self.finish.filter(|last| wire::fails(name(last)));
            self.finish = failed.or(Some(reason));
        }
        self.error = self.error.or(choice.error);
    }

    fn add_delta(&mut self, delta: &Delta<'a>) {
        let reasoning = delta.reasoning_content.or(delta.reasoning);
        for raw in [delta.content, reasoning, delta.refusal]
            .into_iter()
            .flatten()
        {
            // Some write parts in a list.
            let said = text_len(raw.get()).unwrap_or_else(|| texts(raw.get()));
            self.said += said;
            self.content |= said > 0;
        }
        if let Some(calls) = &delta.tool_calls {
            self.said += calls.said;
            self.content |= calls.count > 0;
        }
        if let Some(function) = &delta.function_call {
            self.said += function.said();
            self.content = true;
        }
        self.content |= delta.audio.is_some();
        self.content |= delta.images.is_some_and(|images| images.get() != "[]");
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Choices<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(Choices<'a>);

        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Choices<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of choices")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                mut self,
                mut list: A,
            ) -> Result<Choices<'a>, A::Error> {
                while let Some(choice) = list.next_element::<Choice<'a>>()? {
                    self.0.add(&choice);
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(Each(Self::default()))
    }
}

// ===== impl Calls =====

impl<'de: 'a, 'a> Deserialize<'de> for Calls<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each<'a>(Calls<'a>);

        impl<'de: 'a, 'a> Visitor<'de> for Each<'a> {
            type Value = Calls<'a>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of calls of tools")
            }

            fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<Calls<'a>, A::Error> {
                while let Some(call) = list.next_element::<Call<'a>>()? {
                    self.0.count += 1;
                    self.0.said += call.function.map_or(0, |function| function.said());
                }
                Ok(self.0)
            }
        }
        deserializer.deserialize_seq(Each(Self::default()))
    }
}

// ===== impl Function =====

impl Function<'_> {
    fn said(&self) -> u64 {
        let length = |raw: Option<&RawValue>| {
            raw.map_or(0, |raw| {
                text_len(raw.get()).unwrap_or_else(|| raw.get().len() as u64)
            })
        };
        length(self.name) + length(self.arguments)
    }
}

/// How long all texts in a list of parts are. A rare form, so it may allocate.
fn texts(raw: &str) -> u64 {
    fn add(value: &serde_json::Value) -> u64 {
        match value {
            serde_json::Value::Array(list) => list.iter().map(add).sum(),
            serde_json::Value::Object(map) => map
                .iter()
                .filter(|(name, _)| *name != "type")
                .map(|(_, value)| add(value))
                .sum(),
            serde_json::Value::String(text) => text.len() as u64,
            _ => 0,
        }
    }
    serde_json::from_str(raw).map_or(0, |value| add(&value))
}
