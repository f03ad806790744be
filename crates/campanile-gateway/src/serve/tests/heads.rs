use super::*;

#[tokio::test(start_paused = true)]
async fn a_head_that_does_not_come_to_its_end_is_answered_with_408() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    // What comes late is not the first byte: that begins the time.
    tokio::time::sleep(SECOND * 60).await;
    client.send("POST /v1/chat/completions HTTP/1.1\r\n").await;
    let begun = Instant::now();
    for _ in 0..9 {
        tokio::time::sleep(SECOND).await;
        client.send("x-slow: 1\r\n").await;
    }
    let answer = client.answer().await;
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 10);
    assert_eq!(answer.status, 408);
    assert!(answer.message().contains("has not come in time"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    let served = served(&gateway(AT_ONCE));
    let begun = Instant::now();
    let mut client = Client::new(&served);
    assert!(client.is_closed().await);
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 120);

    // After a call as well, from its end.
    let mut client = Client::new(&served);
    tokio::time::sleep(SECOND * 100).await;
    assert_eq!(client.get("/healthz", "").await.status, 200);
    let begun = Instant::now();
    assert!(client.is_closed().await);
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn the_second_head_has_its_time_too() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    assert_eq!(client.get("/healthz", "").await.status, 200);
    tokio::time::sleep(SECOND * 50).await;
    let begun = Instant::now();
    client.send("GET /hea").await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_is_too_long_is_answered_with_431() {
    let served = served(&gateway(AT_ONCE));
    for head in [
        format!(
            "GET /healthz HTTP/1.1\r\nx: {}\r\n\r\n",
            "y".repeat(20 << 10)
        ),
        // One without an end.
        format!("GET /healthz HTTP/1.1\r\nx: {}", "y".repeat(20 << 10)),
        format!("GET /healthz HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(101)),
    ] {
        let mut client = Client::new(&served);
        client.send(head).await;
        let answer = client.answer().await;
        assert_eq!(answer.status, 431, "{answer:?}");
        assert!(answer.message().contains("too long"));
        assert_eq!(answer.json()["type"], "error", "in both dialects' shape");
    }
    let mut client = Client::new(&served);
    let long = format!("x: {}\r\n", "y".repeat(15 << 10));
    assert_eq!(client.get("/healthz", &long).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_http_is_answered_with_400() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    client.send("\x16\x03\x01 hello\r\n\r\n").await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 400);
    assert!(answer.message().contains("not HTTP"));
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_came_with_the_request_before_has_its_time_too() {
    for head_timeout in [10, 2] {
        let settings = format!("{AT_ONCE}server: {{ head_timeout: {head_timeout} }}\n");
        let served = served(&gateway(&settings));
        let mut client = Client::new(&served);
        let whole = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
        client.send(format!("{whole}{whole}GET /hea")).await;
        for _ in 0..2 {
            assert_eq!(client.answer().await.status, 200);
        }
        let begun = Instant::now();
        assert_eq!(client.answer().await.status, 408);
        let waited = Instant::now().duration_since(begun).as_secs();
        assert_eq!(waited, head_timeout);
    }
}

#[tokio::test(start_paused = true)]
async fn who_speaks_http2_is_told_what_is_spoken() {
    let served = served(&gateway(AT_ONCE));
    let mut client = Client::new(&served);
    client
        .send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0")
        .await;
    let answer = client.answer().await;
    assert_eq!(answer.status, 505);
    assert!(answer.message().contains("HTTP/1.1 is spoken here"));
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_cannot_be_read_has_a_name_and_is_counted() {
    let gateway = gateway(AT_ONCE);
    let mut client = Client::new(&served(&gateway));
    client.send("\x16\x03\x01 hello\r\n\r\n").await;
    let answer = client.answer().await;
    let id = answer.header("x-request-id");
    assert!(id.is_some() && id == answer.header("request-id"));
    assert_eq!(answer.json()["request_id"].as_str(), id);
    let counts = gateway.kept().standing.refusals.total();
    assert_eq!(counts, 1);
}
