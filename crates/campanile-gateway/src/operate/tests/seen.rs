//! Health, metrics, status, ids, the access log.

use std::collections::{HashMap, HashSet};

use super::*;

async fn one_chat(gateway: &Gateway, stream: bool) {
    let response = send(gateway, chat().body(message(stream)).unwrap()).await;
    assert_eq!(response.status(), 200);
    assert!(!text(response).await.is_empty());
}

fn close(gateway: &Gateway, member: &str) {
    let members = gateway.live().pools["main"].members();
    let member = members.iter().find(|other| other.name() == member);
    member.unwrap().disable();
}

#[tokio::test(start_paused = true)]
async fn it_is_ready_while_some_stage_can_serve() {
    let gateway = gateway(SETTINGS);
    assert_eq!(text(send(&gateway, get("/healthz")).await).await, "ok\n");
    let (status, said) = answer(&gateway, get("/readyz")).await;
    assert_eq!((status, &said["ready"]), (StatusCode::OK, &json!(true)));
    assert_eq!(said["stages"]["chat"]["able"], 2);
    close(&gateway, "one");
    let (status, said) = answer(&gateway, get("/readyz?stage=chat")).await;
    assert_eq!(
        (status, &said["stages"]["chat"]["able"]),
        (StatusCode::OK, &json!(1))
    );
    close(&gateway, "two");
    let (status, said) = answer(&gateway, get("/readyz?stage=chat")).await;
    assert_eq!(
        (status, &said["ready"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!(false))
    );
    let (status, said) = answer(&gateway, get("/readyz?stage=other")).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(
        said["error"]["message"]
            .as_str()
            .unwrap()
            .ends_with("there are: chat")
    );
    assert_eq!(
        send(&gateway, get("/healthz")).await.status(),
        200,
        "it lives"
    );
}

#[tokio::test(start_paused = true)]
async fn it_is_not_ready_while_it_stops() {
    let gateway = gateway(SETTINGS);
    gateway.stop();
    let (status, said) = answer(&gateway, get("/readyz")).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        (&said["stopping"], &said["stages"]["chat"]["ready"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_of_everything() {
    let gateway = gateway(SETTINGS);
    one_chat(&gateway, false).await;
    one_chat(&gateway, true).await;
    close(&gateway, "two");
    let (status, said) = answer(&gateway, get("/status")).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(said["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(said["stages"]["chat"]["pool"], "main");
    let members = said["pools"]["main"]["members"].as_array().unwrap();
    let keys: Vec<_> = members
        .iter()
        .map(|member| member["key"].as_str().unwrap())
        .collect();
    assert_eq!(keys, ["one", "two"]);
    assert_eq!(members[1]["closed"][0]["reason"], "disabled");
    assert_eq!(members[0]["breaker"]["state"], "closed");
    let used = &said["usage"]["by_tenant"]["acme"];
    assert_eq!(used["calls"], 2);
    assert!(used["output_tokens"].as_u64().unwrap() > 0);
    assert_eq!(said["budgets"]["acme"][0]["limit"], 5.0);
    assert_eq!(said["keys"][0]["name"], "app");
    assert_eq!(said["keys"][0]["concurrency"]["limit"], 5);
    assert!(
        said["calls"]["stages"]
            .as_array()
            .is_some_and(|stages| !stages.is_empty())
    );

    let table = text(send(&gateway, get("/status?format=table")).await).await;
    for told in [
        "stage chat: ready, 1 of 2",
        "main / two",
        "disabled",
        "tenant acme",
        "budgets",
    ] {
        assert!(table.contains(told), "{told}:\n{table}");
    }
    assert_eq!(
        send(&gateway, get("/status?format=xml")).await.status(),
        400
    );
}

/// Heads of families, each once and before its samples, and no sample twice.
fn check(text: &str, open: bool) -> HashMap<String, String> {
    let mut types = HashMap::new();
    let mut samples = HashSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if line == "# EOF" {
            continue;
        }
        if let Some(head) = line.strip_prefix("# TYPE ") {
            let (name, kind) = head.split_once(' ').unwrap();
            family = name.to_owned();
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "twice: {name}"
            );
        } else if !line.starts_with('#') {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(series.to_owned()), "twice: {series}");
            let name = series.split('{').next().unwrap();
            assert!(name.starts_with(&family), "{name} is in {family}");
            if open && types[&family] == "counter" {
                assert!(name.ends_with("_total"), "{name}");
            }
        }
    }
    assert_eq!(text.ends_with("# EOF\n"), open);
    assert_eq!(text.matches("# EOF").count(), usize::from(open));
    types
}

#[tokio::test(start_paused = true)]
async fn metrics_are_in_both_formats() {
    let gateway = gateway(SETTINGS);
    one_chat(&gateway, false).await;
    let plain = send(&gateway, get("/metrics")).await;
    assert!(
        plain.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain; version=0.0.4")
    );
    let plain = text(plain).await;
    let types = check(&plain, false);
    assert_eq!(types["campanile_usage_dollars_total"], "counter");
    assert_eq!(types["campanile_tenant_budget_left"], "gauge");
    for sample in [
        r#"campanile_tenant_attempts_total{tenant="acme"} 1"#,
        r#"campanile_tenant_budget_limit{tenant="acme",budget="#,
        r#"campanile_key_concurrency_limit{key="app"} 5"#,
        r#"campanile_key_rate_limit_left{key="app",unit="requests"} "#,
        r#"campanile_stage_ready{stage="chat"} 1"#,
        r#"campanile_config_reloads_total{result="applied"} 0"#,
        concat!(
            r#"campanile_build_info{version=""#,
            env!("CARGO_PKG_VERSION"),
            r#""} 1"#
        ),
    ] {
        assert!(plain.contains(sample), "{sample}:\n{plain}");
    }
    let request = Request::get("/metrics").header("accept", "application/openmetrics-text");
    let open = send(&gateway, request.body(Body::empty()).unwrap()).await;
    assert!(
        open.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let types = check(&text(open).await, true);
    assert_eq!(types["campanile_usage_dollars"], "counter");
    assert_eq!(types["campanile_build"], "info");
}

#[tokio::test(start_paused = true)]
async fn names_that_clients_make_up_are_bounded() {
    let gateway = gateway(SETTINGS);
    let standing = &gateway.kept().standing;
    for number in 0..500 {
        let _ = standing.name("tenant", &format!("t{number}"));
    }
    assert_eq!(standing.name("tenant", "t7"), "t7", "it keeps its series");
    assert_eq!(standing.name("tenant", "t300"), "(other)");
    assert_eq!(standing.name("model", "m"), "m", "each kind has its own");
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_an_id() {
    let gateway = gateway(SETTINGS);
    let ask = |path: &str, id: &str| {
        Request::get(path)
            .header("x-request-id", id)
            .body(Body::empty())
            .unwrap()
    };
    let id = |response: &Response<Body>| {
        response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        id(&send(&gateway, ask("/healthz", "mine-7")).await),
        "mine-7"
    );
    assert_eq!(
        id(&send(&gateway, ask("/nowhere", "mine-8")).await),
        "mine-8"
    );
    let long = "x".repeat(129);
    for bad in ["", "two words", long.as_str()] {
        let made = id(&send(&gateway, ask("/healthz", bad)).await);
        assert!(made.len() == 32 && made != bad, "{made}");
    }
    let response = send(&gateway, chat().body(Body::from("{")).unwrap()).await;
    assert_eq!(response.status(), 400);
    assert_eq!(id(&response).len(), 32);
}

#[tokio::test(start_paused = true)]
async fn the_access_log_has_a_line_for_each_call_that_it_is_to() {
    let with = |access: &str| gateway(&format!("{SETTINGS}\nlog: {{ access: {access} }}\n"));
    let lines = Lines::default();
    let guard = lines.take_down();
    let count = |lines: &Lines| lines.text().matches("campanile::access").count();
    one_chat(&gateway(SETTINGS), false).await;
    assert_eq!(count(&lines), 0, "it is off by default");
    let failed = with("failed");
    one_chat(&failed, false).await;
    assert_eq!(count(&lines), 0, "it went well");
    let bad = send(&failed, chat().body(Body::from("{")).unwrap()).await;
    drop(text(bad).await);
    assert_eq!(count(&lines), 1);
    let all = with("all");
    let response = send(&all, chat().body(message(true)).unwrap()).await;
    assert_eq!(count(&lines), 1, "its end has not come");
    drop(text(response).await);
    assert_eq!(count(&lines), 2);
    let given_up = send(&all, chat().body(message(true)).unwrap()).await;
    drop(given_up);
    let text = lines.text();
    assert_eq!(count(&lines), 3);
    drop(guard);
    let lines: Vec<_> = text
        .lines()
        .filter(|line| line.contains("campanile::access"))
        .collect();
    assert!(
        lines[0].contains("status=400") && lines[0].contains(r#"key="app""#),
        "{}",
        lines[0]
    );
    for told in [
        r#"end="whole""#,
        r#"tenant="acme""#,
        "status=200",
        r#"model="chat""#,
        "bytes=",
    ] {
        assert!(lines[1].contains(told), "{told}: {}", lines[1]);
    }
    assert!(lines[2].contains(r#"end="given_up""#), "{}", lines[2]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_failed_is_told_as_one() {
    let settings = SETTINGS.replace(
        "first_word: 10ms,",
        "first_word: 10ms, cuts_per_thousand: 1000,",
    );
    let failed = gateway(&format!("{settings}\nlog: {{ access: failed }}\n"));
    let lines = Lines::default();
    let guard = lines.take_down();
    let response = send(&failed, chat().body(message(true)).unwrap()).await;
    assert_eq!(response.status(), 200);
    let body = text(response).await;
    assert!(
        body.contains("interrupted") && !body.contains("[DONE]"),
        "{body}"
    );
    drop(guard);
    let all = lines.text();
    let line = all.lines().find(|line| line.contains("campanile::access"));
    let line = line.unwrap_or_else(|| panic!("there is no line: {all}"));
    for told in ["status=200", r#"end="failed""#, "error=\"interrupted\""] {
        assert!(line.contains(told), "{told}: {line}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_no_stage_saw_is_logged_and_counted() {
    let settings = SETTINGS.replace("requests_per_minute: 100", "requests_per_minute: 1");
    let failing = settings.replace(
        "first_word: 10ms,",
        "first_word: 10ms, failures_per_thousand: 1000,",
    );
    let gateway = gateway(&failing);
    let lines = Lines::default();
    let guard = lines.take_down();
    let stranger = Request::post("/v1/chat/completions").header("x-request-id", "stranger");
    let response = send(&gateway, stranger.body(message(false)).unwrap()).await;
    assert_eq!(response.status(), 401);
    let response = send(&gateway, chat().body(message(false)).unwrap()).await;
    assert_eq!(response.status(), 502, "the stage has a line of its own");
    let limited = chat().header("x-request-id", "limited");
    let response = send(&gateway, limited.body(message(false)).unwrap()).await;
    assert_eq!(response.status(), 429);
    assert_eq!(send(&gateway, get("/nowhere")).await.status(), 404);
    drop(guard);
    let text_of_log = lines.text();
    let access: Vec<_> = text_of_log
        .lines()
        .filter(|line| line.contains("campanile::access"))
        .collect();
    assert_eq!(access.len(), 3, "{access:#?}");
    for (line, told) in access.iter().zip([
        r#"id="stranger" method="POST" path="/v1/chat/completions" status=401 error="request""#,
        r#"id="limited" method="POST" path="/v1/chat/completions" status=429 key="app" tenant="acme""#,
        r#"path="/nowhere" status=404"#,
    ]) {
        assert!(line.contains(told), "{told}: {line}");
    }
    let failures = text_of_log
        .lines()
        .filter(|line| line.contains("campanile::call"));
    assert!(failures.count() > 0);
    let metrics = text(send(&gateway, get("/metrics")).await).await;
    for sample in [
        r#"campanile_error_answers_total{key="",status="401",error="request"} 1"#,
        r#"campanile_error_answers_total{key="app",status="429",error="refused"} 1"#,
        r#"campanile_error_answers_total{key="app",status="502",error="server"} 1"#,
        r#"campanile_error_answers_total{key="",status="404",error="request"} 1"#,
    ] {
        assert!(metrics.contains(sample), "{sample}:\n{metrics}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_takes_another_method_says_so() {
    let gateway = gateway(SETTINGS);
    let patch = Request::patch("/healthz").body(Body::empty()).unwrap();
    let response = send(&gateway, patch).await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()["allow"], "GET,HEAD");
    let said: Value = serde_json::from_str(&text(response).await).unwrap();
    assert_eq!(said["error"]["type"], "invalid_request_error");
}
