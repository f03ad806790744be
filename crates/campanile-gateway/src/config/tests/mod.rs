use std::path::Path;

use super::{LoadError, Loaded, load::load_in};

mod complete;
mod errors;
mod hidden;
mod legacy;
mod overrides;
mod prices;
mod random;
mod schemas;
mod validator;

/// Stages as the replaced system writes them.
const LEGACY: &str = include_str!("stages_of_agents.yaml");

/// An environment of these tests: no other variable is set.
fn env(name: &str) -> Option<String> {
    let value = match name {
        "OPENAI_API_KEY" => "sk-openai-0123456789",
        "SECRET" => "very-secret-indeed",
        "DIGITS" => "1234567890123456",
        "COUNT" => "4",
        "MODEL" => "gpt-5",
        "STRATEGY" => "peak_ewma",
        "FIVE" => "5",
        "EMPTY" => "",
        "EVIL" => "x\n  api: gemini # {[",
        _ => return None,
    };
    Some(value.to_owned())
}

fn load(text: &str) -> Result<Loaded, LoadError> {
    load_in(text, Path::new(""), &env, false)
}

/// What is told of a text that is wrong.
fn told(text: &str) -> String {
    load(text).expect_err("it is wrong").to_string()
}
