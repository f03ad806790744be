//! The servers that fail on purpose do so: seen by a client that reads bytes.

use std::{io::ErrorKind, time::Duration};

use campanile_llm::dialect::Api;
use campanile_tests::faults::{
    APIS, Answer, Between, Breach, Cut, Ended, Hint, Upstream, recorded, refusing, streamed,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

const BOUND: Duration = Duration::from_secs(30);
const REQUEST: &[u8] =
    b"POST /v1/chat/completions HTTP/1.1\r\nX-Key: secret\r\nContent-Length: 2\r\n\r\n{}";

/// Asks, and reads until the connection ends: what came, and whether it was reset.
async fn ask(address: &str) -> (Vec<u8>, bool) {
    let mut client = TcpStream::connect(address.trim_start_matches("http://"))
        .await
        .unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut answer = Vec::new();
    let read = timeout(BOUND, client.read_to_end(&mut answer))
        .await
        .expect("it ends");
    (
        answer,
        read.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset),
    )
}

fn text() -> Answer {
    Answer::stream(Api::OpenAi, recorded(Api::OpenAi, "llama_text.sse"))
}

fn body(answer: &[u8]) -> &[u8] {
    let head = answer
        .windows(4)
        .position(|bytes| bytes == b"\r\n\r\n")
        .unwrap();
    &answer[head + 4..]
}

#[tokio::test]
async fn nobody_listens_where_it_refuses() {
    let (address, _held) = refusing().unwrap();
    let error = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn each_kind_of_cut_is_another() {
    let upstream = Upstream::start().await.unwrap();
    upstream.next(text().cut_at(0, Cut::Fin));
    upstream.next(text().cut_at(70, Cut::Fin));
    upstream.next(text().cut_at(70, Cut::Reset));
    upstream.next(Answer::reset());
    let (nothing, reset) = ask(&upstream.url()).await;
    assert_eq!((body(&nothing), reset), (&b""[..], false));
    let (cut, reset) = ask(&upstream.url()).await;
    let frame = &recorded(Api::OpenAi, "llama_text.sse")[..70];
    assert_eq!(body(&cut), [b"46\r\n", frame, b"\r\n"].concat());
    assert!(!reset);
    assert!(ask(&upstream.url()).await.1, "by a reset");
    assert_eq!(ask(&upstream.url()).await, (Vec::new(), true));
    let exchanges = upstream.ended(4).await;
    assert!(
        exchanges
            .iter()
            .all(|exchange| exchange.ended == Some(Ended::Cut))
    );
    let sent: Vec<_> = exchanges.iter().map(|exchange| exchange.sent).collect();
    assert_eq!(sent, [0, 70, 70, 0]);
    assert_eq!(exchanges[0].target, "POST /v1/chat/completions");
    assert_eq!(exchanges[0].header("x-key"), Some("secret"));
    assert_eq!(exchanges[0].body, "{}");
}

#[tokio::test]
async fn a_whole_answer_leaves_the_connection_open_for_the_next() {
    let upstream = Upstream::start().await.unwrap();
    upstream.always(text().byte_by_byte().cut_at(30, Cut::Terminated));
    let mut client = TcpStream::connect(upstream.address()).await.unwrap();
    for requests in 1..=2 {
        client.write_all(REQUEST).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n0\r\n\r\n") {
            assert!(
                timeout(BOUND, client.read_buf(&mut answer))
                    .await
                    .unwrap()
                    .unwrap()
                    > 0
            );
        }
        assert_eq!(
            body(&answer).len(),
            30 * b"1\r\nx\r\n".len() + b"0\r\n\r\n".len()
        );
        assert_eq!(upstream.counts().requests, requests);
    }
    assert_eq!(upstream.counts().connections, 1);
    drop(client);
    upstream.until(|counts, _| counts.open == 0).await;
    assert_eq!(upstream.counts().cancelled, 0, "it left after the end");
}

