use super::*;

const SLOW: &str = "providers: { sim: { simulated: { first_word: 5, words_per_second: 1, spread: 0 }, models: { small: null } } }\n";

#[tokio::test(start_paused = true)]
async fn a_stop_closes_what_is_idle_and_lets_answers_finish() {
    let gateway = gateway(SLOW);
    let served = served(&gateway);
    let mut idle = Client::new(&served);
    let mut used = Client::new(&served);
    assert_eq!(used.get("/healthz", "").await.status, 200);
    let mut busy = Client::new(&served);
    busy.post("/v1/chat/completions", "", &streamed()).await;
    let mut asking = Client::new(&served);
    tokio::time::sleep(SECOND * 6).await;

    // Nobody has looked at it when the stop begins.
    asking.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    gateway.stop();
    served.stop.enter(Phase::Stopping);
    assert_eq!(asking.answer().await.status, 503);
    assert!(idle.is_closed().await && used.is_closed().await);
    assert!(asking.is_closed().await);
    let mut late = Client::new(&served);
    let answer = late.ask("/v1/messages", "", &chat()).await;
    assert_eq!(
        (answer.status, answer.header("retry-after")),
        (503, Some("1"))
    );
    assert_eq!(answer.header("x-should-retry"), Some("true"));
    assert_eq!(answer.json()["error"]["type"], "overloaded_error");
    assert_eq!(answer.header("connection"), Some("close"));
    let answer = busy.answer().await;
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
    assert!(busy.is_closed().await);
    assert_eq!((served.stop.finished(), served.stop.cut()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_cut_and_says_so() {
    let gateway = gateway(SLOW);
    let served = served(&gateway);
    let mut openai = Client::new(&served);
    openai.post("/v1/chat/completions", "", &streamed()).await;
    let mut anthropic = Client::new(&served);
    let name = "x-request-id: theirs\r\n";
    anthropic.post("/v1/messages", name, &streamed()).await;
    tokio::time::sleep(SECOND * 6).await;
    let mut whole = Client::new(&served);
    let name = "x-request-id: mine\r\n";
    whole.post("/v1/chat/completions", name, &chat()).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(in_flight(&gateway), 3);

    gateway.stop();
    served.stop.enter(Phase::Stopping);
    tokio::time::sleep(SECOND).await;
    served.stop.enter(Phase::Cutting);
    let answer = openai.answer().await;
    assert!(answer.body.contains("[simulated") && !answer.body.contains("[DONE]"));
    assert!(answer.body.contains("the gateway stops"), "{answer:?}");
    let answer = anthropic.answer().await;
    assert!(answer.body.contains("event: error") && !answer.body.contains("message_stop"));
    assert!(
        answer.body.contains(r#""request_id":"theirs""#),
        "{answer:?}"
    );
    // It was sent: that it is to be sent twice nobody but its caller can say.
    let answer = whole.answer().await;
    assert_eq!(
        (answer.status, answer.header("x-should-retry")),
        (503, Some("false"))
    );
    assert_eq!(answer.json()["error"]["code"], "interrupted");
    assert_eq!(answer.header("x-request-id"), Some("mine"));
    tokio::time::sleep(SECOND).await;
    assert_eq!(in_flight(&gateway), 0);
    assert_eq!((served.stop.finished(), served.stop.cut()), (0, 3));
}

#[tokio::test(start_paused = true)]
async fn who_reads_nothing_does_not_hold_a_stop_up() {
    let settings = SLOW.replace(
        "first_word: 5, words_per_second: 1, spread: 0",
        "first_word: 0, words_per_second: 1000, words: 20000",
    );
    let gateway = gateway(&settings);
    let served = served(&gateway);
    let mut client = Client::with_pipe(&served, 256);
    let mut body = streamed();
    body["max_tokens"] = 100_000.into();
    client.post("/v1/chat/completions", "", &body).await;
    tokio::time::sleep(SECOND).await;
    for phase in [Phase::Stopping, Phase::Cutting, Phase::Gone] {
        served.stop.enter(phase);
        tokio::time::sleep(SECOND).await;
    }
    assert_eq!(in_flight(&gateway), 0);
    assert_eq!((served.stop.finished(), served.stop.cut()), (0, 1));
}

/// The whole, over real sockets and in real time.
#[tokio::test]
async fn a_server_stops() {
    let settings = "
listen: 127.0.0.1:0
providers: { sim: { simulated: { first_word: 0.1, words_per_second: 50 }, models: { small: null } } }
server: { stop_within: 20, max_connections: 2 }
";
    let gateway = gateway(settings);
    let server = crate::Server::bind(gateway.clone()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = request("/v1/chat/completions", "", &streamed().to_string());
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    socket.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    stop.send(()).unwrap();
    let mut rest = String::new();
    socket.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    let stopped = running.await.unwrap().unwrap();
    assert_eq!((stopped.finished, stopped.cut), (1, 0));
    assert!(gateway.stopping());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn settings_change_while_answers_run() {
    let gateway = gateway(SLOW);
    let served = served(&gateway);
    let mut client = Client::new(&served);
    client.post("/v1/chat/completions", "", &streamed()).await;
    tokio::time::sleep(SECOND * 6).await;
    let changed = SLOW.replace("small: null", "other: null");
    gateway
        .reload(config::load(&changed).unwrap().config)
        .unwrap();
    let answer = client.answer().await;
    assert!(answer.body.ends_with("data: [DONE]\n\n"), "{answer:?}");
    let answer = client.ask("/v1/chat/completions", "", &chat()).await;
    assert_eq!(
        answer.status, 404,
        "the same connection goes by what is new"
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_sent_nowhere_is_to_be_sent_again() {
    let gateway = gateway(SLOW);
    let served = served(&gateway);
    let mut client = Client::new(&served);
    let head = "content-type: application/json\r\ncontent-length: 500\r\n";
    client
        .send(format!(
            "POST /v1/messages HTTP/1.1\r\nhost: x\r\n{head}\r\n{{"
        ))
        .await;
    tokio::time::sleep(SECOND).await;
    for phase in [Phase::Stopping, Phase::Cutting] {
        served.stop.enter(phase);
        tokio::time::sleep(SECOND / 4).await;
    }
    let answer = client.answer().await;
    assert_eq!(
        (answer.status, answer.header("x-should-retry")),
        (503, Some("true"))
    );
    let id = answer.header("x-request-id");
    assert!(
        id.is_some() && id == answer.header("request-id"),
        "{answer:?}"
    );
    assert_eq!(answer.json()["request_id"].as_str(), id);
}

/// Over real sockets, as whoever looks after it sees it.
#[tokio::test]
async fn while_it_stops_it_says_so_to_whoever_connects() {
    let settings = "
listen: 127.0.0.1:0
providers: { sim: { simulated: { first_word: 0.1, words_per_second: 5, words: 15, spread: 0 }, models: { small: null } } }
server: { stop_within: 60 }
";
    let gateway = gateway(settings);
    let server = crate::Server::bind(gateway.clone()).await.unwrap();
    let address = server.address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let connect = || async { tokio::net::TcpStream::connect(address).await };
    let whole = |text: String| async move {
        let mut socket = connect().await.unwrap();
        socket.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer.to_ascii_lowercase()
    };
    let mut busy = connect().await.unwrap();
    let ask = request("/v1/chat/completions", "", &streamed().to_string());
    busy.write_all(ask.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    busy.read_exact(&mut first).await.unwrap();
    stop.send(()).unwrap();
    while !gateway.stopping() {
        tokio::task::yield_now().await;
    }
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    for (ask, status) in [
        (get("/healthz"), "200"),
        (get("/readyz"), "503"),
        (get("/metrics"), "200"),
        (ask, "503"),
    ] {
        let answer = whole(ask).await;
        assert!(
            answer.starts_with(&format!("http/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
        assert!(status != "200" || !answer.contains("campanile_stopping 0"));
    }
    let mut rest = String::new();
    busy.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    let stopped = running.await.unwrap().unwrap();
    assert_eq!((stopped.finished, stopped.cut), (1, 0));
    assert!(connect().await.is_err(), "it is over with the last answer");
}

#[tokio::test]
async fn who_is_idle_makes_room_for_who_comes() {
    let settings = "
listen: 127.0.0.1:0
providers: { sim: { simulated: {}, models: { small: null } } }
server: { max_connections: 2 }
";
    let server = crate::Server::bind(gateway(settings)).await.unwrap();
    let address = server.address().unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    for _ in 0..3 {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        let ask = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        socket.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    let mut byte = [0];
    assert_eq!(idle[0].read(&mut byte).await.unwrap(), 0, "the first goes");
    let ask = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    idle[1].write_all(ask.as_bytes()).await.unwrap();
    assert_eq!(idle[1].read(&mut byte).await.unwrap(), 1, "and one alone");
    running.abort();
}

#[tokio::test(start_paused = true)]
async fn open_connections_go_by_new_settings_and_keep_no_old_ones() {
    let gateway = gateway(AT_ONCE);
    let served = served(&gateway);
    let mut client = Client::new(&served);
    assert_eq!(client.get("/healthz", "").await.status, 200);
    let before = Arc::downgrade(&gateway.live().config);
    let changed = format!("{AT_ONCE}server: {{ head_timeout: 3 }}\n");
    gateway
        .reload(config::load(&changed).unwrap().config)
        .unwrap();
    tokio::time::sleep(SECOND).await;
    assert_eq!(before.strong_count(), 0);
    let begun = Instant::now();
    client.send("GET /hea").await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 3);
}
