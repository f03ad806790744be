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

use super::{framing::Framing, *};
use crate::provider::{
    HttpBody, HttpConfig, HttpError,
    client::{HttpFuture, connect::Maker},
};

mod oracle;
mod reuse;

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
