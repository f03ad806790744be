use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// One message of a chat, in OpenAI's dialect. Fields that are not known here stay in [`extra`](Self::extra).
///
/// ```
/// use campanile_llm::chat::{Message, Role};
///
/// let message: Message = serde_json::from_str(r#"{"role": "user", "content": "hi", "name": "Ada", "new": 1}"#)?;
/// assert_eq!(message.role, Role::User);
/// assert_eq!(message.text(), "hi");
/// assert_eq!(serde_json::to_value(&message)?["new"], 1);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What is said: text, or a list of parts, or nothing beside calls of tools.
    #[serde(default)]
    pub content: Value,
    /// The tools that the model wants called.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub tool_calls: Vec<ToolCall>,
    /// Of a tool's answer: the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Who says a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Role {
    /// Whoever set up the chat.
    System,
    /// The same, as newer models call it.
    Developer,
    /// The person, or program, that asks.
    User,
    /// The model.
    Assistant,
    /// A tool, with what it answered.
    Tool,
    /// Another one, that is not known here.
    #[serde(untagged)]
    Other(String),
}

/// A call of a tool that the model asks for, in OpenAI's dialect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// What its answer refers to; empty where a server gave it no name.
    #[serde(default, deserialize_with = "or_default")]
    pub id: String,
    /// What kind of tool it is: `function`.
    #[serde(
        rename = "type",
        default = "function",
        deserialize_with = "or_function"
    )]
    pub kind: String,
    /// What is called.
    pub function: FunctionCall,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a [`ToolCall`] calls.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FunctionCall {
    /// The function's name.
    pub name: String,
    /// The arguments: JSON, as the model wrote it. Read too where it is no text but the JSON itself.
    #[serde(default, deserialize_with = "as_text")]
    pub arguments: String,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A tool that the model may ask for: a function. In OpenAI's dialect.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tool {
    /// What kind of tool it is: `function`.
    #[serde(
        rename = "type",
        default = "function",
        deserialize_with = "or_function"
    )]
    pub kind: String,
    /// The function.
    pub function: Function,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A function that the model may ask for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Function {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(
        default,
        deserialize_with = "or_default",
        skip_serializing_if = "String::is_empty"
    )]
    pub description: String,
    /// JSON Schema of its arguments.
    #[serde(default)]
    pub parameters: Value,
    /// Everything else.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

fn function() -> String {
    "function".to_owned()
}

/// SDKs that write all fields of a message write those without a value as `null`.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Deserialize<'de> + Default,
    D: Deserializer<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn or_function<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_else(function))
}

fn as_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => String::new(),
        Value::String(text) => text,
        json => json.to_string(),
    })
}

// ===== impl Message =====

impl Message {
    /// A message.
    pub fn new(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Value::String(text.into()),
            tool_calls: Vec::new(),
            tool_call_id: None,
            extra: Map::new(),
        }
    }

    /// A message of whoever sets up the chat.
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, text)
    }

    /// A message of who asks.
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, text)
    }

    /// A message of the model.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, text)
    }

    /// What a tool answered to the call of this id.
    pub fn tool(id: impl Into<String>, text: impl Into<String>) -> Self {
        let mut message = Self::new(Role::Tool, text);
        message.tool_call_id = Some(id.into());
        message
    }

    /// Its text: all parts of it, if it has several.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.content {
            Value::String(text) => text.clone(),
            Value::Array(parts) => parts
                .iter()
                .filter_map(|part| part.get("text")?.as_str())
                .collect(),
            _ => String::new(),
        }
    }
}

// ===== impl ToolCall =====

impl ToolCall {
    /// A call of a function.
    pub fn new(
        id: impl Into<String>,
        name: impl Into<String>,
        arguments: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            kind: function(),
            function: FunctionCall {
                name: name.into(),
                arguments: arguments.into(),
                extra: Map::new(),
            },
            extra: Map::new(),
        }
    }
}

// ===== impl Tool =====

impl Tool {
    /// A function: its name, what it is for, and the JSON Schema of its arguments.
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Value) -> Self {
        Self {
            kind: function(),
            function: Function {
                name: name.into(),
                description: description.into(),
                parameters,
                extra: Map::new(),
            },
            extra: Map::new(),
        }
    }
}
