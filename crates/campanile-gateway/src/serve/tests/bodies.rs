use super::*;

const CHAT: &str = "/v1/chat/completions";

fn small() -> Arc<Served> {
    served(&gateway(&format!(
        "{AT_ONCE}server: {{ max_body: 2000 }}\n"
    )))
}

#[tokio::test(start_paused = true)]
async fn a_body_that_says_it_is_too_large_is_refused_at_once() {
    let served = small();
    for (path, kind) in [
        (CHAT, "invalid_request_error"),
        ("/v1/messages", "request_too_large"),
    ] {
        let mut client = Client::new(&served);
        let head = "content-type: application/json\r\ncontent-length: 2001\r\n";
        client
            .send(format!("POST {path} HTTP/1.1\r\nhost: x\r\n{head}\r\n"))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 413);
        assert!(answer.message().contains("larger than 2000 bytes"));
        assert_eq!(answer.json()["error"]["type"], kind);
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        // It may go on sending, and is heard out.
        client.send("x".repeat(2001)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_turns_out_too_large_is_refused_when_it_does() {
    let served = small();
    let mut client = Client::new(&served);
    let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    client
        .send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}\r\n"))
        .await;
    for _ in 0..3 {
        client.send(format!("320\r\n{}\r\n", " ".repeat(800))).await;
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(client.answer().await.status, 413);
    // It is read on, so that the answer is not lost: but not for ever.
    let begun = Instant::now();
    assert!(client.is_closed().await);
    assert!(Instant::now().duration_since(begun) <= SECOND * 3);
}

#[tokio::test(start_paused = true)]
async fn chunks_are_put_together() {
    let served = small();
    let mut client = Client::new(&served);
    let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
    client
        .send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}\r\n"))
        .await;
    for byte in chat().to_string().chars() {
        client.send(format!("1\r\n{byte}\r\n")).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.status, 200);
    assert_eq!(client.get("/healthz", "").await.status, 200, "it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_with_408() {
    let served = small();
    let mut client = Client::new(&served);
    let head = "content-type: application/json\r\ncontent-length: 500\r\n";
    client
        .send(format!("POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}\r\n{{"))
        .await;
    let begun = Instant::now();
    for _ in 0..59 {
        tokio::time::sleep(SECOND).await;
        client.send(" ").await;
    }
    let answer = client.answer().await;
    assert_eq!(
        (
            answer.status,
            Instant::now().duration_since(begun).as_secs()
        ),
        (408, 60)
    );
    assert!(answer.message().contains("within 60 s"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_asks_first_is_told_to_go_on_only_if_it_may() {
    let served = small();
    let body = chat().to_string();
    let head = |length: usize| {
        format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut client = Client::new(&served);
    client.send(head(body.len())).await;
    assert_eq!(
        client.until("\r\n\r\n").await,
        "HTTP/1.1 100 Continue\r\n\r\n"
    );
    client.send(&body).await;
    assert_eq!(client.answer().await.status, 200);

    let mut client = Client::new(&served);
    client.send(head(2001)).await;
    assert_eq!(client.answer().await.status, 413, "and no 100 before it");
}

#[tokio::test(start_paused = true)]
async fn only_json_is_taken() {
    let served = small();
    let mut client = Client::new(&served);
    let body = chat().to_string();
    for (kind, status) in [
        ("content-type: application/json; charset=utf-8\r\n", 200),
        ("content-type: Application/JSON\r\n", 200),
        ("content-type: text/plain\r\n", 415),
        ("content-type: application/x-www-form-urlencoded\r\n", 415),
        ("", 415),
        (
            "content-type: application/json\r\ncontent-encoding: identity\r\n",
            200,
        ),
        (
            "content-type: application/json\r\ncontent-encoding: gzip\r\n",
            415,
        ),
    ] {
        let length = body.len();
        client
            .send(format!(
                "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{kind}content-length: {length}\r\n\r\n{body}"
            ))
            .await;
        let answer = client.answer().await;
        assert_eq!(answer.status, status, "{kind}");
        if answer.header("connection") == Some("close") {
            client = Client::new(&served);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_goes_on_after_an_error() {
    let served = small();
    let mut client = Client::new(&served);
    for (body, param) in [
        (json!({}), "model"),
        (json!({ "model": "small" }), "messages"),
        (json!([1]), ""),
        (json!({ "model": "nobodys", "messages": [] }), "model"),
    ] {
        let answer = client.ask(CHAT, "", &body).await;
        let status = if param == "model" && body["model"].is_string() {
            404
        } else {
            400
        };
        assert_eq!(answer.status, status, "{answer:?}");
        let error = &answer.json()["error"];
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!(error["param"].as_str().unwrap_or_default(), param);
    }
    client.send(request(CHAT, "", "")).await;
    assert_eq!(client.answer().await.status, 400);
    assert_eq!(client.ask(CHAT, "", &chat()).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn bodies_together_have_so_much_room() {
    let settings = format!("{AT_ONCE}server: {{ max_body: 5000, max_body_memory: 8000 }}\n");
    let served = served(&gateway(&settings));
    let half = |client: &mut Client, text: &str| {
        let head = "content-type: application/json\r\ntransfer-encoding: chunked\r\n";
        let text = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: x\r\n{head}\r\n3e8\r\n{}\r\n",
            text.repeat(1000)
        );
        let chunk = format!("7d0\r\n{}\r\n", " ".repeat(2000));
        let mut pipe = std::mem::replace(&mut client.pipe, tokio::io::duplex(1).0);
        async move {
            pipe.write_all(text.as_bytes()).await.unwrap();
            tokio::time::sleep(SECOND).await;
            pipe.write_all(chunk.as_bytes()).await.unwrap();
            tokio::time::sleep(SECOND).await;
            pipe
        }
    };
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = Client::new(&served);
        client.pipe = half(&mut client, " ").await;
        clients.push(client);
    }
    assert_eq!(
        served.bodies.load(std::sync::atomic::Ordering::Relaxed),
        6000
    );
    let mut third = Client::new(&served);
    third.pipe = half(&mut third, " ").await;
    let answer = third.answer().await;
    assert_eq!(
        (answer.status, answer.header("x-should-retry")),
        (503, Some("true"))
    );
    assert!(answer.message().contains("max_body_memory"), "{answer:?}");
    // One that comes in one piece takes none of it, and what ends gives it back.
    let mut small = Client::new(&served);
    assert_eq!(small.ask(CHAT, "", &chat()).await.status, 200);
    let rest = chat().to_string();
    clients[0]
        .send(format!("{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len()))
        .await;
    assert_eq!(clients[0].answer().await.status, 200);
    drop(clients);
    tokio::time::sleep(SECOND).await;
    assert_eq!(served.bodies.load(std::sync::atomic::Ordering::Relaxed), 0);
}
