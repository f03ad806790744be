use super::*;

fn labelled(value: &str) -> Check<u16> {
    let endpoint = Endpoint::builder("one").label("url", value);
    Check::new(endpoint.build().unwrap(), 7)
}

#[test]
fn a_label_with_a_path_is_a_uri() {
    let health = Label::new("url").with_path("/health?x=1");
    for (label, uri) in [
        ("host:80", "http://host:80/health?x=1"),
        ("https://host", "https://host/health?x=1"),
        ("https://host/base/", "https://host/base/health?x=1"),
    ] {
        assert_eq!(health.find(&labelled(label)).unwrap(), uri);
    }
    assert_eq!(Label::new("url").find(&labelled("a:1")).unwrap(), "a:1");
}

#[test]
fn functions_targets_and_the_same_are_found() {
    let check = labelled("a:1");
    let port = |check: &Check<u16>| format!("{}:{}", check.endpoint, check.target);
    assert_eq!(port.find(&check).unwrap(), "one:7");
    assert_eq!(Target.find(&check).unwrap(), 7);
    assert_eq!(Same::new("all").find(&check).unwrap(), "all");
}

#[tokio::test]
async fn what_cannot_be_found_is_not_the_endpoints_fault() {
    let report = TcpProbe::new(Label::new("zone")).check(check(())).await;
    assert_eq!(
        message(&report),
        (Verdict::Unknown, "the endpoint has no label \"zone\"")
    );
}

#[test]
fn what_is_sent_is_not_shown() {
    let probe = TcpProbe::target().with_send("AUTH hunter2");
    assert!(!format!("{probe:?}").contains("hunter2"));
    assert!(!format!("{:?}", Same::new("hunter2")).contains("hunter2"));
}
