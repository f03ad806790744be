use super::*;

const CHAT: &str = "/v1/chat/completions";

const KEYS: &str = "
providers:
  sim: { simulated: { first_word: 0, words_per_second: 1000000 }, models: { small: null, large: null, secret: null } }
keys:
  plain: { secret: sk-plain }
  few: { secret: sk-few, models: [small, 'lar*'] }
  batch: { secret: sk-batch, priority: batch }
  boss: { secret: sk-boss, may_raise_priority: true }
  slow: { secret: sk-slow, limits: { requests_per_minute: 2 } }
  poor-1: { secret: sk-poor-1, tenant: poor, budgets: [{ unit: tokens, limit: 2000, period: day }] }
  poor-2: { secret: sk-poor-2, tenant: poor, budgets: [{ unit: tokens, limit: 2000, period: day }] }
";

fn bearer(key: &str) -> String {
    format!("authorization: Bearer {key}\r\n")
}

#[tokio::test(start_paused = true)]
async fn a_caller_is_known_by_its_key() {
    let served = served(&gateway(KEYS));
    let mut client = Client::new(&served);
    for (headers, status) in [
        (bearer("sk-plain"), 200),
        ("Authorization: bearer  sk-plain\r\n".to_owned(), 200),
        ("x-api-key: sk-plain\r\n".to_owned(), 200),
        (
            "authorization: Bearer other\r\nx-api-key: sk-plain\r\n".to_owned(),
            200,
        ),
        (String::new(), 401),
        (bearer(""), 401),
        (bearer("sk-plai"), 401),
        (bearer("sk-plainx"), 401),
        ("authorization: Basic sk-plain\r\n".to_owned(), 401),
    ] {
        for path in [CHAT, "/v1/messages"] {
            let answer = client.ask(path, &headers, &chat()).await;
            assert_eq!(answer.status, status, "{headers} {answer:?}");
            if status == 401 {
                assert_eq!(answer.header("x-should-retry"), Some("false"));
                assert_eq!(answer.header("www-authenticate"), Some("bearer"));
                let kind = if path == CHAT {
                    "invalid_request_error"
                } else {
                    "authentication_error"
                };
                assert_eq!(answer.json()["error"]["type"], kind);
                assert!(!answer.body.contains("sk-pl"), "{answer:?}");
                // Its body was not waited for.
                client = Client::new(&served);
            }
        }
    }
    assert_eq!(client.get("/v1/models", "").await.status, 401);
    assert_eq!(client.get("/healthz", "").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_key_sees_its_models_only() {
    let served = served(&gateway(KEYS));
    let mut client = Client::new(&served);
    let list = client.get("/v1/models", &bearer("sk-few")).await.json();
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["large", "small"]);
    for (model, status) in [
        ("small", 200),
        ("large", 200),
        ("secret", 404),
        ("largest", 404),
    ] {
        let mut body = chat();
        body["model"] = model.into();
        let answer = client.ask(CHAT, &bearer("sk-few"), &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 404 {
            assert_eq!(answer.json()["error"]["code"], "model_not_found");
            assert!(
                answer.message().ends_with("there are: large, small"),
                "{answer:?}"
            );
        }
    }
    assert_eq!(
        client
            .get("/v1/models/secret", &bearer("sk-few"))
            .await
            .status,
        404
    );
    assert_eq!(
        client
            .get("/v1/models/secret", &bearer("sk-plain"))
            .await
            .status,
        200
    );
}

#[tokio::test(start_paused = true)]
async fn a_priority_may_be_lowered_and_raised_by_leave() {
    let served = served(&gateway(KEYS));
    let mut client = Client::new(&served);
    for (key, priority, status) in [
        ("sk-batch", "sheddable", 200),
        ("sk-batch", "batch", 200),
        ("sk-batch", "normal", 403),
        ("sk-plain", "critical", 403),
        ("sk-boss", "critical", 200),
        ("sk-boss", "urgent", 400),
    ] {
        let headers = format!("{}x-campanile-priority: {priority}\r\n", bearer(key));
        let answer = client.ask(CHAT, &headers, &chat()).await;
        assert_eq!(answer.status, status, "{key} {priority} {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_is_told_and_kept() {
    let gateway = gateway(KEYS);
    let served = served(&gateway);
    let mut client = Client::new(&served);
    let slow = bearer("sk-slow");
    let answer = client.ask(CHAT, &slow, &chat()).await;
    assert_eq!(answer.header("x-ratelimit-limit-requests"), Some("2"));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("1"));
    // Some of it came in while the answer was written.
    let reset = answer.header("x-ratelimit-reset-requests").unwrap();
    assert!(reset == "30s" || reset.starts_with("29.9"), "{reset}");
    let answer = client.ask("/v1/messages", &slow, &chat()).await;
    assert_eq!(
        answer.header("anthropic-ratelimit-requests-remaining"),
        Some("0")
    );
    let answer = client.ask(CHAT, &slow, &chat()).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (429, Some("30"))
    );
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert_eq!(answer.json()["error"]["code"], "rate_limit_exceeded");
    // Others have theirs.
    let answer = client.ask(CHAT, &bearer("sk-plain"), &chat()).await;
    assert_eq!(
        (answer.status, answer.header("x-ratelimit-limit-requests")),
        (200, None)
    );

    // What is taken stays taken, whether its limit changes or not.
    for (limit, left) in [(2, "0"), (4, "2")] {
        let changed = KEYS.replace(
            "requests_per_minute: 2",
            &format!("requests_per_minute: {limit}"),
        );
        gateway
            .reload(config::load(&changed).unwrap().config)
            .unwrap();
        let answer = client.ask("/v1/messages", &slow, &json!({})).await;
        assert_eq!(
            answer.header("anthropic-ratelimit-requests-remaining"),
            Some(left),
            "{answer:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn keys_of_a_tenant_spend_the_same_money() {
    let gateway = gateway(KEYS);
    let served = served(&gateway);
    let mut client = Client::new(&served);
    let mut answered = 0;
    loop {
        let key = if answered % 2 == 0 {
            "sk-poor-1"
        } else {
            "sk-poor-2"
        };
        let answer = client.ask(CHAT, &bearer(key), &chat()).await;
        if answer.status != 200 {
            assert_eq!(answer.status, 429, "{answer:?}");
            assert_eq!(answer.json()["error"]["code"], "insufficient_quota");
            assert_eq!(answer.header("x-should-retry"), Some("false"));
            assert!(answer.header("retry-after").is_some());
            break;
        }
        answered += 1;
        assert!(answered < 1000);
    }
    assert!(answered > 1, "both keys had some of it");
    // A change of something else gives nothing back, a higher limit gives room.
    for (limit, status) in [(2000, 429), (200_000, 200)] {
        let changed = KEYS.replace("limit: 2000", &format!("limit: {limit}"));
        let changed = changed.replace("models: [small, 'lar*']", "models: [small]");
        gateway
            .reload(config::load(&changed).unwrap().config)
            .unwrap();
        let answer = client.ask(CHAT, &bearer("sk-poor-1"), &chat()).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_keys_cannot_be_is_refused() {
    // The file is checked when it is read; settings that were made otherwise are not.
    let mut config = config::load(KEYS).unwrap().config;
    let mut same = config.clone();
    same.keys.get_mut("few").unwrap().secret = "sk-plain".into();
    let error = Gateway::new(same).unwrap_err().to_string();
    assert!(
        error.contains("each key has a secret of its own"),
        "{error}"
    );
    assert!(!error.contains("sk-plain"), "{error}");
    config.keys.get_mut("poor-1").unwrap().budgets[0].limit = 3000;
    let error = Gateway::new(config).unwrap_err().to_string();
    assert!(
        error.contains("keys of one tenant share their budgets"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn an_error_names_the_call_as_its_headers_do() {
    let settings = "
providers:
  sim: { simulated: { failures_per_thousand: 1000 }, models: { small: null } }
keys: { one: { secret: sk-one } }
";
    let served = served(&gateway(settings));
    let mut client = Client::new(&served);
    for (headers, status) in [(bearer("sk-one"), 502), (bearer("sk-none"), 401)] {
        let answer = client.ask("/v1/messages", &headers, &chat()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        let id = answer.header("request-id");
        assert!(id.is_some() && id == answer.header("x-request-id"));
        assert_eq!(answer.json()["request_id"].as_str(), id, "{answer:?}");
        client = Client::new(&served);
    }
    let answer = client.get("/v1/messages", "").await;
    let id = answer.header("request-id");
    assert_eq!((answer.status, id), (405, answer.header("x-request-id")));
    assert_eq!(answer.json()["request_id"].as_str(), id);
}
