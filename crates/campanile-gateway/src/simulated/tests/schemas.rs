use super::{
    super::{hints::Hints, schema::instance},
    *,
};

fn made(schema: Value) -> Value {
    instance(
        &schema,
        &mut Hints::of("Add 2.5, 40 and 7 in Rome and New York, please. In RED?"),
    )
}

#[test]
fn values_are_of_their_types() {
    for (schema, expected) in [
        (json!({ "type": "boolean" }), json!(true)),
        (json!({ "type": "null" }), Value::Null),
        (json!({ "type": ["null", "integer"] }), json!(40)),
        (json!({ "type": "number" }), json!(2.5)),
        (json!({ "type": "integer", "maximum": 10 }), json!(7)),
        (json!({ "type": "integer", "minimum": 100 }), json!(100)),
        (
            json!({ "type": "integer", "exclusiveMinimum": 100 }),
            json!(101),
        ),
        (
            json!({ "type": "integer", "exclusiveMaximum": -3 }),
            json!(-4),
        ),
        (json!({ "type": "integer", "multipleOf": 15 }), json!(15)),
        (json!({ "type": "string" }), json!("Rome")),
        (json!({ "type": "string", "maxLength": 2 }), json!("Ro")),
        (json!({ "type": "string", "minLength": 6 }), json!("Rome..")),
        (
            json!({ "type": "string", "format": "date" }),
            json!("2026-01-31"),
        ),
        (json!({ "const": 3 }), json!(3)),
        (json!({ "type": "integer", "default": 9 }), json!(9)),
        (json!({ "enum": ["blue", "red"] }), json!("red")),
        (json!({ "enum": ["blue", "green"] }), json!("blue")),
        (
            json!({ "anyOf": [{ "type": "null" }, { "type": "boolean" }] }),
            json!(true),
        ),
        (
            json!({ "type": "array", "items": { "type": "number" }, "minItems": 2 }),
            json!([2.5, 40.0]),
        ),
        (
            json!({ "type": "array", "items": { "type": "number" }, "maxItems": 0 }),
            json!([]),
        ),
        (json!({ "type": "object" }), json!({})),
        (
            json!({
                "allOf": [{ "$ref": "#/$defs/named" }, { "properties": { "on": { "type": "boolean" } } }],
                "$defs": { "named": { "type": "object", "properties": { "name": { "type": "string" } } } },
            }),
            json!({ "name": "Rome", "on": true }),
        ),
    ] {
        assert_eq!(made(schema.clone()), expected, "{schema}");
    }
}

#[test]
fn names_and_numbers_of_the_prompt_are_used_in_their_order() {
    let schema = json!({ "properties": {
        "from": { "type": "string" }, "to": { "type": "string" },
        "one": { "type": "number" }, "two": { "type": "integer" },
    }});
    let expected = json!({ "from": "Rome", "to": "New York", "one": 2.5, "two": 40 });
    assert_eq!(made(schema), expected);
}

#[test]
fn what_contains_itself_comes_to_an_end() {
    let tree = json!({
        "$ref": "#/$defs/node",
        "$defs": { "node": { "type": "object", "properties": {
            "left": { "$ref": "#/$defs/node" }, "right": { "$ref": "#/$defs/node" },
            "more": { "type": "array", "items": { "$ref": "#/$defs/node" } },
        }}},
    });
    assert!(made(tree).to_string().len() < 20_000);
    for endless in [
        json!({ "$ref": "#" }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#" }, "b": { "$ref": "#" } }, "required": ["a", "b"] }),
        json!({ "type": "array", "minItems": 1_000_000, "items": { "$ref": "#" } }),
        json!({ "anyOf": [] }),
        json!({ "$ref": "#/nowhere" }),
        json!(true),
        json!(null),
    ] {
        assert!(made(endless).to_string().len() < 100_000);
    }
}

#[test]
fn bounds_that_contradict_each_other_do_no_harm() {
    for schema in [
        json!({ "type": "integer", "minimum": 10, "maximum": 1 }),
        json!({ "type": "number", "minimum": 1e308, "multipleOf": 1e308 }),
        json!({ "type": "number", "multipleOf": 0 }),
        json!({ "type": "string", "minLength": 5_000_000_000_u64 }),
        json!({ "type": "string", "minLength": 9, "maxLength": 2 }),
    ] {
        assert!(made(schema).to_string().len() < 20_000);
    }
}
