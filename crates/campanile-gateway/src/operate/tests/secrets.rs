//! A hostile reader reads everything that there is to read.

use super::*;

/// What must not be seen anywhere, nor any half of it.
const SECRETS: [&str; 5] = [
    "SECRET-provider-key-7f3a",
    "SECRET-header-value-91bc",
    "SECRET-caller-key-55de",
    "SECRET-operator-token-08aa",
    "SECRET-second-caller-c0fe",
];

#[track_caller]
fn assert_hidden(what: &str, text: &str) {
    for secret in SECRETS {
        for part in [secret, &secret[..14], &secret[secret.len() - 10..]] {
            assert!(!text.contains(part), "{what} shows {part}:\n{text}");
        }
    }
}

/// A provider that says in its errors, and where it may, with which headers it was called. They are of the status that stands
/// in the message.
async fn echoing() -> std::net::SocketAddr {
    let app = axum::Router::new().fallback(async |request: Request<Body>| {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let asked = String::from_utf8_lossy(&body).into_owned();
        let statuses = [400, 401, 429, 500];
        let status = statuses
            .into_iter()
            .find(|status| asked.contains(&format!("answer {status}")));
        let request = Request::from_parts(parts, ());
        let headers = request.headers();
        let key = headers["authorization"].to_str().unwrap().to_owned();
        let more = headers["x-extra"].to_str().unwrap().to_owned();
        assert!(
            key.contains(SECRETS[0]) && more == SECRETS[1],
            "they are sent"
        );
        let error = json!({"error": {
            "message": format!("Incorrect API key provided: {key}. Headers: x-extra={more}"),
            "type": key, "code": more, "param": key,
        }});
        (
            StatusCode::from_u16(status.unwrap()).unwrap(),
            [
                ("content-type", "application/json"),
                ("x-request-id", SECRETS[0]),
            ],
            error.to_string(),
        )
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

fn settings(address: std::net::SocketAddr) -> String {
    format!(
        r#"
admin: {{ token: {} }}
log: {{ access: all }}
providers:
  echo: {{ base_url: "http://{address}/v1", key: {}, headers: {{ x-extra: {} }} }}
pools:
  main: {{ members: [echo], retry: null }}
stages:
  chat: {{ pool: main, model: m }}
default_stage: chat
keys:
  app: {{ secret: {}, tenant: acme, budgets: [{{ unit: money, limit: "5", period: month }}] }}
  other: {{ secret: {} }}
"#,
        SECRETS[3], SECRETS[0], SECRETS[1], SECRETS[2], SECRETS[4]
    )
}

fn call(status: u16, stream: bool, key: &str) -> Request<Body> {
    let message = json!({
        "model": "chat",
        "stream": stream,
        "messages": [{"role": "user", "content": format!("answer {status}")}],
    });
    Request::post("/v1/chat/completions?key=SECRET-caller-key-55de")
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .header("x-campanile-trail", "1")
        .body(Body::from(message.to_string()))
        .unwrap()
}

#[tokio::test]
async fn no_secret_is_seen_anywhere() {
    let lines = Lines::default();
    let guard = lines.take_down();
    let settings = settings(echoing().await);
    let loaded = config::load(&settings).unwrap();
    assert_hidden("Debug of the settings", &format!("{loaded:?}"));
    assert_hidden("Debug of the settings", &format!("{:#?}", loaded.config));
    let gateway = Gateway::new(loaded.config).unwrap();
    assert_hidden(
        "Debug of the gateway",
        &format!("{gateway:?} {:?}", gateway.kept().standing),
    );

    let errors = [400, 401, 429, 500].map(|status| [(status, false), (status, true)]);
    for (status, stream) in errors.into_iter().flatten() {
        // Each by a gateway of its own: a provider that takes no key is asked no more for a while.
        let loaded = config::load(&settings).unwrap();
        let gateway = Gateway::new(loaded.config).unwrap();
        let response = send(&gateway, call(status, stream, SECRETS[2])).await;
        let status = response.status();
        assert!(status.is_client_error() || status.is_server_error());
        assert!(response.headers().contains_key("x-campanile-trail"));
        assert_hidden("the head of an error", &format!("{:?}", response.headers()));
        let body = text(response).await;
        if status == 400 {
            assert!(
                body.contains("API key provided"),
                "it is the provider's error: {body}"
            );
        }
        assert_hidden("an error", &body);
        let request =
            Request::get("/status").header("authorization", format!("Bearer {}", SECRETS[3]));
        let response = send(&gateway, request.body(Body::empty()).unwrap()).await;
        assert_hidden("the status after it", &text(response).await);
    }
    let response = send(&gateway, call(400, false, SECRETS[2])).await;
    assert_hidden("an error", &text(response).await);
    // A caller with a wrong key, or with an operator's.
    for key in [&SECRETS[2][..20], SECRETS[3]] {
        let response = send(&gateway, call(400, false, key)).await;
        assert_eq!(response.status(), 401);
        assert_hidden("a refusal", &text(response).await);
    }
    let operator = |path: &str| {
        let request = Request::get(path).header("authorization", format!("Bearer {}", SECRETS[3]));
        request.body(Body::empty()).unwrap()
    };
    for path in [
        "/status",
        "/status?format=table",
        "/metrics",
        "/admin/members",
        "/admin/config",
        "/admin",
        "/readyz",
        "/",
    ] {
        let response = send(&gateway, operator(path)).await;
        assert_hidden(path, &format!("{:?}", response.headers()));
        let body = text(response).await;
        assert!(!body.is_empty(), "{path}");
        assert_hidden(path, &body);
    }
    let config = text(send(&gateway, operator("/admin/config")).await).await;
    assert!(config.contains("***"), "they are there, hidden: {config}");
    let refused =
        Request::get("/admin/config").header("authorization", "Bearer SECRET-operator-token-08ab");
    assert_hidden(
        "a refusal",
        &text(send(&gateway, refused.body(Body::empty()).unwrap()).await).await,
    );

    drop(guard);
    let lines = lines.text();
    assert!(
        lines.contains("campanile::access") && lines.contains("campanile::call"),
        "{lines}"
    );
    assert_hidden("the log", &lines);
}

#[test]
fn settings_that_are_refused_show_no_secret() {
    for broken in [
        format!("providers:\n  a: {{ key: {}, nonsense: 1 }}\n", SECRETS[0]),
        format!("keys:\n  a: {{ secret: [{}] }}\n", SECRETS[2]),
        format!("admin: {{ token: {}, opem: true }}\n", SECRETS[3]),
        format!("providers:\n  a:\n    key: {}\n   headers: 7\n", SECRETS[0]),
        format!("providers:\n  a: {{ headers: {} }}\n", SECRETS[1]),
    ] {
        match config::load(&broken) {
            Ok(loaded) => panic!("it is refused: {loaded:?}"),
            Err(error) => assert_hidden(
                &broken.replace("SECRET", "..."),
                &format!("{error} {error:?}"),
            ),
        }
    }
}
