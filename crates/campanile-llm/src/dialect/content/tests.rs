use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::chat::Role;

#[test]
fn addresses_of_data_are_taken_apart() {
    assert_eq!(
        medium("DATA:image/PNG;charset=x;BASE64,AA=="),
        Ok(Content::Inline {
            mime: "image/png".to_owned(),
            base64: "AA==",
        })
    );
    assert_eq!(medium("gs://a/b"), Ok(Content::Linked("gs://a/b")));
    for wrong in [
        "data:",
        "data:image/png;base64",
        "data:,x",
        "data:;base64,x",
        "data:image/png,x",
    ] {
        assert!(medium(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn only_an_object_is_one() {
    assert_eq!(object(" {\"a\": 1} ").unwrap().get(), "{\"a\": 1}");
    for text in ["", "[]", "{", "{} x", "null", "{a: 1}"] {
        assert!(object(text).is_none(), "{text}");
    }
    assert_eq!(arguments(" ", "x").unwrap().get(), "{}");
    assert_eq!(arguments("[", "x").unwrap_err().param(), Some("x"));
}

#[test]
fn of_two_calls_of_one_name_the_last_counts() {
    let call = |name: &str| -> Message {
        serde_json::from_value(json!({"role": "assistant", "tool_calls": [
            {"id": "1", "function": {"name": name, "arguments": ""}}]}))
        .unwrap()
    };
    let (first, second, answer) = (call("f"), call("g"), Message::tool("1", "x"));
    let mut called = Called::default();
    called.learn(&first);
    assert_eq!(called.name(&answer), Some("f"));
    called.learn(&second);
    assert_eq!(called.name(&answer), Some("g"));
    assert_eq!(called.name(&Message::tool("2", "x")), None);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "(text|image_url|input_audio|file|data:a/b;base64,x)".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 5, |inner| {
        let name =
            "(type|text|url|image_url|input_audio|data|format|file|file_data|refusal|.{0,4})";
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::hash_map(name, inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_content_is_read_or_refused_by_its_place(content in value()) {
        let mut message = Message::new(Role::User, "");
        message.content = content;
        if let Err(error) = contents(&message, 3) {
            prop_assert_eq!(error.class(), Class::Request);
            prop_assert!(error.param().unwrap_or_default().starts_with("messages[3].content"));
        }
    }

    #[test]
    fn any_address_is_taken_apart_or_refused(address in "(data:)?.{0,40}") {
        let _ = medium(&address);
    }
}
