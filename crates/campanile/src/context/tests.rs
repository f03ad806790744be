use std::time::Duration;

use super::{trail::Payer, *};
use crate::{
    endpoint::Endpoint,
    outcome::{FailureKind, Outcome},
};

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

#[test]
fn a_call_has_so_many_attempts_whoever_makes_them() {
    let trail = Trail::with_attempts(3);
    let (retry, hedge) = (trail.clone(), trail.clone());
    assert_eq!(trail.left(), Some(2), "the first is on its way");
    assert!(retry.spend() && hedge.spend());
    assert!(!retry.spend() && !hedge.spend());
    hedge.give_back();
    assert!(retry.spend(), "it was not made");
    assert_eq!(trail.left(), Some(0));
    assert!(!Trail::with_attempts(1).spend());
    assert!(!Trail::with_attempts(0).spend());
}

#[test]
fn the_outermost_limit_stands() {
    let trail = Trail::new();
    assert_eq!(trail.left(), None);
    assert!(trail.spend(), "without a limit");
    trail.give_back();
    assert_eq!(trail.left(), None);
    trail.limit(2);
    trail.limit(10);
    assert_eq!(trail.left(), Some(1));
}

#[test]
fn threads_never_make_more_attempts_than_a_call_has() {
    let trail = Trail::with_attempts(101);
    let spent: usize = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..1_000).filter(|_| trail.spend()).count()))
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(spent, 100);
}

#[test]
fn a_spare_trail_is_lent_again_when_nobody_holds_it() {
    let mut spare = SpareTrail::default();
    let a = Endpoint::new("a");

    let mut first = Context::new();
    spare.lend(&mut first, Some(2));
    let entry = first.trail.as_ref().unwrap().begin(&a);
    let inner = |context: &Context| Arc::as_ptr(&context.trail.as_ref().unwrap().0);
    let place = inner(&first);

    let mut second = Context::new();
    spare.lend(&mut second, None);
    assert_ne!(inner(&second), place, "the first call is still under way");
    drop((first, entry));

    let place = inner(&second);
    second.trail.as_ref().unwrap().limit(7);
    let _ = second.trail.as_ref().unwrap().begin(&a);
    drop(second);
    let mut third = Context::new();
    let lent = spare.lend(&mut third, None);
    assert!(!lent.tried(&a) && lent.left().is_none(), "it was wiped");
    assert_eq!(inner(&third), place);

    let own = Trail::with_attempts(4);
    let mut carried = Context::new().with_trail(own);
    assert_eq!(
        spare.lend(&mut carried, Some(9)).left(),
        Some(3),
        "its own stays"
    );
    assert!(spare.clone().0.is_none(), "a clone keeps none");
}

#[tokio::test(start_paused = true)]
async fn several_calls_are_one_of_what_they_have_in_common() {
    let now = Instant::now();
    let second = Duration::from_secs(1);
    let context = |seconds, priority, conversation: &str, tokens| {
        let mut context = Context::new()
            .with_deadline(now + seconds * second)
            .with_priority(priority)
            .with_tenant("acme")
            .with_conversation(conversation)
            .with_id("7")
            .with_cost(Cost::tokens(tokens))
            .with_trail(Trail::new());
        context.queued_since = Some(Timestamp::from_nanos(tokens));
        context
    };
    let one = context(1, Priority::Batch, "a", 10);
    let other = context(2, Priority::Critical, "b", 5);
    let call = |context: &Context, message: u32| Call {
        context: context.clone(),
        message,
    };

    let both = Call::together(vec![call(&one, 1), call(&other, 2)]);
    assert_eq!(both.message, [1, 2]);
    let found = both.context;
    assert_eq!(found.deadline, other.deadline, "somebody waits until then");
    assert_eq!(found.priority, Priority::Critical);
    assert_eq!(found.tenant.as_deref(), Some("acme"));
    assert_eq!(found.cost, Some(Cost::tokens(15)), "it is one request");
    assert_eq!(found.queued_since, other.queued_since, "the longest wait");
    assert!(found.conversation.is_none() && found.id.is_none() && found.trail.is_none());

    // One that knows nothing.
    let some = Call::together(vec![call(&one, 1), Call::new(2)]).context;
    assert!(some.deadline.is_none() && some.cost.is_none() && some.tenant.is_none());
    assert_eq!(some.priority, Priority::Normal);

    let single = Call::together(vec![call(&one, 1)]).context;
    assert_eq!(single.id.as_deref(), Some("7"), "it is the same call");
    assert!(single.trail.is_some() && single.deadline == one.deadline);
    assert!(Call::<Vec<u32>>::together(Vec::new()).message.is_empty());
}

