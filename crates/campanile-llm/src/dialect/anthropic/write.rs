//! Messages and their events, as they are written.

use std::ops::Range;

use bytes::Bytes;
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::value::RawValue;

use super::wire::Told;

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Event<'a> {
    MessageStart {
        message: Message<'a>,
    },
    ContentBlockStart {
        index: u32,
        content_block: Block<'a>,
    },
    ContentBlockDelta {
        index: u32,
        delta: More<'a>,
    },
    ContentBlockStop {
        index: u32,
    },
    MessageDelta {
        delta: Stop,
        usage: Told,
    },
    MessageStop {},
}

/// A message, whole or as it begins.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) id: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) role: &'static str,
    pub(super) model: &'a str,
    pub(super) content: Vec<Block<'a>>,
    pub(super) stop_reason: Option<&'static str>,
    pub(super) stop_sequence: Option<&'static str>,
    pub(super) usage: Told,
}

/// A block of an answer.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block<'a> {
    Text {
        text: &'a str,
    },
    Thinking {
        thinking: &'a str,
        signature: &'a str,
    },
    ToolUse {
        id: &'a str,
        name: &'a str,
        /// Nothing is an empty object.
        #[serde(serialize_with = "object")]
        input: Option<&'a RawValue>,
    },
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum More<'a> {
    #[serde(rename = "text_delta")]
    Text { text: &'a str },
    #[serde(rename = "thinking_delta")]
    Thinking { thinking: &'a str },
    #[serde(rename = "signature_delta")]
    Signature { signature: &'a str },
    #[serde(rename = "input_json_delta")]
    Json { partial_json: &'a str },
}

#[derive(Serialize)]
pub(super) struct Stop {
    pub(super) stop_reason: &'static str,
    pub(super) stop_sequence: Option<&'static str>,
}

// ===== impl Event =====

impl Event<'_> {
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::MessageStart { .. } => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta { .. } => "message_delta",
            Self::MessageStop {} => "message_stop",
        }
    }
}

/// An event as a frame, and where in it the data lies.
pub(super) fn frame(name: &str, data: &impl Serialize) -> (Bytes, Range<usize>) {
    let mut bytes = Vec::with_capacity(192);
    bytes.extend_from_slice(b"event: ");
    bytes.extend_from_slice(name.as_bytes());
    bytes.extend_from_slice(b"\ndata: ");
    let start = bytes.len();
    write(&mut bytes, data);
    let end = bytes.len();
    bytes.extend_from_slice(b"\n\n");
    (bytes.into(), start..end)
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    write(&mut bytes, value);
    bytes
}

fn object<S: Serializer>(json: &Option<&RawValue>, serializer: S) -> Result<S::Ok, S::Error> {
    match json {
        Some(json) => json.serialize(serializer),
        None => serializer.serialize_map(Some(0))?.end(),
    }
}

fn write(bytes: &mut Vec<u8>, value: &impl Serialize) {
    // Structs of text and numbers into memory: there is nothing that could fail.
    let written = serde_json::to_writer(&mut *bytes, value);
    debug_assert!(written.is_ok(), "{written:?}");
}
