//! JSON Schema of settings, where their types alone do not tell how people write them.

#[cfg(any(feature = "spend_limit", feature = "concurrency_limit"))]
use schemars::{Schema, json_schema};

/// An amount: a number, or a text of one.
#[cfg(feature = "spend_limit")]
pub(crate) struct Amount;

#[cfg(feature = "spend_limit")]
impl schemars::JsonSchema for Amount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Amount".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A whole number of tokens, or dollars with up to nine decimals: 25, \"25.50\".",
            "type": ["number", "string"]
        })
    }
}

/// An algorithm may be its name alone.
#[cfg(feature = "concurrency_limit")]
pub(crate) fn by_name(schema: &mut Schema) {
    let names = crate::concurrency_limit::algorithm::AlgorithmConfig::NAMES;
    let name = json_schema!({
        "description": "The name alone: with its settings by default.",
        "enum": names
    });
    if let Some(choices) = schema
        .get_mut("oneOf")
        .and_then(|choices| choices.as_array_mut())
    {
        choices.insert(0, name.to_value());
    }
}
