//! Whole pools on paused time: what share of the calls each endpoint gets.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::Semaphore,
    time::{Instant, sleep, timeout},
};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneService};

use super::*;
use crate::{
    BoxError,
    balance::BalanceLayer,
    discover::{PerEndpointLayer, Roster},
    rejection::Rejection,
};

/// What an endpoint does, which may change while it runs.
#[derive(Debug)]
struct Script {
    millis: AtomicU64,
    fails: AtomicBool,
    weight: f64,
    calls: AtomicU64,
    /// How many calls it works on at once; others queue.
    slots: Semaphore,
}

type Pool = BoxCloneService<(), (), BoxError>;

// ===== impl Script =====

impl Script {
    fn answers_in(millis: u64) -> Arc<Self> {
        Self::new(millis, 1.0, Semaphore::MAX_PERMITS)
    }

    fn new(millis: u64, weight: f64, slots: usize) -> Arc<Self> {
        Arc::new(Self {
            millis: AtomicU64::new(millis),
            fails: AtomicBool::new(false),
            weight,
            calls: AtomicU64::new(0),
            slots: Semaphore::new(slots),
        })
    }

    fn fails_in(millis: u64) -> Arc<Self> {
        let script = Self::answers_in(millis);
        script.fails.store(true, Ordering::Relaxed);
        script
    }

    async fn answer(self: Arc<Self>) -> Result<(), BoxError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let _slot = self.slots.acquire().await;
        sleep(Duration::from_millis(self.millis.load(Ordering::Relaxed))).await;
        if self.fails.load(Ordering::Relaxed) {
            Err("it fails".into())
        } else {
            Ok(())
        }
    }

    /// Calls since the last look.
    fn take(&self) -> u64 {
        self.calls.swap(0, Ordering::Relaxed)
    }
}

fn pool<St: Pick<()>>(layer: BalanceLayer<St>, scripts: &[Arc<Script>]) -> Pool {
    let roster = Roster::new();
    for (index, script) in scripts.iter().enumerate() {
        let endpoint = Endpoint::builder(index.to_string()).weight(script.weight);
        roster.insert(endpoint, index).unwrap();
    }
    let scripts = scripts.to_vec();
    BoxCloneService::new(
        ServiceBuilder::new()
            .layer(layer.seed(5))
            .layer(PerEndpointLayer::new(move |_: &Endpoint, index: usize| {
                let script = Arc::clone(&scripts[index]);
                tower::service_fn(move |()| Arc::clone(&script).answer())
            }))
            .service(roster.changes()),
    )
}

/// So many callers, each calling again as soon as it has an answer or gives up.
async fn drive(pool: &Pool, callers: usize, time: Duration, patience: Option<Duration>) {
    let end = Instant::now() + time;
    let callers = (0..callers).map(|_| {
        let pool = pool.clone();
        async move {
            while Instant::now() < end {
                let call = pool.clone().oneshot(());
                let answer = match patience {
                    Some(patience) => timeout(patience, call).await.unwrap_or(Ok(())),
                    None => call.await,
                };
                if answer.is_err_and(|error| Rejection::find(&*error).is_some()) {
                    sleep(Duration::from_millis(10)).await;
                }
            }
        }
    });
    futures_util::future::join_all(callers).await;
}

/// The share of the first endpoint, in per cent.
fn first_share(scripts: &[Arc<Script>]) -> f64 {
    let calls: Vec<_> = scripts.iter().map(|script| script.take() as f64).collect();
    100.0 * calls[0] / calls.iter().sum::<f64>()
}

async fn share_of_failing<St: Pick<()>>(
    layer: BalanceLayer<St>,
    members: usize,
    callers: usize,
) -> f64 {
    let mut scripts = vec![Script::fails_in(1)];
    scripts.resize_with(members, || Script::answers_in(100));
    drive(
        &pool(layer, &scripts),
        callers,
        Duration::from_secs(30),
        None,
    )
    .await;
    first_share(&scripts)
}

/// Runs a check with every strategy of this folder that measures.
macro_rules! each_strategy {
    ($check:ident) => {
        mod $check {
            use crate::balance::strategy::*;

            #[tokio::test(start_paused = true)]
            async fn ebw() {
                super::$check(Ebw::default).await;
            }

            #[tokio::test(start_paused = true)]
            async fn ebw_sampled() {
                let config = EbwConfig {
                    scan_limit: 0,
                    ..EbwConfig::default()
                };
                super::$check(move || Ebw::new(config).unwrap()).await;
            }

            #[tokio::test(start_paused = true)]
            async fn peak_ewma() {
                super::$check(PeakEwma::default).await;
            }

            #[tokio::test(start_paused = true)]
            async fn fastest() {
                super::$check(Fastest::default).await;
            }

            #[tokio::test(start_paused = true)]
            async fn fastest_two_choices() {
                let config = FastestConfig {
                    full_scan: false,
                    ..FastestConfig::default()
                };
                super::$check(move || Fastest::new(config).unwrap()).await;
            }

            #[tokio::test(start_paused = true)]
            async fn least_cost() {
                super::$check(LeastCost::full_scan).await;
            }

            #[tokio::test(start_paused = true)]
            async fn least_cost_two_choices() {
                super::$check(LeastCost::two_choices).await;
            }

            #[tokio::test(start_paused = true)]
            async fn least_loaded() {
                super::$check(LeastLoaded::two_choices).await;
            }
        }
    };
}

