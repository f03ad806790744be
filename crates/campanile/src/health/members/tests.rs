use futures_util::{FutureExt, StreamExt};

use super::*;
use crate::{
    discover::{PerEndpointLayer, Roster},
    health::PanicThreshold,
    testing::{DiscoverHandle, MockDiscover, discovery},
};

type Told<T> = mpsc::UnboundedReceiver<Membership<T>>;
type Members<K> = Monitored<MockDiscover<K, u32>, u32>;

fn monitored<K: Key>(shut: Option<Reason>) -> (DiscoverHandle<K, u32>, Members<K>, Told<u32>) {
    let (members, discover) = discovery();
    let fleet = Fleet::new(PanicThreshold(0.0));
    let (monitored, told) = Monitored::new(discover, fleet, shut);
    (members, monitored, told)
}

fn next<D>(monitored: &mut Monitored<D, D::Service>) -> Change<Endpoint, D::Service>
where
    D: Discover + Unpin,
    D::Key: Key,
    D::Service: Clone + Unpin,
    D::Error: std::fmt::Debug,
{
    let next = monitored.next().now_or_never();
    next.expect("nothing is told").unwrap().unwrap()
}

fn inserted<D>(monitored: &mut Monitored<D, D::Service>) -> (Endpoint, D::Service)
where
    D: Discover + Unpin,
    D::Key: Key,
    D::Service: Clone + Unpin,
    D::Error: std::fmt::Debug,
{
    match next(monitored) {
        Change::Insert(endpoint, target) => (endpoint, target),
        Change::Remove(endpoint) => panic!("{endpoint} was removed"),
    }
}

#[tokio::test(start_paused = true)]
async fn changes_go_on_and_are_told() {
    let (members, mut monitored, mut told) = monitored(None);
    members.insert("a", 1);
    let (endpoint, target) = inserted(&mut monitored);
    assert_eq!((endpoint.key(), target), ("a", 1));
    let Ok(Membership::Joined {
        id,
        endpoint: joined,
        target: 1,
    }) = told.try_recv()
    else {
        panic!("a did not join");
    };
    assert!(joined.is(&endpoint));

    members.remove("a");
    assert!(matches!(next(&mut monitored), Change::Remove(left) if left.is(&endpoint)));
    assert!(matches!(told.try_recv(), Ok(Membership::Left { id: left }) if left == id));
    assert!(told.try_recv().is_err(), "nothing else was told");
}

#[tokio::test(start_paused = true)]
async fn inserted_again_it_is_the_same_member() {
    let (members, mut monitored, mut told) = monitored(None);
    members.insert("a", 1);
    members.insert("a", 2);
    let (first, _) = inserted(&mut monitored);
    let (second, target) = inserted(&mut monitored);
    assert!(first.is(&second));
    assert_eq!(target, 2);
    let Ok(Membership::Joined { id, .. }) = told.try_recv() else {
        panic!("a did not join");
    };
    assert!(
        matches!(told.try_recv(), Ok(Membership::Replaced { id: again, target: 2 }) if again == id)
    );
}

#[tokio::test(start_paused = true)]
async fn another_endpoint_of_the_same_key_takes_its_place() {
    let (members, mut monitored, mut told) = monitored(Some(Reason::Health));
    let (first, second) = (Endpoint::new("a"), Endpoint::new("a"));
    members.insert(first.clone(), 1);
    members.insert(second.clone(), 2);
    inserted(&mut monitored);
    let Ok(Membership::Joined { id, .. }) = told.try_recv() else {
        panic!("a did not join");
    };
    inserted(&mut monitored);
    assert!(matches!(told.try_recv(), Ok(Membership::Left { id: left }) if left == id));
    assert!(
        matches!(told.try_recv(), Ok(Membership::Joined { id: new, endpoint, target: 2 }) if new != id && endpoint.is(&second))
    );
    let now = Timestamp::now();
    assert!(first.gate().is_open(now), "who left is nobody's to close");
    assert!(second.gate().is_closed_for(Reason::Health, now));
}

#[tokio::test(start_paused = true)]
async fn a_new_member_is_shut_before_the_pool_knows_of_it() {
    let (members, mut monitored, _told) = monitored(Some(Reason::Health));
    members.insert("a", 1);
    let (endpoint, _) = inserted(&mut monitored);
    let now = Timestamp::now();
    assert!(endpoint.gate().is_closed_for(Reason::Health, now));

    members.remove("a");
    next(&mut monitored);
    assert!(endpoint.gate().is_open(now), "leaving opens it");

    members.insert("b", 1);
    let (endpoint, _) = inserted(&mut monitored);
    drop(monitored);
    assert!(endpoint.gate().is_open(now), "and so does the end of all");
}

#[tokio::test(start_paused = true)]
async fn without_a_listener_nobody_is_shut() {
    let (members, mut monitored, told) = monitored(Some(Reason::Health));
    drop(told);
    members.insert("a", 1);
    let (endpoint, _) = inserted(&mut monitored);
    assert!(endpoint.gate().is_open(Timestamp::now()));
}

#[tokio::test(start_paused = true)]
async fn errors_strangers_and_the_end_go_through() {
    let (members, mut monitored, mut told) = monitored::<&str>(None);
    members.insert("a", 1);
    members.fail("resolver is down");
    members.remove("stranger");
    members.end();
    inserted(&mut monitored);
    assert!(matches!(
        monitored.next().now_or_never(),
        Some(Some(Err(_)))
    ));
    assert!(matches!(next(&mut monitored), Change::Remove(left) if left.key() == "stranger"));
    assert!(matches!(monitored.next().now_or_never(), Some(None)));
    assert!(matches!(told.try_recv(), Ok(Membership::Joined { .. })));
    assert_eq!(
        told.try_recv().unwrap_err(),
        mpsc::error::TryRecvError::Empty,
        "a stranger is nobody's loss, and the members stay when discovery ends"
    );
}

#[tokio::test(start_paused = true)]
async fn it_stands_above_and_below_the_endpoints_own_stacks() {
    use tower_layer::Layer;

    let roster = Roster::new();
    let member = roster.insert("a", 7u32).unwrap();
    let build = || PerEndpointLayer::new(|_: &Endpoint, target: u32| format!("stack of {target}"));
    let fleet = || Fleet::new(PanicThreshold(0.0));

    let (mut above, mut told) = Monitored::new(build().layer(roster.changes()), fleet(), None);
    let (endpoint, target) = inserted(&mut above);
    assert!(endpoint.is(&member));
    assert_eq!(target, "stack of 7");
    assert!(
        matches!(told.try_recv(), Ok(Membership::Joined { target, .. }) if target == "stack of 7")
    );

    let (below, mut told) = Monitored::new(roster.changes(), fleet(), None);
    let mut stacks = build().layer(below);
    let next = stacks.next().now_or_never().unwrap().unwrap().unwrap();
    assert!(matches!(next, Change::Insert(endpoint, _) if endpoint.is(&member)));
    assert!(matches!(
        told.try_recv(),
        Ok(Membership::Joined { target: 7, .. })
    ));
}
