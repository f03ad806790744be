use super::*;
use crate::outcome::FailureKind;

#[test]
fn a_context_has_a_default_for_everything() {
    let context = Context::new();
    assert_eq!(context.priority, Priority::Normal);
    assert_eq!(context.attempt, 0);
    assert!(context.deadline.is_none() && context.cost.is_none() && context.trail.is_none());
    assert!(context.tenant.is_none() && context.conversation.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_context_is_built_step_by_step() {
    let deadline = Instant::now() + Duration::from_secs(1);
    let context = Context::new()
        .with_deadline(deadline)
        .with_priority(Priority::Batch)
        .with_tenant("acme")
        .with_conversation("c-1")
        .with_cost(Cost::tokens(10))
        .with_trail(Trail::new());
    assert_eq!(context.deadline, Some(deadline));
    assert_eq!(context.priority, Priority::Batch);
    assert_eq!(context.tenant.as_deref(), Some("acme"));
    assert_eq!(context.conversation.as_deref(), Some("c-1"));
    assert_eq!(context.cost, Some(Cost::tokens(10)));
    assert!(
        context
            .trail
            .is_some_and(|trail| trail.attempts().is_empty())
    );
}

#[test]
fn the_most_important_comes_first() {
    let mut all = [
        Priority::Sheddable,
        Priority::Normal,
        Priority::Batch,
        Priority::Critical,
    ];
    all.sort();
    assert_eq!(
        all,
        [
            Priority::Critical,
            Priority::Normal,
            Priority::Batch,
            Priority::Sheddable
        ]
    );
    assert_eq!(
        serde_json::to_string(&Priority::Critical).unwrap(),
        r#""critical""#
    );
}

#[test]
fn an_envelope_keeps_its_context() {
    let mut call = Call::from(20);
    call.context.attempt = 3;
    let call = call.map(|n| format!("{n}"));
    assert_eq!((call.message.as_str(), call.context.attempt), ("20", 3));
}

#[cfg(feature = "http")]
#[test]
fn a_request_carries_its_context_in_its_extensions() {
    let mut request = http::Request::new(());
    assert!(Context::of(&request).is_none());
    Context::of_mut(&mut request).attempt = 2;
    Context::of_mut(&mut request).priority = Priority::Critical;
    let context = Context::of(&request).unwrap();
    assert_eq!((context.attempt, context.priority), (2, Priority::Critical));
}

#[test]
fn a_trail_knows_where_a_call_has_been() {
    let (a, b) = (Endpoint::new("a"), Endpoint::new("b"));
    let trail = Trail::new();
    let copy = trail.clone();

    let first = trail.begin(&a);
    assert!(copy.tried(&a) && !copy.tried(&b), "clones share the list");
    assert!(
        copy.tried(&Endpoint::new("a")),
        "an endpoint is known by its key"
    );
    assert_eq!(copy.attempts()[0].outcome, None, "it is under way");

    let second = trail.begin(&b);
    first.end(
        Outcome::Failure(FailureKind::Server),
        Duration::from_millis(5),
    );
    second.end(Outcome::Success, Duration::from_millis(7));
    let attempts = copy.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].endpoint, a);
    assert_eq!(
        attempts[0].outcome,
        Some(Outcome::Failure(FailureKind::Server))
    );
    assert_eq!(attempts[0].elapsed, Some(Duration::from_millis(5)));
    assert_eq!(attempts[1].outcome, Some(Outcome::Success));
}
