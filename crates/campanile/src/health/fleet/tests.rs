use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use std::task::{Wake, Waker};

use proptest::prelude::*;

use super::*;
use crate::{endpoint::Listener, waiters::Ticket};

/// A moment far from the origin.
const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

fn at(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

/// A fleet of so many members.
fn fleet(threshold: f64, members: usize) -> (Fleet, Vec<(MemberId, Endpoint)>) {
    let fleet = Fleet::new(PanicThreshold(threshold));
    let members = (0..members)
        .map(|n| {
            let endpoint = Endpoint::new(n.to_string());
            (fleet.join(&endpoint, NOW), endpoint)
        })
        .collect();
    (fleet, members)
}

/// Which are closed for `reason`, by their place.
fn closed(members: &[(MemberId, Endpoint)], reason: Reason, now: Timestamp) -> Vec<usize> {
    (0..members.len())
        .filter(|n| members[*n].1.gate().is_closed_for(reason, now))
        .collect()
}

#[test]
fn each_reason_has_its_own_verdict() {
    let (fleet, members) = fleet(0.5, 3);
    let (id, endpoint) = &members[0];
    fleet.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    fleet.judge(*id, Reason::Outlier, Some(at(30)), NOW);
    let reasons: Vec<_> = endpoint.gate().reasons(NOW).collect();
    assert_eq!(
        reasons,
        [(Reason::Health, Timestamp::MAX), (Reason::Outlier, at(30))]
    );
    assert_eq!(fleet.fitness().fit, 2);
    fleet.judge(*id, Reason::Health, None, NOW);
    assert_eq!(fleet.fitness().fit, 2, "it is ejected still");
    assert_eq!(closed(&members, Reason::Health, NOW), [] as [usize; 0]);
    assert_eq!(closed(&members, Reason::Outlier, NOW), [0]);
    fleet.judge(*id, Reason::Outlier, None, NOW);
    assert_eq!(fleet.fitness().fit, 3);
    assert!(endpoint.gate().is_open(NOW));
}

/// Two pools over one roster, each with its own health layer.
#[test]
fn one_that_leaves_opens_only_what_it_has_closed() {
    let endpoint = Endpoint::new("shared");
    let [mine, others] = [0.0; 2].map(|never| Fleet::new(PanicThreshold(never)));
    let (id, other) = (mine.join(&endpoint, NOW), others.join(&endpoint, NOW));
    mine.judge(id, Reason::Health, Some(Timestamp::MAX), NOW);
    others.leave(other, NOW);
    assert!(endpoint.gate().is_closed_for(Reason::Health, NOW));
    mine.leave(id, NOW);
    assert!(endpoint.gate().is_open(NOW));
}

#[test]
fn what_another_pool_opens_is_closed_again_at_the_next_look() {
    let endpoint = Endpoint::new("shared");
    let [mine, others] = [0.0; 2].map(|never| Fleet::new(PanicThreshold(never)));
    let (id, other) = (mine.join(&endpoint, NOW), others.join(&endpoint, NOW));
    mine.judge(id, Reason::Health, Some(Timestamp::MAX), NOW);
    others.judge(other, Reason::Health, Some(Timestamp::MAX), NOW);
    others.leave(other, NOW);
    mine.tick(at(2));
    assert!(endpoint.gate().is_closed_for(Reason::Health, at(2)));
    // And stays open once nobody finds it unfit.
    mine.judge(id, Reason::Health, None, at(2));
    mine.tick(at(4));
    assert!(endpoint.gate().is_open(at(4)));
}

#[test]
fn closing_again_is_no_other_closing() {
    let (fleet, members) = fleet(0.0, 1);
    let (id, endpoint) = &members[0];
    fleet.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    for seconds in 0..10 {
        fleet.tick(at(seconds));
    }
    let gate = endpoint.gate();
    let mut history = gate.history(at(10));
    let health = history.find(|history| history.reason == Reason::Health);
    assert_eq!(health.unwrap().closings, 1);
}

#[test]
fn no_other_reason_is_touched() {
    let (fleet, members) = fleet(0.5, 2);
    let (id, endpoint) = &members[0];
    endpoint.gate().close(Reason::Breaker);
    fleet.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    fleet.judge(members[1].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert!(fleet.is_panicking());
    fleet.leave(*id, NOW);
    assert!(endpoint.gate().is_closed_for(Reason::Breaker, NOW));
}

#[test]
fn a_verdict_ends_by_itself() {
    let (fleet, members) = fleet(0.5, 4);
    assert_eq!(fleet.next_tick(), None, "nothing to do");
    fleet.judge(members[0].0, Reason::Outlier, Some(at(30)), NOW);
    fleet.judge(members[1].0, Reason::Outlier, Some(at(60)), NOW);
    fleet.tick(NOW);
    assert_eq!(fleet.next_tick(), Some(at(1)), "a look, once a second");
    for second in 1..30 {
        fleet.tick(at(second));
    }
    assert_eq!(fleet.next_tick(), Some(at(30)));
    assert_eq!(fleet.fitness().fit, 2);
    fleet.tick(at(30));
    assert_eq!(fleet.fitness().fit, 3);
    assert_eq!(closed(&members, Reason::Outlier, at(30)), [1]);
    fleet.tick(at(60));
    assert_eq!(fleet.fitness().fit, 4);
    assert_eq!(fleet.next_tick(), None);
}

#[test]
fn a_verdict_whose_time_is_moved_ends_then() {
    let (fleet, members) = fleet(0.5, 4);
    let id = members[0].0;
    for reason in [Reason::Health, Reason::Outlier] {
        fleet.judge(id, reason, Some(at(30)), NOW);
    }
    fleet.judge(id, Reason::Outlier, Some(at(90)), NOW);
    fleet.tick(at(30));
    assert_eq!(closed(&members, Reason::Health, at(30)), [] as [usize; 0]);
    assert_eq!(closed(&members, Reason::Outlier, at(89)), [0]);
    fleet.tick(at(89));
    assert_eq!(fleet.fitness().fit, 3);
    fleet.tick(at(90));
    assert_eq!(fleet.fitness().fit, 4);
    // One that is over is none.
    fleet.judge(id, Reason::Outlier, Some(at(90)), at(90));
    assert_eq!(fleet.fitness().fit, 4);
}

#[test]
fn below_the_threshold_all_are_used() {
    let (fleet, members) = fleet(0.5, 4);
    for (id, _) in &members[..2] {
        fleet.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    }
    assert!(!fleet.is_panicking(), "half is enough");
    fleet.judge(members[2].0, Reason::Outlier, Some(at(30)), NOW);
    assert!(fleet.is_panicking());
    assert!(members.iter().all(|(_, member)| member.gate().is_open(NOW)));
    // A verdict during the panic is kept, and closes nothing.
    fleet.judge(members[3].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert!(members[3].1.gate().is_open(NOW));
    // Two come back: the others are closed again.
    fleet.judge(members[3].0, Reason::Health, None, NOW);
    assert!(fleet.is_panicking());
    fleet.tick(at(30));
    assert!(!fleet.is_panicking());
    assert_eq!(closed(&members, Reason::Health, at(30)), [0, 1]);
    assert_eq!(closed(&members, Reason::Outlier, at(30)), [] as [usize; 0]);
    assert_eq!(fleet.fitness().panics, 1);
}

#[test]
fn the_only_member_is_used_whatever_it_is() {
    let (fleet, members) = fleet(0.5, 1);
    fleet.judge(members[0].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert!(fleet.is_panicking());
    assert!(members[0].1.gate().is_open(NOW));
}

#[test]
fn a_threshold_of_zero_never_panics_and_of_one_at_once() {
    let (never, members) = fleet(0.0, 2);
    for (id, _) in &members {
        never.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    }
    assert!(!never.is_panicking());
    assert_eq!(closed(&members, Reason::Health, NOW), [0, 1]);
    let (at_once, members) = fleet(1.0, 100);
    at_once.judge(members[7].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert!(at_once.is_panicking());
}

#[test]
fn those_out_of_service_count_neither_way() {
    let (fleet, members) = fleet(0.5, 10);
    for (n, (_, endpoint)) in members[..8].iter().enumerate() {
        endpoint.gate().close(match n % 3 {
            0 => Reason::Disabled,
            1 => Reason::Draining,
            _ => Reason::Removed,
        });
    }
    fleet.judge(members[8].0, Reason::Health, Some(Timestamp::MAX), NOW);
    fleet.tick(NOW);
    assert_eq!((fleet.fitness().counted, fleet.fitness().fit), (2, 1));
    fleet.judge(members[9].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert!(fleet.is_panicking(), "0 of 2, not 8 of 10");
    // The operator lets two more in: 2 of 4.
    for (_, endpoint) in &members[..2] {
        endpoint.gate().open(Reason::Disabled);
        endpoint.gate().open(Reason::Draining);
    }
    assert_eq!(fleet.next_tick(), Some(at(1)));
    fleet.tick(at(1));
    assert!(!fleet.is_panicking());
    assert_eq!(closed(&members, Reason::Health, at(1)), [8, 9]);
}

#[test]
fn who_is_unfit_and_out_of_service_is_closed_once_it_is_back() {
    let (fleet, members) = fleet(0.5, 3);
    members[0].1.gate().close(Reason::Disabled);
    fleet.judge(members[0].0, Reason::Health, Some(Timestamp::MAX), NOW);
    members[0].1.gate().open(Reason::Disabled);
    assert!(!members[0].1.gate().is_open(NOW), "unfit is not disabled");
}

#[test]
fn members_that_are_held_are_shut_and_no_reason_to_panic() {
    let (fleet, members) = fleet(0.5, 5);
    for (id, _) in &members {
        fleet.hold(*id, Reason::Health, NOW);
    }
    assert_eq!(closed(&members, Reason::Health, NOW), [0, 1, 2, 3, 4]);
    // The first verdicts come in: one is well, and some are not.
    fleet.judge(members[0].0, Reason::Health, None, NOW);
    for (id, _) in &members[1..3] {
        fleet.judge(*id, Reason::Health, Some(Timestamp::MAX), NOW);
    }
    assert!(!fleet.is_panicking());
    assert_eq!(closed(&members, Reason::Health, NOW), [1, 2, 3, 4]);
    // Ejected while it is held: unfit.
    fleet.judge(members[3].0, Reason::Outlier, Some(at(30)), NOW);
    assert!(fleet.is_panicking());
    assert_eq!(closed(&members, Reason::Health, NOW), [] as [usize; 0]);
    // The panic ends, and who is held is shut again.
    fleet.tick(at(30));
    assert_eq!(closed(&members, Reason::Health, at(30)), [1, 2, 3, 4]);
    fleet.judge(members[4].0, Reason::Health, None, at(30));
    assert_eq!(closed(&members, Reason::Health, at(30)), [1, 2, 3]);
    assert_eq!(fleet.fitness().fit, 3, "two are well, one is held");
}

#[test]
fn whoever_leaves_takes_nothing_along() {
    let (fleet, members) = fleet(0.5, 4);
    for (id, _) in &members[..2] {
        fleet.judge(*id, Reason::Outlier, Some(at(30)), NOW);
    }
    fleet.leave(members[0].0, NOW);
    assert!(members[0].1.gate().is_open(NOW));
    assert_eq!(closed(&members, Reason::Outlier, NOW), [1]);
    // Nothing is left of it: neither its end nor a word after it has left.
    fleet.judge(members[0].0, Reason::Outlier, Some(at(30)), NOW);
    fleet.leave(members[0].0, NOW);
    assert!(members[0].1.gate().is_open(NOW));
    assert_eq!(fleet.fitness().members, 3);
    // A fit one leaves: 1 of 2, then 0 of 1.
    fleet.leave(members[2].0, NOW);
    assert!(!fleet.is_panicking());
    fleet.leave(members[3].0, NOW);
    assert!(fleet.is_panicking());
    // And an empty fleet does not.
    fleet.leave(members[1].0, NOW);
    assert_eq!(
        fleet.fitness(),
        Fitness {
            panics: 1,
            ..Fitness::default()
        }
    );
    assert_eq!(fleet.next_tick(), None);
}

/// Takes the fleet's lock when it is woken.
struct Asks(Fleet, AtomicUsize);

impl Wake for Asks {
    fn wake(self: Arc<Self>) {
        self.1.fetch_add(usize::from(self.0.is_panicking()), SeqCst);
    }
}

#[test]
fn wakers_run_outside_of_the_lock() {
    let (fleet, members) = fleet(0.5, 1);
    let endpoint = Endpoint::new("late");
    let id = fleet.join(&endpoint, NOW);
    fleet.judge(id, Reason::Health, Some(Timestamp::MAX), NOW);
    let listener = Listener::default();
    endpoint.listen(listener.clone());
    let asks = Arc::new(Asks(fleet.clone(), AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&asks));
    listener.waiters.register(&mut Ticket::default(), &waker);
    fleet.judge(members[0].0, Reason::Health, Some(Timestamp::MAX), NOW);
    assert_eq!(
        asks.1.load(SeqCst),
        1,
        "a panic opens it: whoever waits is woken"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Join,
    Leave(usize),
    Hold(usize),
    Judge(usize, bool, Option<u64>),
    Operator(usize, bool),
    Advance(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Join),
        1 => (0..8_usize).prop_map(Step::Leave),
        1 => (0..8_usize).prop_map(Step::Hold),
        6 => (0..8_usize, any::<bool>(), prop_oneof![
            Just(None), Just(Some(u64::MAX)), (0..20_u64).prop_map(Some)
        ]).prop_map(|(n, outlier, until)| Step::Judge(n, outlier, until)),
        1 => (0..8_usize, any::<bool>()).prop_map(|(n, off)| Step::Operator(n, off)),
        3 => (1..10_u64).prop_map(Step::Advance),
    ]
}

/// What a member of the model is: its verdicts until seconds, whether it is switched off.
struct Model {
    id: MemberId,
    endpoint: Endpoint,
    until: [Timestamp; 2],
    held: bool,
    off: bool,
}

impl Model {
    fn is_fit(&self, now: Timestamp) -> bool {
        (self.until[0] <= now || self.held) && self.until[1] <= now
    }
}

proptest! {
    /// Whatever happens, the gates say what a fleet of so many fit members should, at the latest after a second's look.
    #[test]
    fn gates_follow_the_model(
        threshold in prop_oneof![Just(0.0), Just(0.5), Just(1.0), 0.0..1.0],
        steps in prop::collection::vec(step(), 1..60),
    ) {
        let fleet = Fleet::new(PanicThreshold(threshold));
        let mut members: Vec<Model> = Vec::new();
        let mut gone: Vec<Endpoint> = Vec::new();
        let mut now = NOW;
        for step in steps {
            let count = members.len();
            match step {
                Step::Join => {
                    let endpoint = Endpoint::new("a");
                    let id = fleet.join(&endpoint, now);
                    members.push(Model { id, endpoint, until: [Timestamp::ZERO; 2], held: false, off: false });
                }
                Step::Leave(n) if count > 0 => {
                    let left = members.swap_remove(n % count);
                    fleet.leave(left.id, now);
                    left.endpoint.gate().open(Reason::Disabled);
                    gone.push(left.endpoint);
                }
                Step::Judge(n, outlier, until) if count > 0 => {
                    let member = &mut members[n % count];
                    let until = until.map(|seconds| now.after(Duration::from_secs(seconds)));
                    let reason = if outlier { Reason::Outlier } else { Reason::Health };
                    fleet.judge(member.id, reason, until, now);
                    member.until[usize::from(outlier)] = until.unwrap_or(Timestamp::ZERO);
                    member.held &= outlier;
                }
                Step::Hold(n) if count > 0 => {
                    let member = &mut members[n % count];
                    fleet.hold(member.id, Reason::Health, now);
                    (member.until[0], member.held) = (Timestamp::MAX, true);
                }
                Step::Operator(n, off) if count > 0 => {
                    let member = &mut members[n % count];
                    member.off = off;
                    let gate = member.endpoint.gate();
                    if off { gate.close(Reason::Disabled) } else { gate.open(Reason::Disabled) }
                }
                Step::Advance(seconds) => now = now.after(Duration::from_secs(seconds)),
                _ => {}
            }
            fleet.tick(now);
            // Its own look may lie up to a second back.
            if fleet.next_tick().is_some_and(|next| next <= now.after(LOOK)) {
                now = now.after(LOOK);
                fleet.tick(now);
            }
            let counted = members.iter().filter(|member| !member.off).count();
            let fit = members.iter().filter(|member| !member.off && member.is_fit(now)).count();
            let panicking = (fit as f64) < threshold * counted as f64;
            let fitness = fleet.fitness();
            prop_assert_eq!(fitness.members, members.len());
            prop_assert_eq!(fitness.panicking, panicking, "{} of {}", fit, counted);
            for member in &members {
                for (reason, until) in REASONS.into_iter().zip(member.until) {
                    prop_assert_eq!(
                        member.endpoint.gate().is_closed_for(reason, now),
                        until > now && !panicking
                    );
                }
            }
            prop_assert!(gone.iter().all(|endpoint| endpoint.gate().is_open(now)));
            prop_assert!(fleet.next_tick().is_none_or(|next| next > now), "it would spin");
        }
    }
}
