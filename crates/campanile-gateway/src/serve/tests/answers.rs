use super::*;

#[tokio::test(start_paused = true)]
async fn chats_are_answered_in_the_callers_dialect() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    let answer = client
        .ask("/v1/chat/completions", "x-request-id: mine\r\n", &chat())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["object"], "chat.completion");
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    let answer = client.ask("/chat/completions", "", &streamed()).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");

    let answer = client.ask("/v1/messages", "", &chat()).await;
    assert_eq!(answer.json()["type"], "message");
    assert_eq!(answer.header("request-id"), answer.header("x-request-id"));
    let answer = client.ask("/v1/v1/messages", "", &streamed()).await;
    assert!(answer.body.contains("event: message_stop"), "{answer:?}");

    let body = json!({ "model": "small", "input": ["a", "b"] });
    let answer = client.ask("/v1/embeddings", "", &body).await;
    assert_eq!(answer.json()["data"].as_array().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn requests_may_come_before_answers_went() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    let mut all = String::new();
    for _ in 0..10 {
        all += &request("/v1/chat/completions", "", &chat().to_string());
        all += "GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n";
    }
    client.send(all).await;
    for _ in 0..10 {
        assert_eq!(client.answer().await.status, 200);
        assert_eq!(client.answer().await.status, 404);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_said_in_the_callers_shape() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    let answer = client.get("/v2/nothing", "").await;
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].as_str()),
        (404, Some("unknown_url"))
    );
    assert!(answer.message().contains("POST /v1/chat/completions"));
    let answer = client
        .get("/v1/messages/batches", "anthropic-version: 2023-06-01\r\n")
        .await;
    assert_eq!(answer.json()["error"]["type"], "not_found_error");

    let answer = client.get("/v1/messages", "").await;
    assert_eq!(
        (answer.status, answer.header("allow")),
        (405, Some("post, options"))
    );
    assert_eq!(answer.json()["type"], "error");
    client
        .send("DELETE /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(
        client.answer().await.header("allow"),
        Some("get, head, options")
    );
    client
        .send("OPTIONS /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    assert_eq!(
        client.until("\r\n\r\n").await.split("\r\n").next(),
        Some("HTTP/1.1 204 No Content")
    );
    client
        .send("HEAD /v1/models HTTP/1.1\r\nhost: x\r\n\r\n")
        .await;
    let head = client.until("\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert_eq!(
        client.get("/healthz", "").await.status,
        200,
        "nothing came between"
    );
}

#[tokio::test(start_paused = true)]
async fn models_are_listed_in_both_forms() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    let list = client.get("/v1/models", "").await.json();
    let ids: Vec<_> = list["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|model| &model["id"])
        .collect();
    assert_eq!(ids, ["default", "large", "small"]);
    assert_eq!(list["object"], "list");
    let list = client
        .get("/v1/models?limit=2", "anthropic-version: 2023-06-01\r\n")
        .await
        .json();
    assert_eq!(
        (&list["has_more"], &list["last_id"]),
        (&json!(true), &json!("large"))
    );
    assert_eq!(
        client.get("/v1/models/small", "").await.json()["id"],
        "small"
    );
    let answer = client.get("/v1/models/gone", "").await;
    assert_eq!(
        (answer.status, answer.json()["error"]["code"].as_str()),
        (404, Some("model_not_found"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_stage_has_an_address_of_its_own() {
    let settings = "
providers:
  one: { simulated: { first_word: 0, words_per_second: 1000000 }, models: { red: null } }
  two: { simulated: { first_word: 0, words_per_second: 1000000 }, models: { blue: null, green: null } }
pools: { a: { members: [one] }, b: { members: [two] } }
stages: { a: { models: [red], model: red }, b: { models: [blue, green], model: blue } }
";
    let served = served(&gateway(settings));
    let mut client = Client::new(&served);
    for (path, headers, model, by) in [
        ("/v1/chat/completions", "", "red", "one"),
        ("/stages/a/v1/chat/completions", "", "anything", "one"),
        ("/stages/b/v1/chat/completions", "", "red", "two"),
        ("/stages/b/chat/completions", "", "green", "two"),
        (
            "/v1/chat/completions",
            "x-campanile-stage: b\r\n",
            "red",
            "two",
        ),
        ("/v1/chat/completions", "", "a", "one"),
    ] {
        let mut body = chat();
        body["model"] = model.into();
        let answer = client.ask(path, headers, &body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(
            answer.body.contains(&format!("[simulated by {by}]")),
            "{path} {model}: {answer:?}"
        );
    }
    let answer = client
        .ask("/stages/c/v1/chat/completions", "", &chat())
        .await;
    assert_eq!(answer.status, 404);
    assert!(answer.message().contains("there are: a, b"));
    let list = client.get("/stages/b/v1/models", "").await.json();
    assert_eq!(list["data"].as_array().unwrap().len(), 3);
}
