//! JSON Schema of the file, for editors and for checks elsewhere.

use std::collections::BTreeSet;

use schemars::{Schema, SchemaGenerator, generate::SchemaSettings, json_schema};
use serde_json::{Map, Value, json};

use super::{Config, check::ALIASES, complete};

/// The JSON Schema of the file, in draft 2020-12. Editors that know YAML complete and check the file with it; what is a matter of
/// several settings, such as names that name nothing, only [`load`](super::load) tells.
#[must_use]
pub fn schema() -> Value {
    let mut schema = of_types();
    if let Some(definitions) = schema.get_mut("$defs").and_then(Value::as_object_mut) {
        defaults(definitions);
        numbers(definitions);
    }
    tidy(&mut schema);
    if let Some(root) = schema.as_object_mut() {
        // A place for anchors.
        root.insert("patternProperties".to_owned(), json!({ "^x-": true }));
    }
    schema
}

/// What the types say.
fn of_types() -> Value {
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
    }
    schema
}

/// The names of settings beside secrets whose values are none, in the sections of keys, operators and providers; and the names of
/// all sections.
pub(super) fn names() -> (BTreeSet<String>, BTreeSet<String>) {
    let schema = of_types();
    let (mut plain, mut others) = (BTreeSet::new(), BTreeSet::new());
    for section in ["admin", "keys", "providers"] {
        let section = &schema["properties"][section];
        settings(&schema, section, &mut |name, setting| {
            match holds_settings(&schema, setting, 0) {
                true => others.insert(name.to_owned()),
                false => plain.insert(name.to_owned()),
            };
        });
    }
    for (name, other) in ALIASES {
        if plain.contains(name) {
            plain.insert(other.to_owned());
        }
    }
    let sections = schema["properties"].as_object().into_iter().flatten();
    let sections = sections.map(|(name, _)| name.clone()).collect();
    // One name may be that of several settings.
    (&plain - &others, sections)
}

/// Every setting that is written within a value, but not those of secrets.
fn settings(root: &Value, schema: &Value, each: &mut impl FnMut(&str, &Value)) {
    match schema {
        Value::Array(list) => list.iter().for_each(|part| settings(root, part, each)),
        Value::Object(object) => {
            for (rule, part) in object {
                match (rule.as_str(), part) {
                    ("$ref", Value::String(link)) if link != "#/$defs/Secret" => {
                        let name = link.trim_start_matches("#/$defs/");
                        settings(root, &root["$defs"][name], each);
                    }
                    ("properties", Value::Object(properties)) => {
                        for (name, setting) in properties {
                            each(name, setting);
                            settings(root, setting, each);
                        }
                    }
                    ("anyOf" | "oneOf" | "allOf" | "items" | "additionalProperties", part) => {
                        settings(root, part, each);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Whether a value has settings of its own, or is a secret.
fn holds_settings(root: &Value, schema: &Value, depth: usize) -> bool {
    if let Some(link) = schema["$ref"].as_str() {
        let name = link.trim_start_matches("#/$defs/");
        return name == "Secret"
            || depth > 8
            || holds_settings(root, &root["$defs"][name], depth + 1);
    }
    let choices = ["anyOf", "oneOf", "allOf"];
    let choices = choices
        .iter()
        .filter_map(|key| schema[*key].as_array())
        .flatten();
    let within = [&schema["items"], &schema["additionalProperties"]];
    schema["properties"].is_object()
        || choices
            .chain(within)
            .any(|part| part.is_object() && holds_settings(root, part, depth + 1))
}

/// Tells the defaults of a pool's settings where they are others than their layers'.
fn defaults(definitions: &mut Map<String, Value>) {
    for (path, value) in complete::differences() {
        let mut name = "PoolConfig".to_owned();
        for (index, step) in path.iter().enumerate() {
            let Some(setting) = definitions
                .get_mut(&name)
                .map(|of| &mut of["properties"][step.as_str()])
            else {
                break;
            };
            if index + 1 == path.len() {
                setting["default"] = value.clone();
            } else if index > 0 {
                // What is told of the whole is told of its parts.
                let below = format!("/{}", path[index + 1..].join("/"));
                if let Some(part) = setting
                    .get_mut("default")
                    .and_then(|whole| whole.pointer_mut(&below))
                {
                    *part = value.clone();
                }
            }
            let link = setting["$ref"]
                .as_str()
                .or_else(|| setting["anyOf"][0]["$ref"].as_str());
            let Some(link) = link.and_then(|link| link.strip_prefix("#/$defs/")) else {
                break;
            };
            name = link.to_owned();
        }
    }
}

/// A secret of digits may be written as it is.
fn numbers(definitions: &mut Map<String, Value>) {
    if let Some(text) = definitions
        .get_mut("Secret")
        .and_then(|secret| secret.pointer_mut("/anyOf/0/type"))
    {
        *text = json!(["string", "number"]);
    }
}

/// Where it listens: a text, or a port.
pub(super) fn listen(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer"], "minimum": 0, "maximum": 65_535 })
}

/// The same, or nothing.
pub(super) fn optional_listen(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": ["string", "integer", "null"], "minimum": 0, "maximum": 65_535 })
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
            let required = object.get("required").and_then(Value::as_array).cloned();
            let required = required.unwrap_or_default();
            if let Some(Value::Object(properties)) = object.get_mut("properties") {
                other_names(properties);
                for (name, setting) in properties {
                    if !required.contains(&json!(name)) {
                        blank(setting);
                    }
                }
            }
            if let Some(value) = object.get_mut("additionalProperties")
                && value.get("$ref").is_some()
            {
                blank(value);
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

/// What is written of a setting that is all commented out: nothing.
fn blank(setting: &mut Value) {
    let Value::Object(object) = setting else {
        return;
    };
    let nothing = json!({ "type": "null" });
    if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
        if !choices.contains(&nothing) {
            choices.push(nothing);
        }
        return;
    }
    let mut value = Map::new();
    for part in [
        "$ref",
        "type",
        "const",
        "enum",
        "oneOf",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "items",
        "uniqueItems",
        "maxItems",
        "minItems",
        "properties",
        "required",
        "additionalProperties",
    ] {
        if let Some(rule) = object.remove(part) {
            value.insert(part.to_owned(), rule);
        }
    }
    if let (1, Some(Value::Array(kinds))) = (value.len(), value.get("type"))
        && kinds.contains(&json!("null"))
    {
        object.extend(value);
    } else if !value.is_empty() {
        object.insert("anyOf".to_owned(), json!([value, nothing]));
    }
}

/// What a text is that stands for one of the environment.
fn from_environment() -> Value {
    json!({ "type": "string", "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}" })
}

/// Numbers, truth values and names may come from the environment, which the schema sees as a text.
fn substituted(object: &mut Map<String, Value>) {
    let named = |choice: &Value| choice["const"].is_string() || choice["enum"].is_array();
    if let Some(Value::Array(choices)) = object.get_mut("oneOf")
        && choices.iter().any(named)
    {
        choices.push(from_environment());
        return;
    }
    if object.contains_key("enum") && object.get("type") == Some(&json!("string")) {
        let mut names = Map::new();
        for part in ["type", "enum"] {
            names.extend(object.remove(part).map(|rule| (part.to_owned(), rule)));
        }
        object.insert("anyOf".to_owned(), json!([names, from_environment()]));
        return;
    }
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
    object.insert("anyOf".to_owned(), json!([typed, from_environment()]));
}

fn other_names(properties: &mut Map<String, Value>) {
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
