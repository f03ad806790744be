use super::*;
use crate::{chat::ChatRequest, route::Capabilities};

fn endpoint(key: &str, labels: &[(&str, &str)]) -> Endpoint {
    let builder = Endpoint::builder(key.to_owned());
    labels
        .iter()
        .fold(builder, |builder, (name, value)| {
            builder.label(*name, *value)
        })
        .build()
        .unwrap()
}

fn check(catalogue: &Catalogue, request: &ChatRequest) -> Option<(Class, String)> {
    let error = catalogue.check(request, None).err()?;
    Some((error.class(), error.param().unwrap_or("").to_owned()))
}

#[test]
fn what_labels_say_counts() {
    let catalogue = Catalogue::default();
    assert_eq!(
        check(&catalogue, &ChatRequest::new("m")),
        None,
        "nobody is there"
    );
    let labels = [
        ("models", "llama, qwen-*"),
        ("capabilities", "streaming, flying"),
        ("context_window", "100"),
        ("max_output", "x"),
    ];
    let place = catalogue.join(&endpoint("gpu", &labels));
    assert_eq!(catalogue.models(), ["llama"]);
    let ask = |model: &str| ChatRequest::new(model).user("hi");
    assert_eq!(check(&catalogue, &ask("llama")), None);
    assert_eq!(check(&catalogue, &ask("qwen-3")), None);
    assert_eq!(
        check(&catalogue, &ask("gpt-5")).unwrap(),
        (Class::ModelNotFound, "model".into())
    );
    assert_eq!(check(&catalogue, &ask("llama").streamed()), None);
    let tools = ask("llama").field("tools", &[1]);
    assert_eq!(
        check(&catalogue, &tools).unwrap(),
        (Class::Request, "tools".into())
    );
    // Believed to be too long, which is for the provider to say.
    let long = ask("llama").user(&"word ".repeat(100));
    assert_eq!(check(&catalogue, &long), None);
    let long = ask("llama").user(&"word ".repeat(1_000));
    assert_eq!(
        check(&catalogue, &long).unwrap(),
        (Class::ContextWindow, "messages".into())
    );
    // Another one can.
    let other = catalogue.join(&endpoint("cloud", &[]));
    assert_eq!(check(&catalogue, &tools), None);
    assert_eq!(check(&catalogue, &ask("gpt-5")), None);
    drop(other);
    assert!(check(&catalogue, &tools).is_some());
    drop(place);
    assert_eq!(check(&catalogue, &ask("gpt-5")), None, "nobody is there");
}

#[test]
fn settings_come_before_labels_and_change() {
    let catalogue = Catalogue::default();
    let _place = catalogue.join(&endpoint("gpu", &[("models", "llama")]));
    let ask = |model: &str| ChatRequest::new(model).user("hi");
    assert!(check(&catalogue, &ask("qwen")).is_some());
    catalogue.set_endpoint("gpu", Offer::models(["qwen"]));
    assert_eq!(check(&catalogue, &ask("qwen")), None);
    assert!(check(&catalogue, &ask("llama")).is_some());
    let blind = Capabilities {
        vision: false,
        json: false,
        ..Capabilities::default()
    };
    let config = CatalogueConfig::default()
        .with_model("q*", blind)
        .with_model(
            "qwen",
            Capabilities {
                vision: false,
                ..Capabilities::default()
            },
        )
        .with_endpoint("gpu", Offer::models(["qwen", "qwq"]));
    catalogue.replace(config).unwrap();
    let json = |model: &str| {
        ask(model).field(
            "response_format",
            &serde_json::json!({"type": "json_object"}),
        )
    };
    assert_eq!(
        check(&catalogue, &json("qwen")),
        None,
        "the name comes before the pattern"
    );
    assert_eq!(
        check(&catalogue, &json("qwq")).unwrap().1,
        "response_format"
    );
}

#[test]
fn a_mistake_in_the_settings_is_named() {
    let none = Capabilities {
        context_window: Some(0),
        ..Capabilities::default()
    };
    let error = Catalogue::new(CatalogueConfig::default().with_model("m", none)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "catalogue.context_window is \"m\": it must be above 0"
    );
    let error = Catalogue::new(CatalogueConfig::default().with_endpoint("e", Offer::models([""])));
    assert_eq!(
        error.unwrap_err().to_string(),
        "catalogue.models is \"\": no name may be empty"
    );
}

#[test]
fn places_are_taken_again() {
    let catalogue = Catalogue::default();
    let first = catalogue.join(&endpoint("a", &[]));
    let second = catalogue.join(&endpoint("b", &[]));
    assert_eq!((first.number, second.number), (0, 1));
    drop(first);
    assert_eq!(catalogue.join(&endpoint("c", &[])).number, 0);
}
