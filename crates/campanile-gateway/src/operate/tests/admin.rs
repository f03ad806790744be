//! Actions, and who may take them.

use super::*;

const MEMBER: &str = "/admin/pools/main/members/one";

fn with_token() -> Gateway {
    gateway(&format!("{SETTINGS}{TOKEN}"))
}

#[tokio::test(start_paused = true)]
async fn without_a_token_in_the_settings_there_are_no_actions() {
    let gateway = gateway(SETTINGS);
    for path in ["/admin/members", "/admin/config", "/admin/nothing"] {
        let (status, said) = answer(&gateway, as_operator("GET", path, "")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let message = said["error"]["message"].as_str().unwrap();
        assert!(message.contains("actions are off"), "{message}");
    }
    assert_eq!(send(&gateway, get("/status")).await.status(), 200);
    assert_eq!(send(&gateway, get("/metrics")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn with_another_token_or_none_the_answer_is_the_same() {
    let gateway = with_token();
    let mut answers = Vec::new();
    for sent in [
        None,
        Some("Bearer operator-secres"),
        Some("Bearer "),
        Some("operator-secret"),
        Some("Basic operator-secret"),
    ] {
        for path in ["/admin/members", "/admin/nothing", "/status", "/metrics"] {
            let mut request = Request::get(path);
            if let Some(sent) = sent {
                request = request.header("authorization", sent);
            }
            let response = send(&gateway, request.body(Body::empty()).unwrap()).await;
            assert_eq!(
                response.status(),
                StatusCode::UNAUTHORIZED,
                "{path} {sent:?}"
            );
            assert_eq!(response.headers()["www-authenticate"], "Bearer");
            answers.push(text(response).await);
        }
    }
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let disabled = Request::post(format!("{MEMBER}/disable"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(send(&gateway, disabled).await.status(), 401);
    let (status, said) = answer(&gateway, get("/readyz")).await;
    assert_eq!(
        (status, said),
        (StatusCode::OK, json!({"ready": true, "stopping": false})),
        "names are for operators"
    );
    let (status, said) = answer(&gateway, get("/readyz?stage=other")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(said["error"]["message"], "no such stage");
    assert_eq!(
        answer(&gateway, as_operator("GET", "/readyz", "")).await.1["stages"]["chat"]["able"],
        2
    );
    for path in ["/status", "/metrics", "/admin/members"] {
        assert_eq!(
            send(&gateway, as_operator("GET", path, "")).await.status(),
            200,
            "{path}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn status_and_metrics_may_be_open_though_there_is_a_token() {
    let gateway = gateway(&format!(
        "{SETTINGS}\nadmin: {{ token: operator-secret, open: true }}\n"
    ));
    for path in ["/status", "/metrics"] {
        assert_eq!(send(&gateway, get(path)).await.status(), 200, "{path}");
    }
    assert_eq!(send(&gateway, get("/admin/members")).await.status(), 401);
}

#[tokio::test(start_paused = true)]
async fn members_are_acted_on_and_answer_as_they_are_then() {
    let gateway = with_token();
    let lines = Lines::default();
    let guard = lines.take_down();
    let act = async |action: &str, body: &str| {
        answer(
            &gateway,
            as_operator("POST", &format!("{MEMBER}/{action}"), body),
        )
        .await
    };
    let (status, said) = act("disable", "").await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(
        (&said["pool"], &said["member"]["open"]),
        (&json!("main"), &json!(false))
    );
    assert_eq!(said["member"]["closed"][0]["reason"], "disabled");
    assert_eq!(act("enable", "{}").await.1["member"]["open"], true);
    assert_eq!(
        act("weight", r#"{"weight": 2}"#).await.1["member"]["weight"],
        2.0
    );
    let (_, said) = act("drain", r#"{"within": "30s"}"#).await;
    assert_eq!(
        (&said["left"], &said["member"]["open"]),
        (&json!(0), &json!(false))
    );
    assert_eq!(act("enable", "").await.1["member"]["open"], true);
    let members = gateway.live().pools["main"].members();
    assert_eq!(
        act("reset-breaker", "").await.1["member"]["breaker"]["state"],
        "closed"
    );
    assert_eq!(members.len(), 2);
    drop(guard);
    let lines = lines.text();
    for action in ["disable", "enable", "weight", "drain", "reset-breaker"] {
        assert!(
            lines.contains(&format!(r#"action="{action}""#)),
            "{action}:\n{lines}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_answered_with_what_is() {
    let gateway = with_token();
    for (path, expected) in [
        ("/admin/pools/other/members/one/disable", "there are: main"),
        (
            "/admin/pools/main/members/three/disable",
            "there are: one, two",
        ),
        ("/admin/pools/main/members/one/explode", "reset-breaker"),
        ("/admin/other", "GET /admin/members"),
    ] {
        let (status, said) = answer(&gateway, as_operator("POST", path, "")).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        let message = said["error"]["message"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
    }
    for (action, body) in [
        ("weight", ""),
        ("weight", r#"{"weight": -1}"#),
        ("weight", r#"{"wait": 2}"#),
        ("drain", r#"{"within": "2h"}"#),
        ("disable", r#"{"within": "2s"}"#),
        ("disable", "nonsense"),
    ] {
        let request = as_operator("POST", &format!("{MEMBER}/{action}"), body);
        let (status, said) = answer(&gateway, request).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{action} {body}: {said}");
    }
    let long = as_operator("POST", &format!("{MEMBER}/weight"), &"x".repeat(5_000));
    assert_eq!(send(&gateway, long).await.status(), 413);
    let shown = as_operator("GET", &format!("{MEMBER}/disable"), "");
    assert_eq!(send(&gateway, shown).await.status(), 405);
    assert_eq!(
        answer(&gateway, as_operator("GET", "/readyz", "")).await.1["stages"]["chat"]["able"],
        2
    );
}

#[tokio::test]
async fn the_file_is_read_again_when_an_operator_asks_for_it() {
    let path = std::env::temp_dir().join(format!("campanile-gateway-{}.yaml", std::process::id()));
    let settings = format!("{SETTINGS}{TOKEN}");
    std::fs::write(&path, &settings).unwrap();
    let without_file = with_token();
    let reload = || as_operator("POST", "/admin/reload", "");
    assert_eq!(send(&without_file, reload()).await.status(), 409);
    let gateway = with_token().with_file(&path);
    std::fs::write(&path, settings.replace("[one, two]", "[one]")).unwrap();
    let (status, said) = answer(&gateway, reload()).await;
    assert_eq!(status, StatusCode::OK, "{said}");
    assert_eq!(
        answer(&gateway, as_operator("GET", "/readyz", "")).await.1["stages"]["chat"]["members"],
        1
    );
    std::fs::write(&path, "providers: [").unwrap();
    let (status, said) = answer(&gateway, reload()).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    let message = said["error"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("the settings are as before"),
        "{message}"
    );
    assert_eq!(
        answer(&gateway, as_operator("GET", "/readyz", "")).await.1["stages"]["chat"]["members"],
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let gateway = gateway(&format!("{SETTINGS}{TOKEN}"));
    let mut request = as_operator("POST", "/admin/pools/main/members/one/drain", "");
    *request.body_mut() =
        Body::from_stream(futures_util::stream::pending::<Result<String, io::Error>>());
    let (status, said) = answer(&gateway, request).await;
    assert_eq!(status, StatusCode::REQUEST_TIMEOUT, "{said}");
}

#[tokio::test]
async fn the_address_is_told_that_is_listened_at() {
    let gateway = gateway(&format!("{SETTINGS}{TOKEN}"));
    let any = "127.0.0.1:0".parse().unwrap();
    let server = crate::Server::bind_at(gateway.clone(), any).await.unwrap();
    let address = server.address().unwrap().to_string();
    let (_, said) = answer(&gateway, as_operator("GET", "/admin/config", "")).await;
    assert_eq!(said["listen"], address);
    let (_, said) = answer(&gateway, as_operator("GET", "/status", "")).await;
    assert_eq!(said["config"]["listen"], address);
}
