//! How usage is counted, and told.

use bytes::Bytes;
use campanile::Usage;
use serde_json::{Value, json};

use super::{super::*, APIS, DIALECTS, events, stream};
use crate::usage::Tally;

/// The same answer, whole.
fn whole(api: Api) -> Value {
    match api {
        Api::OpenAi => {
            json!({"id": "c", "model": "m", "choices": [{"index": 0, "message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 100, "completion_tokens": 9, "total_tokens": 109, "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 10}}})
        }
        Api::Anthropic => {
            json!({"id": "m", "type": "message", "model": "m", "role": "assistant", "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 60, "cache_read_input_tokens": 30, "cache_creation_input_tokens": 10, "output_tokens": 9}})
        }
        Api::Gemini => {
            json!({"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
            "usageMetadata": {"promptTokenCount": 100, "cachedContentTokenCount": 30, "candidatesTokenCount": 9, "totalTokenCount": 109}, "modelVersion": "m"})
        }
        Api::Ollama => {
            json!({"model": "m", "message": {"role": "assistant", "content": "hello"}, "done": true, "done_reason": "stop", "prompt_eval_count": 100, "eval_count": 9})
        }
    }
}

fn taken(api: Api) -> Usage {
    let (cached, written) = match api {
        Api::OpenAi | Api::Anthropic => (Some(30), Some(10)),
        Api::Gemini => (Some(30), None),
        Api::Ollama => (None, None),
    };
    Usage {
        input_tokens: Some(100),
        output_tokens: Some(9),
        cached_tokens: cached,
        cache_write_tokens: written,
        ..Usage::default()
    }
}

/// What a caller reads, by its dialect's own way of counting: cached tokens are within OpenAI's prompt, and beside Anthropic's.
fn check_told(dialect: Dialect, api: Api, told: &Value) {
    let number = |path: &str| told.pointer(path).and_then(Value::as_u64).unwrap_or(0);
    let usage = taken(api);
    let (cached, written) = (
        usage.cached_tokens.unwrap_or(0),
        usage.cache_write_tokens.unwrap_or(0),
    );
    match dialect {
        Dialect::OpenAi => {
            assert_eq!(number("/prompt_tokens"), 100, "{api:?}");
            assert_eq!(
                number("/prompt_tokens_details/cached_tokens"),
                cached,
                "{api:?}"
            );
            assert_eq!(number("/completion_tokens"), 9, "{api:?}");
            assert_eq!(number("/total_tokens"), 109, "{api:?}");
        }
        Dialect::Anthropic => {
            assert_eq!(number("/input_tokens"), 100 - cached - written, "{api:?}");
            assert_eq!(number("/cache_read_input_tokens"), cached, "{api:?}");
            assert_eq!(number("/cache_creation_input_tokens"), written, "{api:?}");
            assert_eq!(number("/output_tokens"), 9, "{api:?}");
        }
    }
}

#[test]
fn usage_is_counted_alike_and_told_in_each_dialects_own_way() {
    for api in APIS {
        for dialect in DIALECTS {
            let body = Bytes::from(whole(api).to_string());
            let answer = api.completion(dialect, body, Tally::new(7, 4.0)).unwrap();
            assert_eq!(answer.usage(), &taken(api), "{api:?} {dialect:?}");
            assert!(answer.is_reported());
            let json: Value = serde_json::from_slice(answer.body()).unwrap();
            check_told(dialect, api, &json["usage"]);
            // What is written here is read alike again.
            let again = match dialect {
                Dialect::OpenAi => Api::OpenAi,
                Dialect::Anthropic => Api::Anthropic,
            };
            let again = again
                .completion(dialect, answer.body().clone(), Tally::new(7, 4.0))
                .unwrap();
            assert_eq!(again.usage().input_tokens, Some(100), "{api:?} {dialect:?}");

            let (events, result) = events(api, dialect, stream(api, &["\"hello\""]).as_bytes());
            result.unwrap();
            let last = events.last().unwrap();
            assert_eq!(last.usage(), &taken(api), "{api:?} {dialect:?}");
            assert!(last.is_reported());
            let data = events
                .iter()
                .rev()
                .filter_map(|event| serde_json::from_slice::<Value>(event.data()).ok());
            let told = data
                .filter_map(|data| data.get("usage").cloned())
                .find(|usage| !usage.is_null())
                .unwrap();
            if api != Api::Anthropic || dialect != Dialect::Anthropic {
                check_told(dialect, api, &told);
            }
        }
    }
}
