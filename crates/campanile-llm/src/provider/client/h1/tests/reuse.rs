//! When a connection is used for another call.

use hyper_util::rt::TokioIo;
use tokio::io::duplex;

use super::*;

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
