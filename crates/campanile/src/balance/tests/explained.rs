//! What a trail that explains is told of attempts and refusals.

use super::*;
use crate::{
    Endpoint,
    context::{Call, Context, Repeat, Trail},
    discover::{PerEndpointLayer, Roster},
    endpoint::Reason,
    protocol::Enveloped,
    time::Timestamp,
};

/// A pool of `a`, `b` and `c`, whose calls take 20 ms and are charged 5 tokens.
async fn charging() -> (
    Vec<Endpoint>,
    impl Service<Call<()>, Response = (), Error = BoxError> + Clone,
) {
    let roster = Roster::new();
    let members = ["a", "b", "c"].map(|key| roster.insert(key, ()).unwrap());
    let each = PerEndpointLayer::new(|_: &Endpoint, ()| {
        tower::service_fn(|call: Call<()>| async move {
            tokio::time::sleep(20 * MS).await;
            if let Some(trail) = call.context.trail {
                trail.charge(Cost::tokens(7));
                trail.refund(Cost::tokens(2));
            }
            Ok::<_, BoxError>(())
        })
    });
    let pool = BalanceLayer::bare(First)
        .protocol(Enveloped::<Unary>::default())
        .patience(SEC)
        .layer(each.layer(roster.changes()));
    settle().await;
    (members.to_vec(), pool)
}

fn call(trail: &Trail) -> Call<()> {
    let mut context = Context::new()
        .with_trail(trail.clone())
        .with_cost(Cost::tokens(9));
    context.queued_since = Some(Timestamp::now());
    Call {
        context,
        message: (),
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_knows_among_whom_it_was_picked_and_what_it_took() {
    let (members, pool) = charging().await;
    let until = Timestamp::now().after(30 * SEC);
    members[0].gate().close_until(Reason::Breaker, until);
    members[0].gate().close(Reason::Disabled);
    let trail = Trail::explaining();
    trail.at("stage", &"chat".into());
    let mut first = call(&trail);
    tokio::time::advance(3 * MS).await;
    first.context.repeat = Some(Repeat::Fallback);
    pool.clone().oneshot(first).await.unwrap();
    trail.at("stage", &"other".into());
    pool.clone().oneshot(call(&trail)).await.unwrap();

    let attempts = trail.attempts();
    let of = |index: usize| attempts[index].explained.clone().unwrap();
    let (first, second) = (of(0), of(1));
    assert_eq!(
        (first.places[0].what, &*first.places[0].name),
        ("stage", "chat")
    );
    assert_eq!((first.places.len(), &*second.places[0].name), (1, "other"));
    assert_eq!(first.repeat, Some(Repeat::Fallback));
    assert_eq!((first.began, second.began), (3 * MS, 23 * MS));
    assert_eq!(first.waited, Some(3 * MS));
    assert_eq!(
        (first.head, first.estimated),
        (Some(20 * MS), Some(Cost::tokens(9)))
    );
    assert_eq!((first.charged.tokens, second.charged.tokens), (5, 5));
    assert_eq!(trail.charged().tokens, 10, "the whole knows of both");
    let (first, second) = (first.candidates, second.candidates);
    assert_eq!((first.members, first.open, first.tried), (3, 2, 0));
    assert_eq!((second.members, second.open, second.tried), (3, 2, 1));
    assert_eq!(first.closed.len(), 1);
    let closed = &first.closed[0];
    assert_eq!(closed.endpoint.key(), "a");
    let reasons: Vec<_> = closed.reasons.iter().map(|closed| closed.reason).collect();
    assert_eq!(reasons, [Reason::Breaker, Reason::Disabled]);
    assert!(closed.reasons[0].reopens_in.is_some_and(|left| left > 29.9));
    assert_eq!(closed.reasons[1].reopens_in, None);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_knows_who_was_closed() {
    let (members, pool) = charging().await;
    let until = Timestamp::now().after(30 * SEC);
    for member in &members {
        member.gate().close_until(Reason::Quota, until);
    }
    let trail = Trail::explaining();
    assert!(pool.clone().oneshot(call(&trail)).await.is_err());
    let refusals = trail.refusals();
    assert_eq!((refusals.len(), trail.attempts().len()), (1, 0));
    let candidates = &refusals[0].candidates;
    assert_eq!((candidates.members, candidates.open), (3, 0));
    assert_eq!(candidates.closed.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn others_keep_nothing_of_it() {
    let (_, pool) = charging().await;
    let trail = Trail::new();
    trail.at("stage", &"chat".into());
    pool.clone().oneshot(call(&trail)).await.unwrap();
    assert!(!trail.explains() && trail.attempts()[0].explained.is_none());
    assert_eq!(trail.charged().tokens, 5);
}

#[tokio::test(start_paused = true)]
async fn explanations_are_bounded() {
    let (members, pool) = charging().await;
    let trail = Trail::explaining();
    for _ in 0..40 {
        pool.clone().oneshot(call(&trail)).await.unwrap();
    }
    let attempts = trail.attempts();
    let explained = attempts
        .iter()
        .filter(|attempt| attempt.explained.is_some());
    assert_eq!((attempts.len(), explained.count()), (40, 32));
    assert_eq!(trail.charged().tokens, 200);
    for member in &members {
        member.gate().close(Reason::Disabled);
    }
    for _ in 0..12 {
        assert!(pool.clone().oneshot(call(&trail)).await.is_err());
    }
    assert_eq!(trail.refusals().len(), 8);
}
