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
    tokio::time::sleep(SECOND * 6).await;

    gateway.stop();
    served.stop.enter(Phase::Stopping);
    assert!(idle.is_closed().await && used.is_closed().await);
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
    anthropic.post("/v1/messages", "", &streamed()).await;
    tokio::time::sleep(SECOND * 6).await;
    let mut whole = Client::new(&served);
    whole.post("/v1/chat/completions", "", &chat()).await;
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
    let answer = whole.answer().await;
    assert_eq!(
        (answer.status, answer.header("x-should-retry")),
        (503, Some("true"))
    );
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
