//! What streams say, and when they end.

use serde_json::Value;

use super::{super::*, APIS, DIALECTS, events, stream};
use crate::{
    chat::{ChatEvent, Part},
    error::Class,
};

/// Streams that say nothing of their end, though the field is there.
const UNENDING: [(Api, &str); 2] = [
    (
        Api::OpenAi,
        "data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"},\"finish_reason\":\"\"}]}\n\n",
    ),
    (
        Api::Anthropic,
        concat!(
            "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"model\":\"m\",\"content\":[],\"stop_reason\":\"\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n",
            "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
            "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"a\"}}\n\n",
        ),
    ),
];

#[test]
fn an_empty_reason_to_stop_is_none() {
    for (api, body) in UNENDING {
        for dialect in DIALECTS {
            let (events, result) = events(api, dialect, body.as_bytes());
            let class = result.map_err(|error| error.class());
            assert_eq!(class, Err(Class::Interrupted), "{api:?} {dialect:?}");
            for event in events {
                assert_eq!(event.finish(), None, "{api:?} {dialect:?}");
                assert_ne!(event.part(), Part::End, "{api:?} {dialect:?}");
            }
        }
    }
}

/// The text that a stream in this dialect says.
fn text(dialect: Dialect, events: &[ChatEvent]) -> String {
    let place = match dialect {
        Dialect::OpenAi => "/choices/0/delta/content",
        Dialect::Anthropic => "/delta/text",
    };
    let data = events
        .iter()
        .filter_map(|event| serde_json::from_slice::<Value>(event.data()).ok());
    data.filter_map(|data| Some(data.pointer(place)?.as_str()?.to_owned()))
        .collect()
}

#[test]
fn texts_of_all_scripts_pass_in_any_chunks() {
    let texts = [
        "\"gr\u{fc}n \"",
        r#""\u00e9\ud83d\ude00""#,
        "\"\u{1f600}\u{4e2d}\"",
        r#""\u0000\u2028\"\\\n""#,
        "\"\"",
    ];
    let meant: String = texts
        .iter()
        .map(|text| serde_json::from_str::<String>(text).unwrap())
        .collect();
    for api in APIS {
        for dialect in DIALECTS {
            let (events, result) = events(api, dialect, stream(api, &texts).as_bytes());
            result.unwrap();
            assert_eq!(text(dialect, &events), meant, "{api:?} {dialect:?}");
        }
    }
}

/// Servers that cut texts by units of UTF-16 send halves of characters.
#[test]
fn halves_of_a_character_break_no_stream() {
    let texts = [r#""a\ud83d""#, r#""\ude00b\ud83d""#, r#""c\ude00""#];
    for api in APIS {
        for dialect in DIALECTS {
            let (events, result) = events(api, dialect, stream(api, &texts).as_bytes());
            assert!(result.is_ok(), "{api:?} {dialect:?}: {result:?}");
            assert_eq!(
                events.last().unwrap().part(),
                Part::End,
                "{api:?} {dialect:?}"
            );
            let same = matches!(
                (api, dialect),
                (Api::OpenAi, Dialect::OpenAi) | (Api::Anthropic, Dialect::Anthropic)
            );
            if !same {
                assert_eq!(text(dialect, &events), "a\u{1f600}bc\u{fffd}");
            }
        }
    }
}
