//! Which tool is called.

use serde_json::Value;

use super::{
    ask::{Ask, Function},
    hints::Hints,
    refusal::Refusal,
    schema::instance,
};

/// Words that are in the names of many tools, and tell nothing.
const COMMON: [&str; 14] = [
    "call", "current", "data", "fetch", "find", "from", "function", "info", "list", "make",
    "query", "tool", "update", "with",
];

/// A call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ToolCall {
    pub(super) name: String,
    /// JSON.
    pub(super) arguments: String,
}

/// The call that is asked for, if one is: by `tool_choice`, or because the user speaks of it.
pub(super) fn called(ask: &Ask) -> Result<Option<ToolCall>, Refusal> {
    let tools = ask.tools.as_deref().unwrap_or_default();
    let functions: Vec<&Function> = tools
        .iter()
        .filter_map(|tool| tool.function.as_ref())
        .collect();
    let prompt = ask.prompt();
    let mut hints = Hints::of(&prompt);
    let function = match ask.tool_choice.as_ref() {
        Some(Value::String(choice)) if choice == "none" => None,
        Some(Value::String(choice)) if choice == "required" => {
            spoken_of(&functions, &hints.text).or(functions.first().copied())
        }
        Some(choice @ Value::Object(_)) => {
            let name = choice["function"]["name"].as_str().unwrap_or_default();
            let named = functions.iter().find(|function| function.name == name);
            let missing = || {
                let message = format!("there is no tool of the name {name:?} in this request");
                Refusal::invalid("tool_choice", message)
            };
            Some(*named.ok_or_else(missing)?)
        }
        // Whoever has just been told what a tool says wants an answer.
        _ if ask.last().0 != "user" => None,
        _ => spoken_of(&functions, &hints.text),
    };
    Ok(function.map(|function| {
        let schema = function.parameters.as_ref().unwrap_or(&Value::Null);
        let arguments = match schema["properties"].is_object() || schema.get("$ref").is_some() {
            true => instance(schema, &mut hints).to_string(),
            false => "{}".to_owned(),
        };
        ToolCall {
            name: function.name.clone(),
            arguments,
        }
    }))
}

/// The one of whose name the prompt has most words.
fn spoken_of<'a>(functions: &[&'a Function], prompt: &str) -> Option<&'a Function> {
    let mut best = (0, None);
    for function in functions {
        let words = words(&function.name);
        let spoken = words.iter().filter(|word| prompt.contains(word.as_str()));
        let whole = prompt.contains(&function.name.to_lowercase());
        let count = spoken.count() + usize::from(whole) * 100;
        if count > best.0 {
            best = (count, Some(*function));
        }
    }
    best.1
}

/// The words of a name, `get_weather` or `getWeather`, that tell something.
fn words(name: &str) -> Vec<String> {
    let mut spaced = String::new();
    for letter in name.chars() {
        match letter {
            letter if letter.is_uppercase() => {
                spaced.push(' ');
                spaced.extend(letter.to_lowercase());
            }
            letter if letter.is_alphanumeric() => spaced.push(letter),
            _ => spaced.push(' '),
        }
    }
    let words = spaced.split_whitespace();
    let words = words.filter(|word| word.len() > 3);
    words
        .filter(|word| !COMMON.contains(word))
        .map(str::to_owned)
        .collect()
}
