//! Whether there is anything but text in a request.

use std::{borrow::Cow, fmt};

use memchr::memmem;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use crate::chat::ChatRequest;

/// Whether there is an image in the messages, and whether there is anything that is not text.
pub(super) fn media(request: &ChatRequest) -> (bool, bool) {
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

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
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
