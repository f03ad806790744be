//! Messages as turns.

use serde::Serialize;
use serde_json::{Value, value::RawValue};

use super::{
    content::{Block, blocks, text_block},
    invalid,
};
use crate::{
    chat::{Message, Role, ToolCall},
    error::Error,
};

/// What one side says before the other does. The interface joins those of one side that follow each other; the answers of
/// tools to calls of one turn have to be in one.
#[derive(Debug, Serialize)]
pub(super) struct Turn {
    role: &'static str,
    content: Vec<Block>,
}

/// What is for the field `system`, from wherever it stood, and the turns.
pub(super) fn translate(messages: &[Message]) -> Result<(Vec<Block>, Vec<Turn>), Error> {
    let mut system = Vec::new();
    let mut turns: Vec<Turn> = Vec::new();
    for (place, message) in messages.iter().enumerate() {
        let at = format!("messages[{place}]");
        let (role, content) = match &message.role {
            Role::System | Role::Developer => {
                system.extend(texts(&at, blocks(&at, &message.content)?)?);
                continue;
            }
            Role::User => ("user", blocks(&at, &message.content)?),
            Role::Assistant => ("assistant", assistant(&at, message)?),
            Role::Tool => ("user", vec![result(&at, message)?]),
            Role::Other(role) => {
                let message = format!(
                    "{at} is of the role {role:?}, which Anthropic's interface does not know"
                );
                return Err(invalid(format!("{at}.role"), message));
            }
        };
        match turns.last_mut() {
            Some(turn) if turn.role == role => turn.content.extend(content),
            _ if content.is_empty() => {}
            _ => turns.push(Turn { role, content }),
        }
    }
    if turns.is_empty() {
        let message = "Anthropic's interface wants a message beside those of the system";
        return Err(invalid("messages", message));
    }
    Ok((system, turns))
}

/// Whether the model may think where it thinks by budget: amid its calls of tools only if it did before.
pub(super) fn can_think(turns: &[Turn]) -> bool {
    match turns {
        [.., calls, results] if matches!(results.content[0], Block::ToolResult { .. }) => {
            matches!(calls.content[0], Block::Thinking { .. })
        }
        _ => true,
    }
}

fn texts(at: &str, blocks: Vec<Block>) -> Result<Vec<Block>, Error> {
    if blocks
        .iter()
        .all(|block| matches!(block, Block::Text { .. }))
    {
        return Ok(blocks);
    }
    let message = format!("{at} is of the system, which has only text in Anthropic's interface");
    Err(invalid(format!("{at}.content"), message))
}

fn assistant(at: &str, message: &Message) -> Result<Vec<Block>, Error> {
    let extra = |name: &str| message.extra.get(name).and_then(Value::as_str);
    let mut content = Vec::new();
    // Thoughts without a signature are refused; a signature alone is of thoughts that the provider keeps to itself.
    if let Some(signature) = extra("reasoning_signature").filter(|seal| !seal.is_empty()) {
        content.push(Block::Thinking {
            thinking: extra("reasoning_content").unwrap_or("").to_owned(),
            signature: signature.to_owned(),
        });
    }
    content.extend(blocks(at, &message.content)?);
    content.extend(text_block(extra("refusal").unwrap_or(""), None));
    for (place, call) in message.tool_calls.iter().enumerate() {
        let at = format!("{at}.tool_calls[{place}].function.arguments");
        content.push(Block::ToolUse {
            id: id(&call.id),
            name: call.function.name.clone(),
            input: input(at, call)?,
        });
    }
    Ok(content)
}

fn input(at: String, call: &ToolCall) -> Result<Box<RawValue>, Error> {
    let json = match call.function.arguments.trim() {
        "" => "{}",
        json => json,
    };
    let wrong = |at: String, what: String| {
        let message = format!("{at} is no JSON object: {what}");
        Err(invalid(at, message))
    };
    match serde_json::from_str::<Box<RawValue>>(json) {
        Ok(input) if json.starts_with('{') => Ok(input),
        Ok(_) => wrong(at, "it is another value".to_owned()),
        Err(error) => wrong(at, error.to_string()),
    }
}

fn result(at: &str, message: &Message) -> Result<Block, Error> {
    let Some(call) = message.tool_call_id.as_deref() else {
        let at = format!("{at}.tool_call_id");
        let message = format!("{at} is not there: what a tool says answers a call");
        return Err(invalid(at, message));
    };
    Ok(Block::ToolResult {
        tool_use_id: id(call),
        content: blocks(at, &message.content)?,
    })
}

/// The interface takes letters, digits, `_` and `-`; other providers name calls as they like.
fn id(id: &str) -> String {
    let fits = |sign: char| sign.is_ascii_alphanumeric() || matches!(sign, '_' | '-');
    match id {
        "" => "call".to_owned(),
        id => id
            .chars()
            .map(|sign| if fits(sign) { sign } else { '_' })
            .collect(),
    }
}
