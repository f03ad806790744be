//! The same answers, read by hyper's client.

use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::*;

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