#[test]
fn a_trail_adds_up_what_all_attempts_take() {
    let trail = Trail::new();
    assert_eq!(trail.charged(), Cost::ZERO);
    let taken = Cost {
        requests: 1,
        tokens: 70,
        nano_dollars: 9,
    };
    trail.clone().charge(taken);
    trail.charge(taken);
    let charged = trail.charged();
    assert_eq!((charged.tokens, charged.nano_dollars), (140, 18));
    trail.refund(Cost {
        nano_dollars: 8,
        ..Cost::tokens(40)
    });
    let charged = trail.charged();
    assert_eq!((charged.tokens, charged.nano_dollars), (100, 10));
    assert_eq!(
        charged.requests, 0,
        "attempts are counted by the trail itself"
    );
}

#[test]
fn a_branch_adds_up_its_own_and_shares_the_rest() {
    let trail = Trail::with_attempts(3);
    let (one, other) = (trail.branch(), trail.branch());
    let leaf = one.branch();
    leaf.charge(Cost::tokens(1));
    one.charge(Cost::tokens(20));
    other.charge(Cost::tokens(300));
    let charged = |trail: &Trail| trail.charged().tokens;
    assert_eq!(
        [&leaf, &one, &other, &trail].map(charged),
        [1, 21, 300, 321]
    );
    other.refund(Cost::tokens(100));
    assert_eq!(
        [&leaf, &one, &other, &trail].map(charged),
        [1, 21, 200, 221]
    );
    assert!(leaf.spend() && other.spend() && !trail.spend());
    leaf.give_back();
    assert_eq!(trail.left(), Some(1));
    let endpoint = Endpoint::new("a");
    let entry = leaf.begin(&endpoint);
    assert!(trail.tried(&endpoint) && other.tried(&endpoint));
    entry.end(Outcome::Success, Duration::ZERO);
    assert_eq!(trail.attempts()[0].outcome, Some(Outcome::Success));
}

#[test]
fn a_call_is_lent_a_branch_of_its_trail_or_the_spare_one() {
    let mut spare = SpareTrail::default();
    let mut context = Context::new();
    spare.lend_branch(&mut context).charge(Cost::tokens(7));
    let kept = spare.0.clone().unwrap();
    assert_eq!(kept.charged().tokens, 7);
    drop((kept, context));
    let mut context = Context::new();
    assert_eq!(spare.lend_branch(&mut context).charged().tokens, 0);

    let trail = Trail::new();
    let mut context = Context::new().with_trail(trail.clone());
    let branch = spare.lend_branch(&mut context);
    context.trail.take().unwrap().charge(Cost::tokens(2));
    assert_eq!((branch.charged().tokens, trail.charged().tokens), (2, 2));
}

/// One that is asked, and pays.
struct Pays;

impl Payer for Pays {
    fn affords(&self, _charged: Cost, _beside: bool) -> bool {
        true
    }
}

/// Who holds the trail of the last call lets go of it on another thread, while it is looked at whether somebody does.
#[test]
fn a_spare_trail_is_not_lent_with_who_paid_for_the_last_call() {
    for lets_go_between in [false, true] {
        let mut spare = SpareTrail::default();
        let held = spare.lend_branch(&mut Context::new());
        held.paid_by(Arc::new(Pays));
        let held = lets_go_between.then_some(held);
        spare.forget_payer();
        drop(held);
        assert!(spare.take().0.payer.get().is_none());
    }
}

/// What an upstream says that it took may be any number.
#[test]
fn what_is_charged_never_comes_round_to_nothing() {
    let trail = Trail::new();
    let branch = trail.branch();
    let most = Cost {
        nano_dollars: u64::MAX,
        ..Cost::tokens(u64::MAX)
    };
    branch.charge(most);
    trail.charge(Cost::tokens(5));
    branch.charge(Cost::tokens(5));
    for trail in [&trail, &branch] {
        let charged = trail.charged();
        assert_eq!((charged.tokens, charged.nano_dollars), (u64::MAX, u64::MAX));
    }
    branch.refund(most);
    branch.refund(Cost::tokens(1));
    assert_eq!((trail.charged().tokens, branch.charged().tokens), (0, 0));
}
