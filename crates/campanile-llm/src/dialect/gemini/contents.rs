use serde::Serialize;
use serde_json::value::RawValue;

use super::request::Thinking;
use crate::{
    chat::{Message, Role, ToolCall},
    dialect::content::{Called, Content, arguments, contents, object, refuse},
    error::Error,
};

/// What goes out in place of a signature that nobody has: Google's own word for it.
const UNSIGNED: &str = "skip_thought_signature_validator";

/// What one side says.
#[derive(Debug, Serialize)]
pub(super) struct Turn<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    parts: Vec<Part<'a>>,
    /// Whether it is the answers of tools.
    #[serde(skip)]
    answers: bool,
}

/// One of these fields, and perhaps a signature.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inline_data: Option<Blob<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file_data: Option<Linked<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_call: Option<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_response: Option<Answer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thought_signature: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Blob<'a> {
    mime_type: String,
    data: &'a str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Linked<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    file_uri: &'a str,
}

#[derive(Debug, Serialize)]
struct Call<'a> {
    id: &'a str,
    name: &'a str,
    args: &'a RawValue,
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    name: &'a str,
    response: Response,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Response {
    Object(Box<RawValue>),
    Text { output: String },
}

/// What whoever set up the chat says, and the turns.
pub(super) fn write(
    messages: &[Message],
    thinking: Thinking,
) -> Result<(Option<Turn<'_>>, Vec<Turn<'_>>), Error> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn<'_>> = Vec::with_capacity(messages.len());
    let mut called = Called::default();
    for (index, message) in messages.iter().enumerate() {
        let role = match &message.role {
            Role::System | Role::Developer => {
                system.extend(said(message, index)?);
                continue;
            }
            Role::User => "user",
            Role::Assistant => "model",
            Role::Tool => {
                answer(message, index, &called, &mut turns)?;
                continue;
            }
            Role::Other(name) if name == "function" => {
                answer(message, index, &called, &mut turns)?;
                continue;
            }
            Role::Other(name) => {
                return Err(refuse(
                    format!("nobody in a chat with Gemini is a {name:?}"),
                    format!("messages[{index}].role"),
                ));
            }
        };
        let mut parts = said(message, index)?;
        calls(message, index, thinking, &mut parts)?;
        called.learn(message);
        if !parts.is_empty() {
            turns.push(Turn::new(role, parts));
        }
    }
    if turns.is_empty() {
        return Err(refuse(
            "Gemini wants a message that is not of the system, and not empty",
            "messages",
        ));
    }
    let system = (!system.is_empty()).then_some(Turn {
        role: None,
        parts: system,
        answers: false,
    });
    Ok((system, turns))
}

fn said(message: &Message, index: usize) -> Result<Vec<Part<'_>>, Error> {
    let contents = contents(message, index)?;
    Ok(contents.into_iter().map(Part::from).collect())
}

fn calls<'a>(
    message: &'a Message,
    index: usize,
    thinking: Thinking,
    parts: &mut Vec<Part<'a>>,
) -> Result<(), Error> {
    for (at, call) in message.tool_calls.iter().enumerate() {
        let place = format!("messages[{index}].tool_calls[{at}].function.arguments");
        // Of calls that were made at once only the first is signed.
        let unsigned = (at == 0 && matches!(thinking, Thinking::Level(_))).then_some(UNSIGNED);
        parts.push(Part {
            function_call: Some(Call {
                id: &call.id,
                name: &call.function.name,
                args: arguments(&call.function.arguments, &place)?,
            }),
            thought_signature: signature(call).or(unsigned),
            ..Part::default()
        });
    }
    Ok(())
}

/// Where Google's own translation to OpenAI's dialect has it.
fn signature(call: &ToolCall) -> Option<&str> {
    let google = call.extra.get("extra_content")?.get("google")?;
    google.get("thought_signature")?.as_str()
}

/// The answer of a tool. Those to calls that were made at once go out in one turn.
fn answer<'a>(
    message: &'a Message,
    index: usize,
    called: &Called<'a>,
    turns: &mut Vec<Turn<'a>>,
) -> Result<(), Error> {
    let name = called.name(message).ok_or_else(|| {
        refuse(
            "a tool answers a call that no earlier message made: Gemini wants its name",
            format!("messages[{index}].tool_call_id"),
        )
    })?;
    let mut text = String::new();
    let mut beside = Vec::new();
    for content in contents(message, index)? {
        match content {
            Content::Text(more) => text.push_str(more),
            content => beside.push(Part::from(content)),
        }
    }
    let response = match object(&text) {
        Some(object) => Response::Object(object.to_owned()),
        None => Response::Text { output: text },
    };
    let part = Part {
        function_response: Some(Answer {
            id: message.tool_call_id.as_deref(),
            name,
            response,
        }),
        ..Part::default()
    };
    let parts = std::iter::once(part).chain(beside);
    match turns.last_mut() {
        Some(turn) if turn.answers => turn.parts.extend(parts),
        _ => turns.push(Turn {
            role: Some("user"),
            parts: parts.collect(),
            answers: true,
        }),
    }
    Ok(())
}

/// The type of what lies at an address, where its name tells. Google finds it out by itself otherwise.
fn mime(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next()?;
    let (_, ending) = path.rsplit_once('.')?;
    Some(match ending.to_ascii_lowercase().as_str() {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "heif" => "image/heif",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

// ===== impl Turn =====

impl<'a> Turn<'a> {
    const fn new(role: &'static str, parts: Vec<Part<'a>>) -> Self {
        Self {
            role: Some(role),
            parts,
            answers: false,
        }
    }
}

// ===== impl Part =====

impl<'a> From<Content<'a>> for Part<'a> {
    fn from(content: Content<'a>) -> Self {
        let mut part = Self::default();
        match content {
            Content::Text(text) => part.text = Some(text),
            Content::Inline { mime, base64 } => {
                part.inline_data = Some(Blob {
                    mime_type: mime,
                    data: base64,
                });
            }
            Content::Linked(address) => {
                part.file_data = Some(Linked {
                    mime_type: mime(address),
                    file_uri: address,
                });
            }
        }
        part
    }
}
