use std::sync::Mutex;

use tokio::task::JoinSet;

use super::*;
use crate::{Endpoint, endpoint::Reason, testing::seeded};

#[tokio::test(start_paused = true)]
async fn a_member_that_is_removed_drains_and_then_its_service_is_dropped() {
    let (a, b) = (slow("a", 100 * MS), slow("b", 10 * MS));
    let scene = scripted([("a", &a), ("b", &b)]).await;
    // Readied and idle, with the members of now.
    let mut idle = scene.pool.clone();
    ready(&mut idle).await.unwrap();
    let calls: JoinSet<_> = (0..3).map(|_| scene.call()).collect();
    tokio::time::sleep(MS).await;
    assert_eq!(a.counts().in_flight, 3);
    scene.members.remove("a");
    settle().await;
    for _ in 0..5 {
        assert_eq!(scene.call().await.unwrap(), "b");
    }
    assert_eq!(a.counts().in_flight, 3);
    assert!(a.counts().services > 0);
    assert!(
        calls
            .join_all()
            .await
            .into_iter()
            .all(|answer| answer.unwrap() == "a")
    );
    settle().await;
    assert_eq!(a.counts().services, 0);
    assert_eq!(idle.call(()).await.unwrap(), "b");
    assert_eq!(a.counts().calls, 3);
    assert_at_rest(&scene.pool);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_comes_back_while_it_drains_keeps_its_state() {
    let a = slow("a", 100 * MS);
    let scene = scripted([("a", &a)]).await;
    scene.call().await.unwrap();
    let call = tokio::spawn(scene.call());
    settle().await;
    scene.members.remove("a");
    settle().await;
    scene.members.insert("a", a.service());
    settle().await;
    let snapshot = member(&scene.pool, "a");
    assert_eq!((snapshot.in_flight, snapshot.outcomes.success), (1, 1));
    assert_eq!(snapshot.closed, []);
    assert_eq!(scene.call().await.unwrap(), "a");
    call.await.unwrap().unwrap();
    settle().await;
    assert_eq!(member(&scene.pool, "a").outcomes.success, 3);
    assert_eq!(a.counts().services, 2);
}

/// Picks the member that the request names, and closes it first when told to: what a removal between pick and call does.
#[derive(Debug, Default)]
struct Named {
    removed: Mutex<Option<&'static str>>,
}

impl Strategy for Named {
    type State = ();
}

impl Pick<&'static str> for Named {
    fn pick<V: View<()>>(&self, view: &V, request: &&'static str) -> Option<usize> {
        let open = |key: &str| {
            (0..view.len())
                .find(|index| view.endpoint(*index).key() == key && view.load(*index).is_some())
        };
        let index = open(request).or_else(|| open("spare"))?;
        let removed = self.removed.lock().unwrap().take_if(|key| key == request);
        if removed.is_some() {
            view.endpoint(index).gate().close(Reason::Removed);
        }
        Some(index)
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_removed_between_pick_and_call_is_not_called() {
    let keys = ["a", "b", "c", "spare"];
    let scripts = keys.map(Script::answering);
    let (members, discover) = crate::testing::discovery();
    let strategy = Named::default();
    *strategy.removed.lock().unwrap() = Some("b");
    let pool = BalanceLayer::bare(strategy).layer(discover);
    for (key, script) in keys.into_iter().zip(&scripts) {
        members.insert(Endpoint::new(key), script.service());
    }
    settle().await;
    // Picked anew, and not a neighbour that slid into its place.
    assert_eq!(pool.clone().oneshot("b").await.unwrap(), "spare");
    assert_eq!(scripts.map(|script| script.counts().calls), [0, 0, 0, 1]);
    assert_at_rest(&pool);
}

/// tower's pool keeps an index from `poll_ready` to `call`; a removal moves another member there (tower issue 856).
#[tokio::test(start_paused = true)]
async fn a_removal_between_readiness_and_call_never_sends_a_call_astray() {
    let keys: Vec<String> = (0..20).map(|i| format!("m{i}")).collect();
    let keys: Vec<&'static str> = keys.into_iter().map(|key| &*key.leak()).collect();
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(Named::default()).layer(discover);
    let mut present = keys.clone();
    for key in &keys {
        members.insert(*key, Script::answering(*key).service());
    }
    members.insert("spare", Script::answering("spare").service());
    settle().await;
    let mut rng = seeded(856);
    for _ in 0..200 {
        let mut readied = pool.clone();
        readied.ready().await.unwrap();
        let gone = (!present.is_empty()).then(|| present.swap_remove(rng.usize(..present.len())));
        if let Some(gone) = gone {
            members.remove(gone);
        }
        if rng.bool() {
            let back = keys[rng.usize(..keys.len())];
            if !present.contains(&back) && Some(back) != gone {
                members.insert(back, Script::answering(back).service());
                present.push(back);
            }
        }
        settle().await;
        let asked = keys[rng.usize(..keys.len())];
        let expected = if present.contains(&asked) {
            asked
        } else {
            "spare"
        };
        assert_eq!(readied.call(asked).await.unwrap(), expected);
    }
    assert_at_rest(&pool);
}

/// The members that a strategy probes may move before it picks.
#[derive(Debug)]
struct Slow;

impl Strategy for Slow {
    type State = ();
}

impl<Req> Pick<Req> for Slow {
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        (0..view.len()).find(|index| view.load(*index).is_some())
    }

    fn prepare<V: View<()>>(&self, _view: &V, _request: &Req) -> Option<Prepare> {
        Some(Box::pin(async {
            tokio::time::sleep(10 * MS).await;
            Vec::new()
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn members_that_leave_while_others_are_probed_are_not_called() {
    let (a, b) = (Script::answering("a"), Script::answering("b"));
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(Slow).layer(discover);
    members.insert("a", a.service());
    settle().await;
    let call = tokio::spawn(pool.clone().oneshot(()));
    tokio::time::sleep(5 * MS).await;
    members.insert("b", b.service());
    members.remove("a");
    assert_eq!(call.await.unwrap().unwrap(), "b");
    assert_eq!(a.counts().calls, 0);
    assert_at_rest(&pool);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_under_calls_on_many_threads() {
    let script = Script::<_>::rule(|_| Step::answer("a"));
    let (members, discover) = crate::testing::discovery();
    let pool = BalanceLayer::bare(LeastLoaded::two_choices())
        .patience(600 * SEC)
        .layer(discover);
    members.insert(0, script.service());
    let calls: JoinSet<_> = (0..4)
        .map(|_| {
            let pool = tower::util::BoxCloneService::new(pool.clone());
            async move {
                for _ in 0..2_000 {
                    assert_eq!(pool.clone().oneshot(()).await.unwrap(), "a");
                }
            }
        })
        .collect();
    let changes = tokio::spawn({
        let (members, script) = (members.clone(), script.clone());
        async move {
            let mut rng = seeded(3);
            for _ in 0..2_000 {
                let key = rng.u32(1..8);
                match rng.u32(..3) {
                    0 => members.remove(key),
                    _ => members.insert(key, script.service()),
                }
                tokio::task::yield_now().await;
            }
            (0..8).for_each(|key| members.remove(key));
        }
    });
    changes.await.unwrap();
    members.insert(0, script.service());
    calls.join_all().await;
    assert_at_rest(&pool);
    assert_eq!(script.counts().calls, 8_000);
    members.remove(0);
    let gone = async {
        while !pool.is_empty() || script.counts().services > 0 {
            tokio::task::yield_now().await;
        }
    };
    let gone = tokio::time::timeout(60 * SEC, gone).await;
    assert!(gone.is_ok(), "{:?}", script.counts());
}
