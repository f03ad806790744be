//! Parts of messages.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::invalid;
use crate::error::Error;

/// A block of a message.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Block {
    Text {
        text: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Value>,
    },
    Image {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Value>,
    },
    Document {
        source: Source,
        #[serde(skip_serializing_if = "Option::is_none")]
        title: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<Value>,
    },
    Thinking {
        thinking: String,
        signature: String,
    },
    ToolUse {
        id: String,
        name: String,
        input: Box<RawValue>,
    },
    ToolResult {
        tool_use_id: String,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        content: Vec<Block>,
    },
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Source {
    Base64 { media_type: String, data: String },
    Url { url: String },
}

/// The blocks of a message's content: a text, or a list of parts, or nothing. Texts without anything in them are left out: the
/// interface refuses them.
pub(super) fn blocks(at: &str, content: &Value) -> Result<Vec<Block>, Error> {
    match content {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text_block(text, None).into_iter().collect()),
        Value::Array(parts) => {
            let mut blocks = Vec::with_capacity(parts.len());
            for (place, part) in parts.iter().enumerate() {
                blocks.extend(block(&format!("{at}.content[{place}]"), part)?);
            }
            Ok(blocks)
        }
        _ => {
            let at = format!("{at}.content");
            let message = format!("{at} is a text or a list of parts");
            Err(invalid(at, message))
        }
    }
}

pub(super) fn text_block(text: &str, cache_control: Option<&Value>) -> Option<Block> {
    (!text.is_empty()).then(|| Block::Text {
        text: text.to_owned(),
        cache_control: cache_control.cloned(),
    })
}

fn block(at: &str, part: &Value) -> Result<Option<Block>, Error> {
    let kind = part["type"].as_str().unwrap_or("null");
    let cache_control = part.get("cache_control");
    let text = |name: &str| {
        part[name].as_str().ok_or_else(|| {
            let message = format!("{at} of type {kind} has no text in {name}");
            invalid(format!("{at}.{name}"), message)
        })
    };
    match kind {
        "text" => Ok(text_block(text("text")?, cache_control)),
        "refusal" => Ok(text_block(text("refusal")?, cache_control)),
        "image_url" => {
            let image = &part["image_url"];
            let url = image["url"].as_str().or_else(|| image.as_str());
            let at = format!("{at}.image_url.url");
            Ok(Some(Block::Image {
                source: source(&at, url)?,
                cache_control: cache_control.cloned(),
            }))
        }
        "file" => {
            let file = &part["file"];
            let at = format!("{at}.file.file_data");
            let source = source(&at, file["file_data"].as_str())?;
            let cache_control = cache_control.cloned();
            match &source {
                Source::Base64 { media_type, .. } if media_type.starts_with("image/") => {
                    Ok(Some(Block::Image {
                        source,
                        cache_control,
                    }))
                }
                Source::Base64 { media_type, .. } if media_type == "application/pdf" => {
                    Ok(Some(Block::Document {
                        source,
                        title: file["filename"].as_str().map(str::to_owned),
                        cache_control,
                    }))
                }
                _ => {
                    let message = format!("{at} is a data: URL of a PDF or an image");
                    Err(invalid(at, message))
                }
            }
        }
        kind => {
            let message = format!(
                "{at} is of type {kind}, which has no counterpart in Anthropic's interface"
            );
            Err(invalid(at, message))
        }
    }
}

/// Where an image or a document is: in the URL itself, or behind it.
fn source(at: &str, url: Option<&str>) -> Result<Source, Error> {
    let wrong = |message: String| Err(invalid(at, message));
    let Some(url) = url else {
        return wrong(format!("{at} is not there, or no text"));
    };
    if ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
    {
        return Ok(Source::Url {
            url: url.to_owned(),
        });
    }
    let Some(inline) = url.strip_prefix("data:") else {
        return wrong(format!("{at} is a URL with data:, http: or https:"));
    };
    match inline
        .split_once(',')
        .and_then(|(head, data)| Some((head.strip_suffix(";base64")?, data)))
    {
        Some((media_type, data)) => {
            let media_type = media_type.split(';').next().unwrap_or("");
            Ok(Source::Base64 {
                media_type: match media_type {
                    "image/jpg" => "image/jpeg".to_owned(),
                    media_type => media_type.to_owned(),
                },
                data: data.to_owned(),
            })
        }
        None => wrong(format!("{at} is a data: URL in base64")),
    }
}
