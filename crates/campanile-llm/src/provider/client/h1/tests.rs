use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::Waker,
    time::Duration,
};

use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, Request, uri::Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{framing::Framing, *};
use crate::provider::{
    HttpBody, HttpConfig, HttpError,
    client::{HttpFuture, connect::Maker},
};

const CHUNKED: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

/// A connection whose other side has said everything already.
#[derive(Default)]
struct Script {
    reads: VecDeque<Vec<u8>>,
    /// What comes after it: an end, or nothing.
    stays: bool,
    /// How often there is nothing yet.
    waits: usize,
    written: Arc<Mutex<Vec<u8>>>,
    /// How many bytes can be written, and what happens then.
    room: Option<(usize, Option<io::ErrorKind>)>,
}

impl Script {
    fn says(pieces: &[&[u8]]) -> Self {
        Self {
            reads: pieces
                .iter()
                .filter(|piece| !piece.is_empty())
                .map(|piece| piece.to_vec())
                .collect(),
            ..Self::default()
        }
    }

    fn and_stays(mut self) -> Self {
        self.stays = true;
        self
    }
}

impl Read for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        mut buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.waits > 0 {
            self.waits -= 1;
            return Poll::Pending;
        }
        if let Some(mut piece) = self.reads.pop_front() {
            let rest = piece.split_off(piece.len().min(buffer.remaining()));
            buffer.put_slice(&piece);
            if !rest.is_empty() {
                self.reads.push_front(rest);
            }
        } else if self.stays {
            return Poll::Pending;
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Script {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = match &mut self.room {
            None => bytes.len(),
            Some((0, Some(error))) => return Poll::Ready(Err((*error).into())),
            Some((0, None)) => return Poll::Pending,
            Some((room, _)) => {
                let written = bytes.len().min(*room);
                *room -= written;
                written
            }
        };
        self.written
            .lock()
            .unwrap()
            .extend_from_slice(&bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn origin() -> Arc<Origin> {
    origin_of(Box::new(|_| {
        Box::pin(std::future::ready(Err(HttpError::Closed)))
    }))
}

fn origin_of(maker: Maker) -> Arc<Origin> {
    let uri: Uri = "http://a.test:81".parse().unwrap();
    let config = HttpConfig::default();
    Arc::new(Origin::new(
        uri.scheme().unwrap(),
        uri.authority().unwrap(),
        &config,
        maker,
    ))
}

fn request() -> Request<Full<Bytes>> {
    Request::post("http://a.test:81/v1?a=b")
        .header("x-one", "1")
        .body(Full::new(Bytes::from_static(b"hello")))
        .unwrap()
}

/// An answer's status and all of its body, which come at once or never.
fn call(origin: &Arc<Origin>, script: Script) -> Result<(u16, Bytes), HttpError> {
    call_by(origin, script, request())
}

fn call_by(
    origin: &Arc<Origin>,
    script: Script,
    request: Request<Full<Bytes>>,
) -> Result<(u16, Bytes), HttpError> {
    let connection = Connection::new(Box::new(script), false, Arc::clone(origin));
    let response = Exchange::new(connection, request);
    let response = response.now_or_never().expect("nothing is waited for")?;
    let status = response.status().as_u16();
    let body = response.into_body().collect().now_or_never();
    let body = body.expect("nothing is waited for")?;
    Ok((status, body.to_bytes()))
}

fn whole(answer: &str) -> Result<(u16, Bytes), HttpError> {
    call(&origin(), Script::says(&[answer.as_bytes()]))
}

#[test]
fn the_request_says_what_is_needed() {
    let script = Script::says(&[b"HTTP/1.1 204 No Content\r\n\r\n"]);
    let written = Arc::clone(&script.written);
    call(&origin(), script).unwrap();
    assert_eq!(
        String::from_utf8_lossy(&written.lock().unwrap()),
        "POST /v1?a=b HTTP/1.1\r\nhost: a.test:81\r\nx-one: 1\r\ncontent-length: 5\r\n\r\nhello"
    );

    // A proxy wants the whole address, without the user in it; the framing is the client's own matter.
    let (parts, ()) = Request::get("http://me:secret@a.test/x")
        .header("host", "b.test")
        .header("content-length", "7")
        .header("transfer-encoding", "chunked")
        .header("connection", "close")
        .body(())
        .unwrap()
        .into_parts();
    let head = head::request(&parts, "host: a.test\r\n", true, 0);
    let expected = "GET http://a.test/x HTTP/1.1\r\nhost: b.test\r\n\r\n";
    assert_eq!(String::from_utf8_lossy(&head), expected);
}

#[test]
fn an_address_without_a_path_asks_for_the_root() {
    for (address, target) in [
        ("http://a.test", "/"),
        ("http://a.test?b=c", "/?b=c"),
        ("http://a.test/b?c", "/b?c"),
    ] {
        let (parts, ()) = Request::get(address).body(()).unwrap().into_parts();
        let head = head::request(&parts, "host: a.test\r\n", false, 0);
        let line = format!("GET {target} HTTP/1.1\r\n");
        assert!(head.starts_with(line.as_bytes()), "{head:?}");
    }
}

#[test]
fn a_body_ends_where_it_says() {
    let ok = |answer: &str| {
        let (status, body) = whole(answer).unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    };
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}\r\n");
    let length = head("content-length: 5\r\n");
    assert_eq!(ok(&format!("{length}abcdef")), (200, "abcde".to_owned()));
    let twice = head("content-length: 5, 5\r\ncontent-length: 5\r\n");
    assert_eq!(ok(&format!("{twice}abcde")), (200, "abcde".to_owned()));
    assert_eq!(ok(&format!("{}abc", head(""))), (200, "abc".to_owned()));
    let chunks = "3;a=b\r\nabc\r\n0a \r\n0123456789\r\n0\r\nx-trailer: 1\r\n\r\n";
    let all = (200, "abc0123456789".to_owned());
    assert_eq!(ok(&format!("{CHUNKED}{chunks}")), all);
    // What is said of the length beside it does not count.
    let both = head("content-length: 2\r\ntransfer-encoding: gzip, Chunked\r\n");
    assert_eq!(ok(&format!("{both}{chunks}")), all);
    let other = head("transfer-encoding: gzip\r\n");
    assert_eq!(ok(&format!("{other}abc")), (200, "abc".to_owned()));
    let none = "HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n";
    assert_eq!(ok(none), (304, String::new()));
    let head = Request::head("http://a.test/")
        .body(Full::default())
        .unwrap();
    let script = Script::says(&[length.as_bytes()]);
    assert_eq!(call_by(&origin(), script, head).unwrap().1, "");
}

#[test]
fn what_is_no_answer_is_told() {
    let length = |value: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {value}\r\n\r\nabc");
    let many = "a: b\r\n".repeat(101);
    for (answer, what) in [
        (
            "SSH-2.0-OpenSSH\r\n\r\n".to_owned(),
            "its head is not one of HTTP/1",
        ),
        (
            "HTTP/1.1 099 No\r\n\r\n".to_owned(),
            "its status is no number",
        ),
        (
            "HTTP/1.1 200 OK\r\na b: c\r\n\r\n".to_owned(),
            "its head is not one",
        ),
        (
            format!("HTTP/1.1 200 OK\r\n{many}\r\n"),
            "more than 100 headers",
        ),
        (
            "HTTP/1.1 101 Switching\r\n\r\n".to_owned(),
            "it changes the protocol",
        ),
        (
            "HTTP/1.1 100 Continue\r\n\r\n".repeat(40),
            "heads without end",
        ),
        (length("+3"), "its length is not one number"),
        (length(""), "its length is not one number"),
        (length("3, 4"), "its length is not one number"),
        (
            length("99999999999999999999"),
            "its length is not one number",
        ),
        (format!("{CHUNKED}xyz\r\n"), "is no hexadecimal number"),
        (format!("{CHUNKED}\r\n"), "is no hexadecimal number"),
        (
            format!("{CHUNKED}00000000000000001\r\n"),
            "more than 16 digits",
        ),
        (format!("{CHUNKED}1\nab"), "is no hexadecimal number"),
        (format!("{CHUNKED}1\r\nab"), "longer than its size"),
        (format!("{CHUNKED}1;a\nb"), "does not end in CR and LF"),
        (
            format!("{CHUNKED}1;{}", "a".repeat(20 << 10)),
            "are too long",
        ),
        (
            format!("{CHUNKED}0\r\n{}", "a: b\r\n".repeat(5_000)),
            "are too long",
        ),
    ] {
        match whole(&answer) {
            Err(HttpError::Malformed(said)) => assert!(said.contains(what), "{said}: {answer}"),
            other => panic!("{answer}: {other:?}"),
        }
    }
    let long = format!("HTTP/1.1 200 OK\r\na: {}", "a".repeat(20 << 10));
    assert!(matches!(
        whole(&long),
        Err(HttpError::LongHead { most: 16_384 })
    ));
    let bytes: Vec<_> = long.as_bytes().chunks(3).collect();
    let pieces = call(&origin(), Script::says(&bytes));
    assert!(matches!(pieces, Err(HttpError::LongHead { .. })));
    let pieces = call(&origin(), Script::says(&[&bytes.concat(), b"\r\n\r\n"]));
    assert!(matches!(pieces, Err(HttpError::LongHead { .. })));
}

#[test]
fn no_cut_is_a_clean_end() {
    let framed = [
        "content-length: 5\r\n\r\nabcde",
        "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
    ];
    for rest in framed {
        let answer = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n{rest}");
        let bytes = answer.as_bytes();
        for at in 0..bytes.len() {
            let (before, after) = bytes.split_at(at);
            // In two pieces it is the same.
            let (origin, script) = (origin(), Script::says(&[before, after]).and_stays());
            assert_eq!(
                call(&origin, script).unwrap(),
                (200, "abcde".into()),
                "{at}"
            );
            assert!(!origin.is_empty(), "{at}: it is used again");
            // Without the second it is an error.
            let error = call(&origin, Script::says(&[before])).unwrap_err();
            let in_head = !answer[..at].contains(&rest[..rest.find("\r\n\r\n").unwrap() + 4]);
            match error {
                HttpError::Closed => assert!(in_head, "{at}"),
                HttpError::Cut => assert!(!in_head, "{at}"),
                other => panic!("{at}: {other:?}"),
            }
        }
        let bytes: Vec<_> = bytes.chunks(1).collect();
        let script = Script::says(&bytes).and_stays();
        assert_eq!(call(&origin(), script).unwrap(), (200, "abcde".into()));
    }
}

#[test]
fn a_connection_is_used_again_only_where_that_is_safe() {
    let used_again = |answer: &str, stays: bool| {
        let (origin, mut script) = (origin(), Script::says(&[answer.as_bytes()]));
        script.stays = stays;
        call(&origin, script).unwrap();
        origin.idle().is_some()
    };
    let head = |headers: &str| format!("HTTP/1.1 200 OK\r\n{headers}content-length: 0\r\n\r\n");
    assert!(used_again(&head(""), true));
    assert!(!used_again(&head(""), false), "it is closed");
    assert!(!used_again(&head("connection: x, Close\r\n"), true));
    assert!(!used_again(&format!("{}beyond", head("")), true));
    let old = head("").replace("1.1", "1.0");
    assert!(!used_again(&old, true));
    assert!(used_again(
        &old.replace("OK\r\n", "OK\r\nconnection: keep-alive\r\n"),
        true
    ));
    // After a stream it rests, as the server may be about to close it.
    let (rests, stream) = (origin(), format!("{CHUNKED}0\r\n\r\n"));
    call(&rests, Script::says(&[stream.as_bytes()]).and_stays()).unwrap();
    assert!(!rests.is_empty());
    assert!(!used_again(&format!("{CHUNKED}0\r\n\r\nbeyond"), true));
    let both = CHUNKED.replace("OK\r\n", "OK\r\ncontent-length: 0\r\n");
    assert!(!used_again(&format!("{both}0\r\n\r\n"), true));
}

#[test]
fn an_answer_may_come_before_the_request_is_sent() {
    // The server does not read on, and says why.
    let answer: &[u8] = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig";
    let origin = origin();
    for error in [None, Some(io::ErrorKind::BrokenPipe)] {
        let mut script = Script::says(&[answer]).and_stays();
        script.room = Some((10, error));
        assert_eq!(call(&origin, script).unwrap(), (413, "big".into()));
        assert!(
            origin.is_empty(),
            "what is left of the request would be taken for another"
        );
    }
    // It says nothing.
    let mut script = Script::says(&[]);
    script.room = Some((10, Some(io::ErrorKind::BrokenPipe)));
    match call(&origin, script) {
        Err(HttpError::Io(error)) => assert_eq!(error.kind(), io::ErrorKind::BrokenPipe),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_rest_of_a_request_is_sent_while_the_answer_is_read() {
    let mut script = Script::says(&[CHUNKED.as_bytes()]).and_stays();
    let (far, near) = (Arc::new(Mutex::new(Vec::new())), origin());
    script.written = Arc::clone(&far);
    script.room = Some((30, None));
    let connection = Connection::new(Box::new(script), false, Arc::clone(&near));
    let response = Exchange::new(connection, request()).now_or_never();
    let mut body = response.unwrap().unwrap().into_body();
    assert!(body.frame().now_or_never().is_none());
    assert_eq!(far.lock().unwrap().len(), 30);
    let mut end = Framing::chunked();
    assert!(end.decode(b"0\r\n\r\n").is_ok() && end.ended());
}

#[tokio::test]
async fn a_call_does_not_begin_on_a_connection_that_has_spoken() {
    for said in [
        Some(&b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n"[..]),
        None,
    ] {
        let origin = origin();
        let mut script = Script::default();
        script.reads.extend(said.map(<[u8]>::to_vec));
        let written = Arc::clone(&script.written);
        let stale = Connection::new(Box::new(script), false, Arc::clone(&origin)).used();
        let call = HttpFuture::idle(stale, request()).await;
        assert!(matches!(call, Err(HttpError::Closed)), "no other is made");
        assert!(written.lock().unwrap().is_empty(), "nothing was sent");
    }
}

/// The server may have done what was asked, however it looks.
#[tokio::test]
async fn nothing_is_sent_a_second_time() {
    // How much can be written of it before the system of the server refuses, and whether it does.
    for (room, refuses) in [(10, true), (1_000, false), (0, true)] {
        let made = Arc::new(Mutex::new(0));
        let count = Arc::clone(&made);
        let origin = origin_of(Box::new(move |_| {
            *count.lock().unwrap() += 1;
            Box::pin(std::future::pending())
        }));
        for used in [true, false] {
            // It is quiet when it is looked at, and at its end afterwards.
            let mut script = Script {
                waits: usize::from(used),
                ..Script::default()
            };
            script.room = Some((room, refuses.then_some(io::ErrorKind::BrokenPipe)));
            let connection = Connection::new(Box::new(script), false, Arc::clone(&origin));
            let connection = if used { connection.used() } else { connection };
            let answer = HttpFuture::idle(connection, request()).now_or_never();
            match answer.expect("nothing is waited for") {
                Err(HttpError::Io(_)) => assert!(refuses),
                Err(HttpError::Closed) => assert!(!refuses),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(*made.lock().unwrap(), 0);
    }
}

/// Whether connections rest after streams is learnt of each server.
#[tokio::test(start_paused = true)]
async fn connections_rest_until_their_server_is_known_to_keep_them() {
    let origin = origin();
    let put = || {
        let (near, far) = duplex(64);
        origin.put(Box::new(TokioIo::new(near)), false, true);
        far
    };
    let rest = || tokio::time::advance(Duration::from_millis(10));
    let rests = || origin.idle().is_none() && origin.rested().is_some();
    // Nothing is known: it is worth while to wait.
    let far = put();
    assert!(rests() && !origin.closes());
    rest().await;
    assert!(origin.idle().is_some(), "it has been kept");
    drop(far);
    let _far = put();
    assert!(origin.idle().is_some() && origin.rested().is_none());
    // A call was missed: who knows why.
    origin.was_missed();
    let far = put();
    assert!(rests() && !origin.closes());
    drop(far);
    rest().await;
    assert!(origin.idle().is_none() && origin.closes());
    // It takes more than one that is kept to trust it again.
    for again in [true, false] {
        let _far = put();
        assert!(rests());
        assert_eq!(origin.closes(), again);
        rest().await;
        assert!(origin.idle().is_some());
    }
    let far = put();
    assert!(origin.rested().is_none());
    // Who closes it much later does so because it was idle.
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(far);
    assert!(origin.idle().is_none() && !origin.closes());
}

/// A task that has used up what it may do in one go sees which connections are closed all the same.
#[tokio::test]
async fn any_number_of_closed_connections_is_passed_over() {
    let (near, far) = (origin(), origin());
    for _ in 0..250 {
        let (closed, _) = duplex(64);
        near.put(Box::new(TokioIo::new(closed)), false, false);
        let (open, other) = duplex(64);
        far.put(Box::new(TokioIo::new(open)), false, false);
        // It stays open.
        std::mem::forget(other);
    }
    let task = tokio::spawn(async move {
        while tokio::task::coop::has_budget_remaining() {
            tokio::task::consume_budget().now_or_never();
        }
        (near.idle().is_some(), far.idle().is_some())
    });
    assert_eq!(task.await.unwrap(), (false, true));
}

/// What came whole is passed on, wherever it was cut.
#[test]
fn data_ahead_of_a_fault_are_not_lost() {
    let bytes = format!("{CHUNKED}3\r\nabc\r\nx");
    for at in 0..bytes.len() {
        let (before, after) = bytes.as_bytes().split_at(at);
        let script = Script::says(&[before, after]);
        let connection = Connection::new(Box::new(script), false, origin());
        let response = Exchange::new(connection, request()).now_or_never();
        let mut body = response.unwrap().unwrap().into_body();
        let mut data = Vec::new();
        let error = loop {
            match body.frame().now_or_never().unwrap().unwrap() {
                Ok(frame) => data.extend(frame.into_data().unwrap()),
                Err(error) => break error,
            }
        };
        assert_eq!(data, b"abc");
        assert!(matches!(error, HttpError::Malformed(_)), "{error:?}");
        assert!(body.frame().now_or_never().unwrap().is_none());
    }
}

#[test]
fn extensions_may_be_many_but_not_without_end() {
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(9 << 10));
    let (_, body) = whole(&format!("{CHUNKED}{}0\r\n\r\n", chunk.repeat(9))).unwrap();
    assert_eq!(body, "a".repeat(9));
}

/// Reads on a stream that nobody polls are not made, and its data are not held.
#[test]
fn nothing_is_read_ahead() {
    let chunk = format!("4000\r\n{}\r\n", "a".repeat(0x4000));
    let script = Script::says(&[CHUNKED.as_bytes(), chunk.as_bytes(), chunk.as_bytes()]);
    let connection = Connection::new(Box::new(script), false, origin());
    let response = Exchange::new(connection, request()).now_or_never();
    let mut body: HttpBody = response.unwrap().unwrap().into_body();
    let first = body.frame().now_or_never().unwrap().unwrap().unwrap();
    assert!(first.into_data().unwrap().len() <= READ);
}

/// The end of a body that nobody reads is waited for, which takes a timer: without one it is not.
#[test]
fn a_body_is_dropped_where_there_are_no_timers() {
    let script = Script::says(&[CHUNKED.as_bytes()]).and_stays();
    let (there, origin) = (Arc::clone(&script.written), origin());
    let connection = Connection::new(Box::new(script), false, Arc::clone(&origin));
    let response = Exchange::new(connection, request()).now_or_never();
    let body = response.unwrap().unwrap().into_body();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        drop(body);
        tokio::task::yield_now().await;
    });
    drop(runtime);
    assert_eq!(Arc::strong_count(&there), 1, "it is closed");
    assert!(origin.is_empty());
}

#[test]
fn a_list_of_words_is_read_as_one() {
    let mut headers = HeaderMap::new();
    headers.append("connection", "a, Keep-Alive ,b".parse().unwrap());
    headers.append("connection", "close".parse().unwrap());
    for word in ["a", "b", "keep-alive", "close"] {
        assert!(
            head::says(&headers, http::header::CONNECTION, word),
            "{word}"
        );
    }
    assert!(!head::says(&headers, http::header::CONNECTION, "keep"));
}

/// What hyper's client makes of an answer after which the connection is closed.
async fn by_hyper(answer: &[u8]) -> Option<(u16, Bytes)> {
    let (near, mut far) = duplex(1 << 20);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(near))
        .await
        .unwrap();
    let connection = tokio::spawn(connection);
    let answer = answer.to_vec();
    let server = tokio::spawn(async move {
        let _ = far.read(&mut [0; 1_024]).await;
        let _ = far.write_all(&answer).await;
    });
    let result = async {
        let response = sender.send_request(request()).await.ok()?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.ok()?;
        Some((status, body.to_bytes()))
    };
    let result = result.await;
    drop(sender);
    server.abort();
    connection.abort();
    result
}

/// Answers, and what is like them.
fn answers() -> impl Strategy<Value = Vec<u8>> {
    let body = proptest::collection::vec(any::<u8>(), 0..40);
    let chunks = proptest::collection::vec(
        (
            proptest::collection::vec(any::<u8>(), 1..20),
            "(;[a-z]{1,3}(=[a-z])?)?",
        ),
        0..4,
    );
    let headers = proptest::sample::subsequence(
        vec![
            "connection: close\r\n",
            "content-type: text/plain\r\n",
            "x: \u{e9}\r\n",
            "y:\r\n",
        ],
        0..4,
    );
    let status = proptest::sample::select(vec!["200 OK", "204 No Content", "429 Slow", "500"]);
    let version = proptest::sample::select(vec!["1.1", "1.1", "1.0"]);
    let framing = 0..3;
    (
        status,
        version,
        headers,
        framing,
        body,
        chunks,
        "(a: b\r\n)?",
    )
        .prop_map(
            |(status, version, headers, framing, body, chunks, trailer)| {
                let mut answer =
                    format!("HTTP/{version} {status}\r\n{}", headers.concat()).into_bytes();
                match framing {
                    0 => {
                        answer.extend(format!("content-length: {}\r\n\r\n", body.len()).bytes());
                        answer.extend(body);
                    }
                    1 if version == "1.1" => {
                        answer.extend(b"transfer-encoding: chunked\r\n\r\n");
                        for (chunk, extension) in chunks {
                            answer.extend(format!("{:x}{extension}\r\n", chunk.len()).bytes());
                            answer.extend(chunk);
                            answer.extend(b"\r\n");
                        }
                        answer.extend(format!("0\r\n{trailer}\r\n").bytes());
                    }
                    _ => {
                        answer.extend(b"\r\n");
                        answer.extend(body);
                    }
                }
                answer
            },
        )
}

proptest! {
    /// Ours reads what hyper reads, however it is cut; what hyper refuses is no clean answer here either.
    #[test]
    fn it_agrees_with_hyper(
        answer in answers(),
        cut in any::<proptest::sample::Index>(),
        change in proptest::option::of((any::<proptest::sample::Index>(), any::<u8>())),
        short in proptest::option::of(any::<proptest::sample::Index>()),
    ) {
        let mut answer = answer;
        // hyper reads trailers too; here they are left out, whatever they say.
        let trailers = answer.windows(4).any(|part| part == b"a: b");
        if let Some((at, byte)) = change.filter(|_| !trailers) {
            let at = at.index(answer.len());
            answer[at] = byte;
        }
        if let Some(short) = short {
            answer.truncate(short.index(answer.len()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let theirs = runtime.block_on(by_hyper(&answer));
        let (before, after) = answer.split_at(cut.index(answer.len() + 1));
        let ours = call(&origin(), Script::says(&[before, after])).ok();
        prop_assert_eq!(ours, theirs, "{}", answer.escape_ascii());
    }

    /// No bytes make it panic, and what it took is what was there.
    #[test]
    fn any_bytes_of_chunks_are_taken_or_refused(bytes: Vec<u8>) {
        let mut framing = Framing::chunked();
        if let Ok((data, used)) = framing.decode(&bytes) {
            prop_assert!(data.len() <= used && used <= bytes.len());
            let all = used == bytes.len();
            prop_assert!(all || framing.ended() || framing.fault().is_some());
        }
        let mut cx = Context::from_waker(Waker::noop());
        let script: &mut dyn Io = &mut Script::says(&[&bytes]);
        prop_assert!(read(script, &mut cx, |read| read.len()).is_ready());
    }
}
