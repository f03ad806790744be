use proptest::prelude::*;

use super::*;

#[test]
fn fields_stay_as_they_were_written() {
    let text = r#"{"a":1e2,"b":{"c": [1, 2]},"d\"e":null,"f":"\u00e4"}"#;
    let object = Object::parse(text).unwrap();
    assert_eq!(object.to_bytes(), text);
    assert_eq!(object.get("b").unwrap(), r#"{"c": [1, 2]}"#);
    assert_eq!(object.read::<String>("f").unwrap().as_deref(), Some("ä"));
    assert_eq!(object.read::<u32>("d\"e").unwrap(), None, "null is nothing");
    assert_eq!(object.read::<u32>("g").unwrap(), None);
    assert!(object.read::<u32>("b").is_err());
}

#[test]
fn values_are_parts_of_the_buffer() {
    let bytes = Bytes::from_static(br#"{"long": "0123456789"}"#);
    let object = Object::parse(bytes.clone()).unwrap();
    assert!(
        bytes
            .as_ptr_range()
            .contains(&object.get("long").unwrap().as_ptr())
    );
}

#[test]
fn of_two_fields_of_one_name_the_last_counts() {
    let object = Object::parse(r#"{"a":1,"b":2,"a":3}"#).unwrap();
    assert_eq!(object.read::<u32>("a").unwrap(), Some(3));
    assert_eq!(object.len(), 2);
}

#[test]
fn what_is_no_object_is_refused_with_its_place() {
    for (text, says) in [
        ("", "EOF"),
        ("[1]", "an object"),
        (r#"{"a":}"#, "column 6"),
        (r#"{"a":1} x"#, "trailing"),
        ("{\"a\":\"\u{7}\"}", "control character"),
    ] {
        let error = Object::parse(text.to_owned()).unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}

/// Looked through one by one for each other, these would be five thousand million comparisons.
#[test]
fn many_fields_are_read_in_no_time_that_grows_with_their_square() {
    let text = |fields: std::ops::Range<u32>| {
        let fields: Vec<_> = fields
            .map(|number| format!("\"{number}\":{number}"))
            .collect();
        fields.join(",")
    };
    let many = format!("{{{},{}}}", text(0..100_000), text(0..100_000));
    let object = Object::parse(many).unwrap();
    assert_eq!(object.len(), 100_000);
    assert_eq!(object.read::<u32>("99999").unwrap(), Some(99_999));
    let names = object.iter().map(|(name, _)| name.parse::<u32>().unwrap());
    assert!(names.eq(0..100_000), "in their order");
}

#[test]
fn depth_costs_no_stack_and_bytes_that_are_no_text_are_refused() {
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let object = Object::parse(deep.clone()).unwrap();
    assert_eq!(object.to_bytes(), deep);
    assert!(object.read::<serde_json::Value>("a").is_err());
    for bytes in [b"{\"a\":\"\xff\"}".to_vec(), b"{\"\xff\":1}".to_vec()] {
        assert!(Object::parse(bytes).is_err());
    }
}

#[test]
fn nothing_of_a_value_is_shown() {
    let object = Object::parse(r#"{"content":"a secret"}"#).unwrap();
    assert_eq!(format!("{object:?}"), r#"{"content": 10 bytes}"#);
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(fields in prop::collection::btree_map(".*", ".*", 0..6)) {
        let mut object = Object::new();
        for (name, value) in &fields {
            object.set(name, value);
        }
        let again = Object::parse(object.to_bytes()).unwrap();
        prop_assert_eq!(&again, &object);
        let typed: std::collections::BTreeMap<String, String> =
            serde_json::from_slice(&object.to_bytes()).unwrap();
        prop_assert_eq!(typed, fields.clone());
        let nested: Object = serde_json::from_str(&serde_json::to_string(&object).unwrap()).unwrap();
        prop_assert_eq!(nested.len(), fields.len());
    }
}
