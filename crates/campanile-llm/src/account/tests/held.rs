//! Of answers that fail before their first content the same is recorded on either side of a commit point.

use std::time::Duration;

use campanile::timeout::{TimeoutConfig, TimeoutLayer};
use futures_util::stream;
use tower::ServiceBuilder;

use super::*;
use crate::{
    Chat,
    chat::{ChatEvent, Part},
    commit::CommitLayer,
};

/// An event without content, that tells what was taken.
fn idle(usage: Usage, reported: bool) -> Result<ChatEvent, Error> {
    let event = ChatEvent::new("data: {}\n\n".into(), 6..8, Part::Idle);
    Ok(event.with_usage(usage, reported))
}

fn end(usage: Usage) -> Result<ChatEvent, Error> {
    let event = ChatEvent::new("data: [DONE]\n\n".into(), 0..0, Part::End);
    Ok(event.with_usage(usage, true))
}

/// What one call is recorded as, and charged, with the accounts without or within the commit point.
async fn recorded(
    events: &[Result<ChatEvent, Error>],
    stalls: bool,
    outside: bool,
) -> (Counts, Cost, String) {
    let ledger = ledger();
    let account = AccountLayer::new(&ledger, &prices());
    let clocks = TimeoutConfig::new().with_first_data(Duration::from_secs(9));
    let events = events.to_vec();
    let provider = service_fn(move |_: Call<ChatRequest>| {
        let rest = match stalls {
            true => stream::pending().left_stream(),
            false => stream::empty().right_stream(),
        };
        let events = stream::iter(events.clone()).chain(rest);
        ready(Ok::<_, Error>(
            ChatResponse::stream(meta("near", "m"), events).boxed(),
        ))
    });
    let provider = ServiceBuilder::new()
        .map_response(ChatResponse::boxed)
        .layer(
            TimeoutLayer::new(clocks)
                .unwrap()
                .protocol(Chat)
                .counting(crate::ContentData),
        )
        .service(provider);
    let trail = Trail::new();
    let mut call = call();
    call.context.trail = Some(trail.clone());
    let commit = CommitLayer::default();
    let failed = match outside {
        true => account
            .layer(commit.layer(provider))
            .oneshot(call)
            .await
            .is_err(),
        false => commit
            .layer(account.layer(provider))
            .oneshot(call)
            .await
            .is_err(),
    };
    assert!(failed, "nothing of it is passed on");
    let report = ledger.report();
    let names = report.accounts.iter().map(|account| {
        let tenant = account.tenant.as_deref();
        format!("{} {} {tenant:?}", account.provider, account.model)
    });
    (ledger.total(), trail.charged(), names.collect())
}

#[tokio::test(start_paused = true)]
async fn what_was_reported_before_the_first_content_is_recorded_on_either_side_of_a_commit_point() {
    let said = usage(25, 1);
    let overloaded = || Err(Error::new(Class::Overload, "too much work"));
    let cut = || Err(Error::new(Class::Interrupted, "cut"));
    for (name, events, stalls, taken) in [
        (
            "reported, then too much work",
            vec![idle(said, true), overloaded()],
            false,
            (25, 1, 0),
        ),
        (
            "reported, then cut",
            vec![idle(said, true), cut()],
            false,
            (25, 1, 0),
        ),
        (
            "reported, then nothing",
            vec![idle(said, true)],
            false,
            (25, 1, 0),
        ),
        (
            "reported, then too late",
            vec![idle(said, true)],
            true,
            (25, 1, 0),
        ),
        (
            "reported, and empty",
            vec![idle(said, true), end(usage(30, 2))],
            false,
            (30, 2, 0),
        ),
        (
            "too much of it",
            vec![idle(said, true); 99],
            false,
            (25, 1, 0),
        ),
        (
            "estimated, then cut",
            vec![idle(said, false), cut()],
            false,
            (0, 0, 25),
        ),
        // Thirty-one bytes of messages.
        ("at once cut", vec![cut()], false, (0, 0, 8)),
        (
            "at once too much work",
            vec![overloaded()],
            false,
            (0, 0, 0),
        ),
    ] {
        let outside = recorded(&events, stalls, true).await;
        let inside = recorded(&events, stalls, false).await;
        let (total, charged, accounts) = &outside;
        let (reported, estimated) = (total.reported, total.estimated);
        assert_eq!(
            (
                reported.input_tokens,
                reported.output_tokens,
                estimated.input_tokens
            ),
            taken,
            "{name}"
        );
        assert_eq!(total.unpriced, 0, "{name}: its price is known");
        assert_eq!(
            charged.tokens,
            total.taken().input_tokens + total.taken().output_tokens,
            "{name}"
        );
        assert_eq!(charged.nano_dollars, total.taken().nano_dollars, "{name}");
        assert_eq!(*accounts, inside.2, "{name}: the accounts");
        assert_eq!(*charged, inside.1, "{name}: the trail");
        let (reported, estimated) = (inside.0.reported, inside.0.estimated);
        assert_eq!(
            (total.reported, total.estimated),
            (reported, estimated),
            "{name}"
        );
        // An empty answer is a success for who is inside, and one that is too long is given up.
        if !name.ends_with("empty") && !name.starts_with("too much") {
            assert_eq!(*total, inside.0, "{name}: the ledger");
        }
    }
}
