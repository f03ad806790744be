//! JSON Schema of the file, for editors and for checks elsewhere.

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{Config, check::ALIASES, complete::PARTS};

/// The JSON Schema of the file, in draft 2020-12. Editors that know YAML complete and check the file with it; what is a matter of
/// several settings, such as names that name nothing, only [`load`](super::load) tells.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<Config>();
    schema.insert("title".to_owned(), json!("campanile-gateway"));
    let mut schema = schema.to_value();
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        // However they are kept, they are written as people write them.
        let time = json!({
            "description": "A duration as text, such as \"30s\", \"250ms\" or \"1h 30m\", or a number of seconds.",
            "type": ["string", "number"],
            "minimum": 0
        });
        definitions.insert("Duration".to_owned(), time);
        defaults(definitions);
    }
    tidy(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        // A place for anchors.
        root.insert("patternProperties".to_owned(), json!({ "^x-": true }));
    }
    schema
}

/// Tells the defaults of a pool's settings where they are others than their layers'.
fn defaults(definitions: &mut Map<String, Value>) {
    for (part, setting, value) in PARTS {
        let of_pool = definitions
            .get("PoolConfig")
            .map(|pool| &pool["properties"][part]);
        let link = of_pool.and_then(|part| {
            part["$ref"]
                .as_str()
                .or_else(|| part["anyOf"][0]["$ref"].as_str())
        });
        let name = link
            .and_then(|link| link.strip_prefix("#/$defs/"))
            .map(str::to_owned);
        if let Some(schema) = name.and_then(|name| definitions.get_mut(&name)) {
            schema["properties"][setting]["default"] = json!(value);
        }
    }
}

/// Where it listens: a text, or a port.
pub(super) fn listen(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"], "minimum": 0, "maximum": 65_535 })
}

/// Models: one, a list, or a map.
pub(super) fn models(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": ["string", "null"] },
            { "type": "array", "items": { "type": "string" }, "uniqueItems": true },
            { "type": "object", "additionalProperties": { "type": ["string", "null"] } }
        ]
    })
}

/// A map of settings, or only a name.
pub(super) fn by_name(schema: &mut Schema) {
    let name = json_schema!({ "type": "string", "description": "The name of a provider." });
    let whole = std::mem::take(schema);
    let description = whole.get("description").cloned();
    *schema = json_schema!({ "anyOf": [name, whole] });
    if let Some(description) = description {
        schema.insert("description".to_owned(), description);
    }
}

/// Adds the other names of settings; lets maps and lists be empty, and everything come from `${NAME}`.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Array(list) => list.iter_mut().for_each(tidy),
        Value::Object(object) => {
            object.values_mut().for_each(tidy);
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                names(properties);
            }
            // Links of Rust's documentation mean nothing here.
            if let Some(Value::String(text)) = object.get_mut("description") {
                *text = plain(text);
            }
            if object.get("default") == Some(&json!("***")) {
                object.remove("default");
            }
            substituted(object);
        }
        _ => {}
    }
}

/// Numbers and truth values may come from the environment, which the schema sees as a text.
fn substituted(object: &mut Map<String, Value>) {
    let kind = object.get("type").cloned();
    let kinds: Vec<Value> = match kind {
        Some(Value::Array(kinds)) => kinds,
        Some(kind) => vec![kind],
        None => return,
    };
    let scalar = |kind: &Value| matches!(kind.as_str(), Some("integer" | "number" | "boolean"));
    if !kinds.iter().any(scalar) || kinds.contains(&json!("string")) {
        return;
    }
    let mut typed = Map::new();
    for part in ["type", "format", "minimum", "maximum", "exclusiveMinimum"] {
        if let Some(value) = object.remove(part) {
            typed.insert(part.to_owned(), value);
        }
    }
    let text = json!({ "type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}" });
    object.insert("anyOf".to_owned(), json!([typed, text]));
}

fn names(properties: &mut Map<String, Value>) {
    for (name, other) in ALIASES {
        if properties.contains_key(other) {
            continue;
        }
        if let Some(mut schema) = properties.get(name).cloned() {
            if let Some(object) = schema.as_object_mut() {
                let text = format!("Another name of `{name}`.");
                object.insert("description".to_owned(), json!(text));
            }
            properties.insert(other.to_owned(), schema);
        }
    }
}

/// A description without examples of code and links: of "[`model`](Self::model)" its text stays.
fn plain(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text.split("```").next().unwrap_or(text).trim_end();
    while let Some(start) = rest.find('[') {
        out.push_str(&rest[..start]);
        rest = &rest[start + 1..];
        let Some(end) = rest.find(']') else {
            out.push('[');
            break;
        };
        let inside = &rest[..end];
        rest = &rest[end + 1..];
        out.push_str(inside);
        if let Some(link) = rest.strip_prefix('(') {
            rest = link.find(')').map_or(link, |end| &link[end + 1..]);
        }
    }
    out.push_str(rest);
    out.replace('\n', " ")
}
