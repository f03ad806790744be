//! What the caller is shown of the usage of an answer that went on elsewhere: the sum.

use bytes::Bytes;
use campanile::Usage;
use memchr::memmem;
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use crate::{
    chat::ChatEvent,
    dialect::{Dialect, anthropic, openai},
};

/// The event with its usage in the place of what its frame reports, if that reports any: the frame has the second answer's
/// alone.
pub(super) fn shown(dialect: Dialect, event: ChatEvent) -> ChatEvent {
    if memmem::find(event.data(), b"\"usage\"").is_none() || !reports(event.data()) {
        return event;
    }
    let Ok(mut data) = serde_json::from_slice::<Value>(event.data()) else {
        return event;
    };
    let told = match dialect {
        Dialect::OpenAi => openai::told(event.usage()),
        Dialect::Anthropic => anthropic::told(event.usage()),
    };
    for place in ["/usage", "/x_groq/usage"] {
        if let Some(usage) = data.pointer_mut(place).filter(|usage| usage.is_object()) {
            sum(usage, &told, event.usage());
        }
    }
    reframed(dialect, &event, &data)
}

/// Whether data reports usage, and does not only speak of it.
fn reports(data: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Data<'a> {
        #[serde(borrow, default)]
        usage: Option<&'a RawValue>,
        #[serde(borrow, default)]
        x_groq: Option<&'a RawValue>,
    }
    let data = serde_json::from_slice::<Data<'_>>(data);
    data.is_ok_and(|data| data.usage.is_some() || data.x_groq.is_some())
}

/// Writes what is told over what a provider reported. What it reports besides stays.
fn sum(reported: &mut Value, told: &Value, usage: &Usage) {
    merge(reported, told);
    // Other names of the same, where they are in use.
    let cached = usage.cached_tokens.unwrap_or(0);
    let fresh = usage.input_tokens.map(|input| input.saturating_sub(cached));
    for (name, number) in [
        ("prompt_cache_hit_tokens", usage.cached_tokens),
        ("prompt_cache_miss_tokens", fresh),
        ("cached_tokens", usage.cached_tokens),
    ] {
        if let (Some(place), Some(number)) = (reported.get_mut(name), number) {
            *place = number.into();
        }
    }
    if let (Some(cost), Some(nanos)) = (reported.get_mut("cost"), usage.nano_dollars) {
        let dollars = nanos as f64 / 1e9;
        // Of one that is told in parts the sum alone: they would not add up to it any more.
        *cost = match cost {
            Value::Object(_) => serde_json::json!({ "total_cost": dollars }),
            _ => dollars.into(),
        };
    }
    // The parts of what was written to a cache, which would not add up to it any more, unless they are told too.
    if let (Some(reported), None) = (reported.as_object_mut(), told.get("cache_creation")) {
        reported.remove("cache_creation");
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.as_str()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

/// The same event with other data.
pub(super) fn reframed(dialect: Dialect, event: &ChatEvent, data: &Value) -> ChatEvent {
    let name = match dialect {
        Dialect::OpenAi => None,
        Dialect::Anthropic => data.get("type").and_then(Value::as_str),
    };
    let head = match name {
        Some(name) => format!("event: {name}\ndata: "),
        None => "data: ".to_owned(),
    };
    let frame = format!("{head}{data}\n\n");
    let place = head.len()..frame.len() - 2;
    event.clone().with_data(Bytes::from(frame), place)
}
