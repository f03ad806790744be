use super::*;

const SLOW: &str = "providers: { sim: { simulated: { first_word: 30, words_per_second: 1, words: 12, spread: 0 }, models: { small: null } } }\n";

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_takes_its_call_along() {
    let gateway = gateway(SLOW);
    let served = served(&gateway);
    // In the head, in the body, before the answer, within the stream.
    for (sent, words) in [
        (40, false),
        (150, false),
        (usize::MAX, false),
        (usize::MAX, true),
    ] {
        let mut client = Client::new(&served);
        let request = request("/v1/chat/completions", "", &streamed().to_string());
        client.send(&request[..sent.min(request.len())]).await;
        tokio::time::sleep(SECOND).await;
        let is_sent = sent == usize::MAX;
        assert_eq!(in_flight(&gateway), u32::from(is_sent));
        if words {
            client.until("[simulated").await;
            assert_eq!(in_flight(&gateway), 1);
        }
        drop(client);
        tokio::time::sleep(SECOND).await;
        assert_eq!(in_flight(&gateway), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_given_up() {
    let settings = "
providers: { sim: { simulated: { first_word: 0, words_per_second: 1000, words: 20000 }, models: { small: null } } }
server: { write_timeout: 20 }
";
    let gateway = gateway(settings);
    let served = served(&gateway);
    let mut client = Client::with_pipe(&served, 512);
    let mut body = streamed();
    body["max_tokens"] = 100_000.into();
    client.post("/v1/chat/completions", "", &body).await;
    tokio::time::sleep(SECOND * 19).await;
    assert_eq!(in_flight(&gateway), 1);
    // Whoever reads something has its time anew.
    client.until("data: ").await;
    client.more().await;
    tokio::time::sleep(SECOND * 19).await;
    assert_eq!(in_flight(&gateway), 1);
    tokio::time::sleep(SECOND * 5).await;
    assert_eq!(in_flight(&gateway), 0);
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_says_that_it_is_alive() {
    let settings = "
providers: { sim: { simulated: { first_word: 0, words_per_second: 0.05 }, models: { small: null } } }
server: { heartbeat: 8 }
";
    let served = served(&gateway(settings));
    let mut client = Client::new(&served);
    client.post("/v1/chat/completions", "", &streamed()).await;
    client.until("[simulated").await;
    let begun = Instant::now();
    client.until(": keep-alive\n\n").await;
    assert_eq!(Instant::now().duration_since(begun).as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_when_its_caller_said() {
    let served = served(&gateway(SLOW));
    let mut client = Client::new(&served);
    for (header, status) in [
        ("x-campanile-timeout: 5\r\n", 504),
        ("x-campanile-timeout: 1m\r\n", 200),
        ("x-stainless-read-timeout: 5.0\r\n", 504),
        ("x-stainless-timeout: 600\r\n", 200),
        ("x-campanile-timeout: soon\r\n", 400),
        ("x-campanile-timeout: 0\r\n", 400),
    ] {
        let begun = Instant::now();
        let answer = client.ask("/v1/chat/completions", header, &chat()).await;
        assert_eq!(answer.status, status, "{header} {answer:?}");
        assert_eq!(
            status == 504,
            Instant::now().duration_since(begun).as_secs() == 5,
            "{header}"
        );
    }
}
