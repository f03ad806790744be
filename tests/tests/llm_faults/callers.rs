//! Callers that leave, and callers that do not read.

use std::time::Duration;

use bytes::Bytes;
use campanile::Call;
use campanile_llm::dialect::{Api, Dialect};
use campanile_tests::faults::{APIS, Answer, Ended, Upstream};
use futures_util::StreamExt;
use tower::ServiceExt;

use crate::{
    leaks::nothing_leaks,
    llm::campaign::{behind, full},
    llm::{
        DIALECTS, bounded, request,
        seen::Seen,
        site::{Stack, patient, site},
        stream, take,
    },
};

/// The caller goes, at each stage.
#[tokio::test]
async fn a_caller_that_leaves_cancels_the_call_at_the_provider() {
    for api in APIS {
        for dialect in DIALECTS {
            let answer = || Answer::stream(api, full(api));
            let late = behind(api, "I ask");
            for (stage, answer, sent) in [
                ("before the head", answer().no_head(), 0),
                ("before the first word", answer().stall_at(0), 0),
                ("amid words", answer().stall_at(late), late),
            ] {
                let of = format!("{api:?} to {dialect:?}: {stage}");
                let (upstream, stack, guards) = site(api, patient()).await.unwrap();
                upstream.next(answer);
                leave(&stack, dialect, &upstream, sent).await;
                let exchanges = upstream.ended(1).await;
                assert_eq!(exchanges[0].ended, Some(Ended::Cancelled), "{of}");
                upstream.until(|counts, _| counts.open == 0).await;
                nothing_leaks(&of, &upstream, &guards).await;
                assert!(guards.failures() < 1e-6, "{of}: nobody failed");
                let total = guards.ledger.total();
                assert_eq!((total.calls, total.outcomes.cancelled), (1, 1), "{of}");
                assert!(guards.spent() > 0, "{of}: it may well have been worked on");
                if sent > 0 {
                    let taken = total.taken();
                    assert!(taken.output_tokens > 0, "{of}: {taken:?}");
                }
                assert!(guards.tokens() > 0, "{of}: it may well have been worked on");
            }
        }
    }
}

/// Asks, takes what there is once so much was sent, and goes.
async fn leave(stack: &Stack, dialect: Dialect, upstream: &Upstream, sent: usize) {
    let mut call = std::pin::pin!(stack.clone().oneshot(Call::new(request(dialect, true))));
    let asked = upstream.until(|counts, all| counts.active == 1 && all[0].sent >= sent);
    let response = tokio::select! {
        response = &mut call => Some(response.unwrap()),
        () = asked => None,
    };
    let response = match (response, sent) {
        (None, 0) => return,
        (None, _) => bounded(call).await.unwrap(),
        (Some(response), _) => response,
    };
    let mut events = stream(response);
    let mut said = Vec::new();
    while Seen::read(dialect, &said).text.is_empty() {
        said.extend_from_slice(bounded(events.next()).await.unwrap().unwrap().frame());
    }
}

#[tokio::test]
async fn a_caller_that_leaves_after_the_end_changes_nothing() {
    for api in APIS {
        let (upstream, stack, guards) = site(api, patient()).await.unwrap();
        upstream.always(Answer::stream(api, full(api)));
        for _ in 0..2 {
            let call = Call::new(request(Dialect::OpenAi, true));
            let response = bounded(stack.clone().oneshot(call)).await.unwrap();
            let mut events = stream(response);
            assert!(bounded(take(&mut events)).await.ended());
            drop(events);
        }
        let exchanges = upstream.ended(2).await;
        assert!(
            exchanges
                .iter()
                .all(|exchange| exchange.ended == Some(Ended::Whole))
        );
        assert_eq!(guards.tokens(), 224, "{api:?}");
        assert!(guards.failures() < 1e-6);
    }
}

/// A caller that stops reading stops the provider: nothing is read on, and nothing is held here.
#[tokio::test]
async fn a_caller_that_does_not_read_holds_the_provider_back() {
    /// More than sockets of the loopback interface hold.
    const FRAMES: usize = 1_000;
    let word = "word ".repeat(16 << 10);
    let (upstream, stack, guards) = site(Api::OpenAi, patient()).await.unwrap();
    let frame =
        format!("data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}}}}]}}\n\n");
    let body = Bytes::from(frame.repeat(FRAMES));
    let length = body.len();
    upstream.next(Answer::stream(Api::OpenAi, body));
    let call = Call::new(request(Dialect::OpenAi, true));
    let mut events = stream(bounded(stack.oneshot(call)).await.unwrap());
    bounded(events.next()).await.unwrap().unwrap();
    // Until no more is taken.
    let (mut sent, mut same) = (0, 0);
    bounded(async {
        while same < 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
            let now = upstream.exchanges()[0].sent;
            same = if now == sent { same + 1 } else { 0 };
            sent = now;
        }
    })
    .await;
    assert!(sent < length / 2, "{sent} of {length} bytes were taken");
    assert_eq!(upstream.counts().active, 1);
    drop(events);
    assert_eq!(upstream.ended(1).await[0].ended, Some(Ended::Cancelled));
    nothing_leaks("not read", &upstream, &guards).await;
}