#[tokio::test]
async fn a_client_that_leaves_is_seen_at_every_stage() {
    let upstream = Upstream::start().await.unwrap();
    let stages = [
        (text().no_head(), 0),
        (text().slow_first(Duration::from_secs(600)), 0),
        (text().stall_at(100), 100),
    ];
    for (index, (answer, sent)) in stages.into_iter().enumerate() {
        upstream.next(answer);
        let mut client = TcpStream::connect(upstream.address()).await.unwrap();
        client.write_all(REQUEST).await.unwrap();
        upstream
            .until(|counts, all| counts.active == 1 && all[index].sent == sent)
            .await;
        drop(client);
        let exchanges = upstream.ended(index + 1).await;
        assert_eq!(exchanges[index].ended, Some(Ended::Cancelled));
        assert_eq!(exchanges[index].sent, sent);
    }
    assert_eq!(upstream.counts().cancelled, 3);
}

#[tokio::test]
async fn errors_have_the_form_of_their_interface_and_their_hint() {
    let upstream = Upstream::start().await.unwrap();
    for api in APIS {
        for hint in Hint::each(7) {
            upstream.next(Answer::rate_limited(api, hint).header("connection", "close"));
            let mut client = TcpStream::connect(upstream.address()).await.unwrap();
            client.write_all(REQUEST).await.unwrap();
            upstream
                .until(|counts, _| counts.active == 0 && counts.requests > 0)
                .await;
            client.shutdown().await.unwrap();
            let mut answer = String::new();
            timeout(BOUND, client.read_to_string(&mut answer))
                .await
                .unwrap()
                .unwrap();
            assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
            let body: serde_json::Value = serde_json::from_slice(body(answer.as_bytes())).unwrap();
            assert!(body.get("error").is_some());
            let head = answer.split("\r\n\r\n").next().unwrap();
            let shown = match hint {
                Hint::None => !head.contains("retry-after") && !head.contains("reset"),
                Hint::Seconds(_) => head.contains("retry-after: 7\r\n"),
                Hint::Float(_) => head.contains("retry-after: 7.00\r\n"),
                Hint::Date(_) => head.contains(" GMT\r\n"),
                Hint::Millis(_) => head.contains("retry-after-ms: 7000\r\n"),
                Hint::Reset(_) => {
                    head.contains("requests-reset: ") || head.contains("reset-requests: 7s\r\n")
                }
                Hint::RetryInfo(_) => (api == Api::Gemini) == body.to_string().contains("\"7s\""),
            };
            assert!(shown, "{api:?} {hint:?}: {answer}");
        }
    }
}

#[tokio::test]
async fn what_is_put_in_lies_in_its_place() {
    let answer = text().insert(6, &b"garbage"[..]);
    let whole = recorded(Api::OpenAi, "llama_text.sse");
    assert_eq!(
        answer.bytes(),
        [&whole[..6], b"garbage", &whole[6..]].concat()
    );
    for api in APIS {
        let whole = recorded(api, &streamed(api, "composed_full"));
        assert_eq!(Answer::stream(api, whole.clone()).bytes(), whole);
    }
}

#[tokio::test]
async fn a_proxy_breaks_what_passes_through_it() {
    let upstream = Upstream::start().await.unwrap();
    upstream.always(text().header("connection", "close"));
    let between = Between::start(&upstream.url()).await.unwrap();
    for (breach, length, reset) in [
        (Breach::Cut(40, Cut::Fin), 40, false),
        (Breach::Cut(40, Cut::Reset), 40, true),
    ] {
        between.next(breach);
        let (answer, was_reset) = ask(&between.url()).await;
        // What was sent before a reset may be lost with it.
        assert!(answer.len() == length || reset, "{}", answer.len());
        assert_eq!(was_reset, reset);
    }
    upstream.until(|counts, _| counts.open == 0).await;

    between.next(Breach::Garble(3, b"!!"));
    let mut client = TcpStream::connect(between.url().trim_start_matches("http://"))
        .await
        .unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut start = [0; 7];
    client.read_exact(&mut start).await.unwrap();
    assert_eq!(&start, b"HTT!!P/");
    drop(client);

    // A client that leaves is left by the proxy too.
    between.next(Breach::Stall(10));
    upstream.next(text().stall_at(200));
    let mut client = TcpStream::connect(between.url().trim_start_matches("http://"))
        .await
        .unwrap();
    client.write_all(REQUEST).await.unwrap();
    let mut start = [0; 10];
    client.read_exact(&mut start).await.unwrap();
    let more = timeout(Duration::from_millis(20), client.read_u8()).await;
    assert!(more.is_err(), "it stalls");
    drop(client);
    upstream.until(|counts, _| counts.open == 0).await;
    sleep(Duration::ZERO).await;
}
