//! As much of JSON Schema as the gateway's has: a keyword that it does not know is an error, so that none is taken for kept.

use serde_json::{Map, Value};

/// What does not keep the schema; empty if all does.
pub(super) fn errors(root: &Value, value: &Value) -> Vec<String> {
    let mut errors = Vec::new();
    check(root, root, value, "$", &mut errors);
    errors
}

fn check(root: &Value, schema: &Value, value: &Value, at: &str, errors: &mut Vec<String>) {
    let Value::Object(schema) = schema else {
        if *schema != Value::Bool(true) {
            errors.push(format!("{at}: not allowed"));
        }
        return;
    };
    for (keyword, rule) in schema {
        let kept = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "default" | "format" | "properties"
            | "patternProperties" | "examples" => true,
            "$ref" => {
                let name = rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(root, &root["$defs"][name], value, at, errors);
                true
            }
            "type" => match rule {
                Value::Array(kinds) => kinds.iter().any(|kind| is(kind, value)),
                kind => is(kind, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().unwrap().contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|number| number >= rule.as_f64().unwrap()),
            "maximum" => value
                .as_f64()
                .is_none_or(|number| number <= rule.as_f64().unwrap()),
            "maxItems" | "minItems" => true,
            "uniqueItems" => value.as_array().is_none_or(|list| {
                let mut rest = list.iter().enumerate();
                rest.all(|(index, one)| !list[..index].contains(one))
            }),
            // The only one is that of `${NAME}`.
            "pattern" => value.as_str().is_none_or(|text| text.contains("${")),
            "required" => {
                let names = rule.as_array().unwrap().iter();
                let has = |name: &Value| value.get(name.as_str().unwrap()).is_some();
                !value.is_object() || names.into_iter().all(has)
            }
            "items" => {
                for (index, one) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, one, &format!("{at}[{index}]"), errors);
                }
                true
            }
            "additionalProperties" => {
                others(root, schema, rule, value, at, errors);
                true
            }
            "anyOf" | "oneOf" => {
                let fits = rule.as_array().unwrap().iter().filter(|choice| {
                    let mut own = Vec::new();
                    check(root, choice, value, at, &mut own);
                    own.is_empty()
                });
                match keyword.as_str() {
                    "oneOf" => fits.count() == 1,
                    _ => fits.count() > 0,
                }
            }
            unknown => panic!("{at}: the schema has {unknown:?}"),
        };
        if !kept {
            errors.push(format!("{at}: {keyword}"));
        }
    }
    for (name, rule) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if let Some(value) = value.get(name) {
            check(root, rule, value, &format!("{at}.{name}"), errors);
        }
    }
}

fn others(
    root: &Value,
    schema: &Map<String, Value>,
    rule: &Value,
    value: &Value,
    at: &str,
    errors: &mut Vec<String>,
) {
    let known = |name: &str| {
        let properties = schema.get("properties");
        properties.is_some_and(|known| known.get(name).is_some())
            || schema.contains_key("patternProperties") && name.starts_with("x-")
    };
    for (name, value) in value.as_object().into_iter().flatten() {
        if !known(name) {
            check(root, rule, value, &format!("{at}.{name}"), errors);
        }
    }
}

fn is(kind: &Value, value: &Value) -> bool {
    match kind.as_str().unwrap() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        kind => panic!("{kind}"),
    }
}
