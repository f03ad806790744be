//! A value that a JSON schema allows.
//!
//! Types, `enum`, `const`, `default`, `examples`, bounds, formats, `anyOf`, `oneOf`, `allOf`, and references within the schema are kept.
//! `pattern`, `not`, `if` and `uniqueItems` are not.

use serde_json::{Map, Number, Value};

use super::hints::Hints;

/// How deep a value may be.
const DEEPEST: usize = 24;
/// How deep properties are filled in that need not be there.
const OPTIONAL: usize = 3;
/// How many values one value may have in it.
const MOST: usize = 2_000;

/// A value that this schema allows; with what the prompt speaks of, where it may stand.
pub(super) fn instance(schema: &Value, hints: &mut Hints) -> Value {
    let mut maker = Maker {
        root: schema,
        hints,
        left: MOST,
    };
    maker.make(schema, "value", 0)
}

struct Maker<'a> {
    root: &'a Value,
    hints: &'a mut Hints,
    left: usize,
}

// ===== impl Maker =====

impl Maker<'_> {
    fn make(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        // What is left out counts too: lists would be filled with nothing for ever.
        let Some(left) = self.left.checked_sub(1) else {
            return Value::Null;
        };
        self.left = left;
        if depth > DEEPEST {
            return Value::Null;
        }
        if let Some(target) = schema["$ref"]
            .as_str()
            .and_then(|path| path.strip_prefix('#'))
        {
            let target = self.root.pointer(target).unwrap_or(&Value::Null);
            return self.make(target, name, depth + 1);
        }
        for given in [&schema["const"], &schema["default"], &schema["examples"][0]] {
            if !given.is_null() {
                return given.clone();
            }
        }
        if let Some(values) = schema["enum"].as_array() {
            return self.one_of(values);
        }
        for several in ["anyOf", "oneOf"] {
            if let Some(schemas) = schema[several].as_array() {
                let some = schemas.iter().find(|schema| schema["type"] != "null");
                return some.map_or(Value::Null, |schema| self.make(schema, name, depth + 1));
            }
        }
        if let Some(all) = schema["allOf"].as_array() {
            let merged = self.merged(schema, all);
            return self.make(&merged, name, depth + 1);
        }
        match type_of(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => self.number(schema, true),
            "number" => self.number(schema, false),
            "boolean" => true.into(),
            "null" => Value::Null,
            _ => self.text(schema, name).into(),
        }
    }

    /// The one that the prompt speaks of, or the first.
    fn one_of(&self, values: &[Value]) -> Value {
        let spoken = values.iter().find(|value| {
            let text = value.as_str().map(str::to_lowercase);
            text.is_some_and(|text| !text.is_empty() && self.hints.text.contains(&text))
        });
        spoken.or(values.first()).cloned().unwrap_or_default()
    }

    /// All schemas as one.
    fn merged(&self, schema: &Value, all: &[Value]) -> Value {
        let mut merged = schema.clone();
        if let Some(merged) = merged.as_object_mut() {
            merged.remove("allOf");
        }
        for part in all {
            let part = match part["$ref"]
                .as_str()
                .and_then(|path| path.strip_prefix('#'))
            {
                Some(target) => self.root.pointer(target).cloned().unwrap_or_default(),
                None => part.clone(),
            };
            merge(&mut merged, part);
        }
        merged
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let required = schema["required"].as_array();
        let must = |name: &str| {
            required.is_some_and(|names| names.iter().any(|required| required == name))
        };
        let mut object = Map::new();
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            if depth < OPTIONAL || must(name) {
                let value = self.make(schema, name, depth + 1);
                object.insert(name.clone(), value);
            }
        }
        object.into()
    }

    fn array(&mut self, schema: &Value, name: &str, depth: usize) -> Value {
        let least = schema["minItems"].as_u64();
        let most = schema["maxItems"].as_u64().unwrap_or(u64::MAX);
        // Lists of lists that contain themselves come to an end.
        let wanted = if depth < OPTIONAL { 1 } else { 0 };
        let count = least.unwrap_or(wanted).max(wanted).min(most);
        let mut items = Vec::new();
        for _ in 0..count {
            if self.left == 0 {
                break;
            }
            items.push(self.make(&schema["items"], name, depth + 1));
        }
        items.into()
    }

    fn number(&mut self, schema: &Value, whole: bool) -> Value {
        let bound = |name: &str| schema[name].as_f64();
        let step = if whole { 1.0 } else { f64::EPSILON };
        let above = bound("exclusiveMinimum").map(|bound| next_up(bound, step));
        let below = bound("exclusiveMaximum").map(|bound| -next_up(-bound, step));
        let least = bound("minimum")
            .into_iter()
            .chain(above)
            .fold(f64::MIN, f64::max);
        let most = bound("maximum")
            .into_iter()
            .chain(below)
            .fold(f64::MAX, f64::min);
        let unit = bound("multipleOf").filter(|unit| *unit > 0.0);
        let unit = unit.or(whole.then_some(1.0));
        let may = |number: f64| {
            let fits = unit.is_none_or(|unit| (number / unit).fract() == 0.0);
            fits && number >= least && number <= most
        };
        let number = self.hints.number(may).unwrap_or_else(|| {
            let number = 1.0_f64.clamp(least.min(most), most);
            match unit {
                // The nearest that is a multiple, within the bounds.
                Some(unit) => {
                    let up = (number / unit).ceil() * unit;
                    if up <= most {
                        up
                    } else {
                        (most / unit).floor() * unit
                    }
                }
                None => number,
            }
        });
        match whole {
            // A whole number of this size is exact.
            true if number.abs() < 9e15 => (number as i64).into(),
            _ => Number::from_f64(number).map_or(Value::Null, Value::Number),
        }
    }

    fn text(&mut self, schema: &Value, name: &str) -> String {
        let format = match schema["format"].as_str() {
            Some("date") => "2026-01-31",
            Some("date-time") => "2026-01-31T12:00:00Z",
            Some("time") => "12:00:00Z",
            Some("duration") => "PT1H",
            Some("email") => "someone@example.com",
            Some("hostname") => "example.com",
            Some("ipv4") => "192.0.2.1",
            Some("ipv6") => "2001:db8::1",
            Some("uri" | "uri-reference" | "iri") => "https://example.com/",
            Some("uuid") => "00000000-0000-4000-8000-000000000000",
            _ => "",
        };
        if !format.is_empty() {
            return format.to_owned();
        }
        let mut text = self
            .hints
            .name()
            .unwrap_or_else(|| format!("example {name}"));
        let least = schema["minLength"].as_u64().unwrap_or(0).min(1_000) as usize;
        let most = schema["maxLength"].as_u64().unwrap_or(u64::MAX);
        let missing = least.saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n('.', missing));
        if let Some((end, _)) = text
            .char_indices()
            .nth(usize::try_from(most).unwrap_or(usize::MAX))
        {
            text.truncate(end);
        }
        text
    }
}

/// The next number above, as far as this matters for one that was excluded.
fn next_up(bound: f64, step: f64) -> f64 {
    if step >= 1.0 {
        (bound + 1.0).floor()
    } else {
        bound + bound.abs().max(1.0) * 1e-9
    }
}

fn type_of(schema: &Value) -> &str {
    let named = match &schema["type"] {
        Value::String(name) => Some(name.as_str()),
        Value::Array(names) => {
            let mut names = names.iter().filter_map(Value::as_str);
            names.find(|name| *name != "null").or(Some("null"))
        }
        _ => None,
    };
    named.unwrap_or(match schema {
        schema if schema["properties"].is_object() => "object",
        schema if schema["items"].is_object() => "array",
        _ => "string",
    })
}

/// Adds what another schema asks for as well.
fn merge(schema: &mut Value, other: Value) {
    match (schema, other) {
        (Value::Object(schema), Value::Object(other)) => {
            for (name, value) in other {
                match schema.get_mut(&name) {
                    Some(mine) => merge(mine, value),
                    None => {
                        schema.insert(name, value);
                    }
                }
            }
        }
        (Value::Array(schema), Value::Array(other)) => schema.extend(other),
        _ => {}
    }
}