async fn fast_failure_attracts_nothing<St: Pick<()>>(strategy: impl Fn() -> St) {
    for members in [2, 3, 5, 10] {
        for callers in [1, 4, 16] {
            let share = share_of_failing(BalanceLayer::new(strategy()), members, callers).await;
            println!("{members} members, {callers} callers: {share:.1} %");
            assert!(
                share <= 100.0 / members as f64,
                "{members} members, {callers} callers: {share:.1} %"
            );
        }
    }
}

each_strategy!(fast_failure_attracts_nothing);

/// The other way about: what the guard is good for.
async fn unguarded_fast_failure_attracts<St: Pick<()>>(strategy: impl Fn() -> St) {
    let share = share_of_failing(BalanceLayer::bare(strategy()), 3, 16).await;
    assert!(share > 50.0, "{share:.1} %");
}

each_strategy!(unguarded_fast_failure_attracts);

/// No more than its fair share, give or take what chance does to those that do not measure latency.
///
/// The first endpoint never answers within the callers' patience, the others do.
async fn giving_up_attracts_nothing<St: Pick<()>>(strategy: impl Fn() -> St) {
    for members in [2, 3, 5] {
        for callers in [1, 6] {
            let mut scripts = vec![Script::answers_in(3_600_000)];
            scripts.resize_with(members, || Script::answers_in(40));
            let pool = pool(BalanceLayer::new(strategy()), &scripts);
            drive(
                &pool,
                callers,
                Duration::from_secs(30),
                Some(Duration::from_millis(50)),
            )
            .await;
            let share = first_share(&scripts);
            println!("{members} members, {callers} callers: {share:.1} %");
            assert!(
                share <= 100.0 / members as f64 + 1.5,
                "{members} members, {callers} callers: {share:.1} %"
            );
        }
    }
}

each_strategy!(giving_up_attracts_nothing);

/// An endpoint that is stuck gets ever less, and its share back once it answers again.
async fn recovery_is_found_out<St: Pick<()>>(strategy: impl Fn() -> St) {
    let mut scripts = vec![Script::answers_in(100)];
    scripts.resize_with(3, || Script::answers_in(100));
    let pool = pool(BalanceLayer::new(strategy()), &scripts);
    let run = async || {
        drive(&pool, 12, Duration::from_secs(20), None).await;
        first_share(&scripts)
    };
    let well = run().await;
    scripts[0].millis.store(10_000, Ordering::Relaxed);
    let stuck = run().await;
    scripts[0].millis.store(100, Ordering::Relaxed);
    run().await;
    let again = run().await;
    println!("well {well:.1}, stuck {stuck:.1}, again {again:.1} %");
    assert!((25.0..42.0).contains(&well), "well: {well:.1} %");
    assert!(stuck < 5.0, "stuck: {stuck:.1} %");
    assert!((25.0..42.0).contains(&again), "again: {again:.1} %");
}

each_strategy!(recovery_is_found_out);

/// A burst after a minute without calls spreads, although the last endpoint called has the freshest estimate.
async fn burst_after_idleness_is_spread<St: Pick<()>>(strategy: impl Fn() -> St) {
    let mut scripts = vec![Script::answers_in(100)];
    scripts.resize_with(4, || Script::answers_in(100));
    let pool = pool(BalanceLayer::new(strategy()), &scripts);
    drive(&pool, 4, Duration::from_secs(5), None).await;
    sleep(Duration::from_secs(60)).await;
    first_share(&scripts);
    let burst = (0..40).map(|_| pool.clone().oneshot(()));
    futures_util::future::join_all(burst).await;
    let shares: Vec<_> = scripts.iter().map(|script| script.take()).collect();
    println!("{shares:?}");
    assert!(
        shares.iter().all(|share| (4..=18).contains(share)),
        "{shares:?}"
    );
}

each_strategy!(burst_after_idleness_is_spread);

/// Under load, three times the weight gets about three times the calls.
async fn weight_is_honoured<St: Pick<()>>(strategy: impl Fn() -> St) {
    let scripts = [3.0, 1.0].map(|weight| Script::new(100, weight, Semaphore::MAX_PERMITS));
    let pool = pool(BalanceLayer::new(strategy()), &scripts);
    drive(&pool, 8, Duration::from_secs(30), None).await;
    let share = first_share(&scripts);
    println!("{share:.1} %");
    assert!((68.0..82.0).contains(&share), "{share:.1} %");
}

each_strategy!(weight_is_honoured);

/// Of four endpoints that work on four calls at once, two are four times as fast. They get four times the calls when all
/// are busy, and more when there is less to do than all can do.
#[tokio::test(start_paused = true)]
async fn ebw_follows_speed() {
    for (callers, scan_limit, most) in [(40, 64, 4.5), (16, 64, 9.0), (40, 0, 4.5), (16, 0, 9.0)] {
        let config = EbwConfig {
            scan_limit,
            ..EbwConfig::default()
        };
        let scripts = [50, 200, 50, 200].map(|millis| Script::new(millis, 1.0, 4));
        let pool = pool(BalanceLayer::new(Ebw::new(config).unwrap()), &scripts);
        drive(&pool, callers, Duration::from_secs(30), None).await;
        let calls = scripts.each_ref().map(|script| script.take() as f64);
        let ratio = (calls[0] + calls[2]) / (calls[1] + calls[3]);
        println!("{callers} callers: {calls:?}, {ratio:.2}");
        assert!((3.5..most).contains(&ratio), "{callers} callers: {calls:?}");
        // The fast ones do all that they can: 80 calls a second each.
        assert!(
            calls[0] + calls[2] > 0.95 * 2.0 * 30.0 * 80.0,
            "{callers} callers: {calls:?}"
        );
    }
}
