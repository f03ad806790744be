//! The clocks in the stack of each endpoint of a pool.

use super::*;
use crate::{
    balance::{Balance, BalanceLayer, LeastLoaded},
    protocol::Unary,
    testing::{DiscoverHandle, discovery},
};

type Member = Timeout<Scripted<&'static str>>;

fn pool() -> (
    DiscoverHandle<&'static str, Member>,
    Balance<Member, LeastLoaded, Unary>,
) {
    let (members, discover) = discovery();
    let pool = BalanceLayer::bare(LeastLoaded::default()).layer(discover);
    (members, pool)
}

async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// "Calls cancelled by a caller's deadline are not seen: 100 of 100 time out." Those that its clock ends are failures of
/// their endpoint.
#[tokio::test(start_paused = true)]
async fn calls_that_time_out_count_against_their_endpoint() {
    let (members, pool) = pool();
    let hangs = Script::new(Step::stall());
    members.insert("hangs", timed(&hangs, clocks().with_head(50 * MS)));
    settle().await;
    for _ in 0..100 {
        let error = pool.clone().oneshot(()).await.unwrap_err();
        assert_timed_out(&error, Clock::Head);
    }
    let snapshot = pool.snapshot();
    let endpoint = &snapshot.members[0].endpoint;
    assert_eq!((endpoint.outcomes.failure, endpoint.in_flight), (100, 0));
    assert_eq!(hangs.counts().in_flight, 0);
}

/// A limit on readiness does not make an endpoint look ready that is not.
#[tokio::test(start_paused = true)]
async fn the_pool_goes_elsewhere_while_an_endpoint_is_not_ready() {
    let (members, pool) = pool();
    let (stuck, well) = (Script::answering("never"), Script::answering("done"));
    stuck.set_readiness(Readiness::Pending);
    members.insert("stuck", timed(&stuck, clocks().with_head(50 * MS)));
    members.insert("well", timed(&well, clocks().with_head(50 * MS)));
    settle().await;
    for _ in 0..20 {
        assert_eq!(pool.clone().oneshot(()).await.unwrap(), "done");
        tokio::time::sleep(40 * MS).await;
    }
    assert_eq!(stuck.counts().calls, 0);

    // With nobody else the limit holds within the pool's patience.
    members.remove("well");
    settle().await;
    let (answer, took) = taking(pool.oneshot(())).await;
    assert_timed_out(&answer.unwrap_err(), Clock::Readiness);
    assert!((50 * MS..=51 * MS).contains(&took), "{took:?}");
    assert_eq!(stuck.counts().calls, 0);
}
