//! A listener for operators alone, over real sockets and in real time.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::*;

const SETTINGS: &str = "
listen: 127.0.0.1:0
admin: { listen: 127.0.0.1:0, token: a-token-of-the-tests }
providers: { sim: { simulated: { first_word: 0.1, words: 100, words_per_second: 50 }, models: { small: null } } }
server: { max_connections: 1, stop_within: 20 }
";

/// What is answered to a GET, to the end of the connection.
async fn get(address: SocketAddr, path: &str, head: &str) -> String {
    let mut socket = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{head}\r\n");
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn operators_are_answered_while_callers_have_all_connections() {
    let gateway = gateway(SETTINGS);
    let server = crate::Server::bind(gateway.clone()).await.unwrap();
    let callers = server.address().unwrap();
    let operators = server.operators_address().unwrap().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.run(async {
        let _ = stopped.await;
    }));
    let mut caller = TcpStream::connect(callers).await.unwrap();
    let body = json!({ "model": "small", "stream": true, "messages": [{ "role": "user", "content": "hi" }] });
    let body = body.to_string();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    caller.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    caller.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");

    // The only place is taken: nobody is heard there, and operators are.
    let mut unheard = TcpStream::connect(callers).await.unwrap();
    let probe = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    unheard.write_all(probe).await.unwrap();
    let token = "authorization: Bearer a-token-of-the-tests\r\n";
    for (path, head, expected) in [
        ("/healthz", "", "200"),
        ("/readyz", "", "200"),
        ("/metrics", "", "401"),
        ("/metrics", token, "200"),
        ("/status", token, "200"),
        ("/admin/members", token, "200"),
        ("/v1/models", token, "404"),
        ("/v1/chat/completions", token, "404"),
    ] {
        let answer = get(operators, path, head).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    let index = get(operators, "/", "").await;
    assert!(
        index.contains("/metrics") && !index.contains("/v1/"),
        "{index}"
    );
    let mut byte = [0];
    let waits = tokio::time::timeout(Duration::from_millis(1), unheard.read(&mut byte));
    assert!(waits.await.is_err(), "it waits for a place");

    // To the end of a stop, too.
    stop.send(()).unwrap();
    while !gateway.stopping() {
        tokio::task::yield_now().await;
    }
    assert_eq!(status(&get(operators, "/healthz", "").await), "200");
    assert_eq!(status(&get(operators, "/readyz", "").await), "503");
    let mut rest = String::new();
    caller.read_to_string(&mut rest).await.unwrap();
    assert!(rest.contains("data: [DONE]"), "{rest}");
    let stopped = running.await.unwrap().unwrap();
    assert_eq!((stopped.finished, stopped.cut), (1, 0));
    assert!(TcpStream::connect(operators).await.is_err());
}

#[tokio::test]
async fn callers_find_nothing_of_the_operators_but_their_health() {
    let gateway = gateway(SETTINGS);
    let server = crate::Server::bind(gateway).await.unwrap();
    let callers = server.address().unwrap();
    let running = tokio::spawn(server.run(std::future::pending()));
    let token = "authorization: Bearer a-token-of-the-tests\r\n";
    for (path, expected) in [
        ("/healthz", "200"),
        ("/readyz", "200"),
        ("/", "404"),
        ("/metrics", "404"),
        ("/status", "404"),
        ("/admin/members", "404"),
        ("/v1/models", "200"),
    ] {
        let answer = get(callers, path, token).await;
        assert_eq!(status(&answer), expected, "{path}: {answer}");
    }
    running.abort();
}

#[tokio::test]
async fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let settings = SETTINGS.replace(
        "listen: 127.0.0.1:0, token",
        &format!("listen: {address}, token"),
    );
    let error = crate::Server::bind(gateway(&settings)).await.unwrap_err();
    assert!(
        error.to_string().starts_with(&format!("{address}: ")),
        "{error}"
    );
}
