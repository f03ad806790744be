//! Lists of models, in both forms.

use campanile_llm::{Error, dialect::Dialect};
use http::Response;
use serde_json::{Value, json};

use super::{answer::Asked, body::Body, embed, refuse};
use crate::access::Caller;

/// How many models a page of Anthropic's list has, unless the request says it, and at most.
const PAGE: usize = 20;
const LARGEST_PAGE: usize = 1000;

/// Answers with the models that the caller may ask for; below a stage, with the stage's.
pub(super) fn list(asked: &Asked<'_>) -> Response<Body> {
    told(asked, |_, names| {
        Ok(match asked.call.dialect {
            Dialect::Anthropic => page(names, asked.parts.uri.query().unwrap_or_default()),
            dialect => {
                let data: Vec<Value> = names.iter().map(|name| entry(name, dialect)).collect();
                json!({ "object": "list", "data": data })
            }
        })
    })
}

/// Answers with one model.
pub(super) fn one(asked: &Asked<'_>, id: &str) -> Response<Body> {
    told(asked, |caller, names| {
        let known = names.iter().any(|name| name == id);
        match known {
            true => Ok(entry(id, asked.call.dialect)),
            false => Err(caller.no_model(id, names)),
        }
    })
}

/// Tells something of the models that the caller may ask for.
fn told(
    asked: &Asked<'_>,
    tell: impl FnOnce(&Caller, &[String]) -> Result<Value, Error>,
) -> Response<Body> {
    let live = asked.call.gateway.live();
    let caller = match live.access.caller(asked.said) {
        Ok(caller) => caller,
        Err(error) => return asked.call.refused(None, None, error),
    };
    let mut names = live.chats.models();
    names.retain(|model| caller.may_see(model));
    let told = match asked.stage {
        None => tell(&caller, &names),
        Some(name) => match live
            .config
            .stages
            .get(name)
            .filter(|_| caller.may_see(name))
        {
            Some(_) => {
                let routes = live.chats.handle().routes();
                names.retain(|model| routes.owner(model) == Some(name));
                tell(&caller, &names)
            }
            None => {
                let error = refuse::fault(404, "there is no such stage");
                Err(error.with_code("stage_not_found"))
            }
        },
    };
    match told {
        Ok(value) => {
            let response = embed::json(value.to_string().into());
            asked.call.finish(None, response)
        }
        Err(error) => asked.call.refused(Some(&caller), None, error),
    }
}

/// A model. When it was made nobody knows: the beginning of time is what clients take.
fn entry(name: &str, dialect: Dialect) -> Value {
    match dialect {
        Dialect::Anthropic => json!({
            "type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"
        }),
        _ => json!({ "id": name, "object": "model", "created": 0, "owned_by": "campanile" }),
    }
}

/// A page of Anthropic's list: `limit`, `after_id`, `before_id`.
fn page(names: &[String], query: &str) -> Value {
    let asked = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        let value = percent_encoding::percent_decode_str(value);
        Some(value.decode_utf8_lossy().into_owned())
    };
    let limit = asked("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(PAGE).clamp(1, LARGEST_PAGE);
    let place = |id: Option<String>| names.iter().position(|name| Some(name) == id.as_ref());
    let (shown, has_more) = match (place(asked("after_id")), place(asked("before_id"))) {
        (_, Some(before)) => {
            let first = before.saturating_sub(limit);
            (&names[first..before], first > 0)
        }
        (after, None) => {
            let rest = &names[after.map_or(0, |after| after + 1)..];
            (&rest[..rest.len().min(limit)], rest.len() > limit)
        }
    };
    let data: Vec<Value> = shown
        .iter()
        .map(|name| entry(name, Dialect::Anthropic))
        .collect();
    json!({
        "data": data, "has_more": has_more, "first_id": shown.first(), "last_id": shown.last()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anthropics_list_comes_in_pages() {
        let names: Vec<String> = (0..45).map(|n| format!("m{n:02}")).collect();
        let mut seen = Vec::new();
        let mut query = String::new();
        loop {
            let page = page(&names, &query);
            let data = page["data"].as_array().unwrap();
            seen.extend(
                data.iter()
                    .map(|model| model["id"].as_str().unwrap().to_owned()),
            );
            if !page["has_more"].as_bool().unwrap() {
                break;
            }
            query = format!("limit=20&after_id={}", page["last_id"].as_str().unwrap());
        }
        assert_eq!(seen, names);
        let before = page(&names, "before_id=m10&limit=3");
        assert_eq!(
            (&before["first_id"], &before["last_id"]),
            (&json!("m07"), &json!("m09"))
        );
        assert_eq!(before["has_more"], true);
        assert_eq!(page(&[], "limit=x")["first_id"], Value::Null);
    }
}
