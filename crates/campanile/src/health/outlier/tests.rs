use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{runtime::Handle, time::sleep};
use tower::{Service, ServiceBuilder, ServiceExt, util::BoxCloneService};

use super::*;
use crate::{
    BoxError, Endpoint,
    balance::{BalanceLayer, RoundRobin},
    collect::{Collect, Metric, Sink, Value},
    discover::{PerEndpointLayer, Roster},
    endpoint::Reason,
    health::{Fleet, PanicThreshold},
    outcome::{FailureKind, Outcome},
    protocol::Unary,
    testing::{Script, Step},
    time::Timestamp,
};

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

type Target = Script<&'static str>;
type Pool = BoxCloneService<(), &'static str, BoxError>;

/// A pool of scripted members whose outliers are ejected.
struct Bench {
    roster: Roster<usize>,
    endpoints: Vec<Endpoint>,
    scripts: Vec<Target>,
    outliers: OutlierHandle,
    pool: Pool,
}

fn well() -> Step<&'static str> {
    Step::answer("well").after(MS)
}

fn sick() -> Step<&'static str> {
    Step::error("sick").after(MS)
}

/// Fails every second call.
fn half() -> Target {
    Script::rule(|call| if call % 2 == 0 { sick() } else { well() })
}

/// What an error says, so that a member can be told what its failures mean.
fn classify(result: Result<&&'static str, &BoxError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Success,
        Err(error) => match error.to_string().as_str() {
            "throttled" => Outcome::Throttled { retry_after: None },
            "ignored" => Outcome::Ignored,
            "overloaded" => Outcome::Overloaded { retry_after: None },
            _ => Outcome::Failure(FailureKind::Error),
        },
    }
}

impl Bench {
    fn new(scripts: Vec<Target>) -> Self {
        Self::with(scripts, OutlierConfig::default(), PanicThreshold::default())
    }

    fn with(scripts: Vec<Target>, config: OutlierConfig, threshold: PanicThreshold) -> Self {
        let roster = Roster::new();
        let endpoints = (0..scripts.len())
            .map(|n| roster.insert(format!("{n:05}"), n).unwrap())
            .collect();
        let outliers = OutlierHandle::new(config.with_jitter(0.0)).unwrap();
        let ejecting = OutlierLayer::shared(&outliers).panic_threshold(threshold);
        let targets = scripts.clone();
        let pool = ServiceBuilder::new()
            .layer(
                BalanceLayer::bare(RoundRobin::default())
                    .patience(10 * MS)
                    .protocol(Unary::new(classify)),
            )
            .layer(ejecting.unwrap())
            .layer(PerEndpointLayer::new(move |_: &Endpoint, n: usize| {
                targets[n].service()
            }))
            .service(roster.changes());
        Self {
            roster,
            endpoints,
            scripts,
            outliers,
            pool: BoxCloneService::new(pool),
        }
    }

    async fn call(&self) -> bool {
        self.pool.clone().oneshot(()).await.is_ok()
    }

    /// So many calls, one after the other; how many failed.
    async fn calls(&self, count: usize) -> usize {
        let mut failed = 0;
        for _ in 0..count {
            failed += usize::from(!self.call().await);
        }
        failed
    }

    /// How many calls each member has had.
    fn served(&self) -> Vec<u64> {
        self.scripts
            .iter()
            .map(|script| script.counts().calls)
            .collect()
    }

    /// Which are closed as outliers, by their place.
    fn closed(&self) -> Vec<usize> {
        let now = Timestamp::now();
        (0..self.endpoints.len())
            .filter(|n| {
                let gate = self.endpoints[*n].gate();
                gate.is_closed_for(Reason::Outlier, now)
            })
            .collect()
    }

    /// Which are ejected, by the handle: for how many seconds, and why.
    fn ejected(&self) -> Vec<(usize, u64, OutlierCause)> {
        let snapshot = self.outliers.snapshot();
        snapshot
            .members
            .iter()
            .filter_map(|member| {
                let seconds = member.ejected_for?.ceil() as u64;
                Some((member.key.parse().unwrap(), seconds, member.cause?))
            })
            .collect()
    }
}

fn members(count: usize) -> Vec<Target> {
    (0..count).map(|_| Script::new(well())).collect()
}

#[tokio::test(start_paused = true)]
async fn one_of_ten_that_always_fails_spoils_five_calls() {
    let mut scripts = members(10);
    scripts[3] = Script::new(sick());
    let bench = Bench::new(scripts);
    assert_eq!(bench.calls(1_000).await, 5);
    assert_eq!(bench.served()[3], 5);
    assert_eq!(bench.closed(), [3]);
    assert_eq!(
        bench.ejected(),
        [(3, 30, OutlierCause::ConsecutiveFailures)]
    );
    // It is back after 30 s, and out again after five more calls, for twice as long.
    sleep(30 * SEC).await;
    assert_eq!(bench.closed(), [] as [usize; 0]);
    assert_eq!(bench.calls(1_000).await, 5);
    sleep(58 * SEC).await;
    assert_eq!(bench.closed(), [3]);
    sleep(2 * SEC).await;
    assert_eq!(bench.closed(), [] as [usize; 0]);
}

#[tokio::test(start_paused = true)]
async fn it_is_ejected_by_the_fifth_failure_and_not_at_the_next_step() {
    let mut scripts = members(2);
    scripts[0] = Script::new(sick());
    let bench = Bench::new(scripts);
    let started = Timestamp::now();
    bench.calls(10).await;
    assert_eq!(bench.closed(), [0]);
    assert!(Timestamp::now().since(started) < SEC);
    // Calls that are in flight then are many, and all fail: still one ejection.
    let bench = Bench::new(vec![Script::new(sick().after(SEC)), Script::new(well())]);
    let calls: Vec<_> = (0..40)
        .map(|_| tokio::spawn(bench.pool.clone().oneshot(())))
        .collect();
    for call in calls {
        let _ = call.await;
    }
    assert_eq!(bench.outliers.snapshot().ejections, 1);
}

#[tokio::test(start_paused = true)]
async fn one_of_ten_that_fails_half_the_time_is_found_by_its_rate() {
    let mut scripts = members(10);
    scripts[3] = half();
    let bench = Bench::new(scripts);
    // Each member gets a call in 10 ms: 20 calls in the first step are more than enough.
    let mut failed = bench.calls(5_000).await;
    assert_eq!(bench.ejected(), [], "the first step is not over");
    sleep(6 * SEC).await;
    assert_eq!(bench.ejected().len(), 1);
    assert_eq!(bench.ejected()[0].0, 3);
    assert_eq!(bench.ejected()[0].2, OutlierCause::SuccessRate);
    assert_eq!(failed, 250);
    failed = bench.calls(5_000).await;
    assert_eq!(failed, 0);
}

#[tokio::test(start_paused = true)]
async fn it_is_found_by_few_calls_too() {
    // A call of each member in 10 s: it takes more than a window of one interval to have 20 of them, or any window of a
    // minute. Five in 10 s do.
    let mut scripts = members(10);
    scripts[3] = half();
    let bench = Bench::new(scripts);
    for _ in 0..6 {
        bench.calls(50).await;
        sleep(10 * SEC).await;
    }
    assert_eq!(bench.ejected().len(), 1, "{:?}", bench.outliers.snapshot());
}

#[tokio::test(start_paused = true)]
async fn members_that_fail_alike_are_not_ejected() {
    let bench = Bench::new((0..10).map(|_| half()).collect());
    for _ in 0..30 {
        // An odd number, so that their rates differ by a call.
        bench.calls(1_003).await;
        sleep(9 * SEC).await;
    }
    assert_eq!(bench.outliers.snapshot().ejections, 0);
}

#[tokio::test(start_paused = true)]
async fn of_members_that_all_fail_a_tenth_is_out() {
    let bench = Bench::new((0..20).map(|_| Script::new(sick())).collect());
    for _ in 0..60 {
        bench.calls(200).await;
        sleep(3 * SEC).await;
        assert!(bench.closed().len() <= 2);
        assert!(!bench.outliers.is_panicking());
    }
    // Some three minutes: two at a time, for half a minute at first and for longer those that come and go.
    let snapshot = bench.outliers.snapshot();
    assert_eq!(snapshot.limit, 2);
    assert!((6..=14).contains(&snapshot.ejections), "{snapshot:?}");
}

#[tokio::test(start_paused = true)]
async fn the_only_member_is_used_all_the_same() {
    let bench = Bench::new(vec![Script::new(sick())]);
    assert_eq!(bench.calls(50).await, 50);
    assert_eq!(bench.served(), [50]);
    assert_eq!(bench.ejected().len(), 1);
    assert!(bench.outliers.is_panicking());
    assert_eq!(bench.closed(), [] as [usize; 0]);
    bench.scripts[0].set(well());
    assert_eq!(bench.calls(50).await, 0);
    sleep(30 * SEC).await;
    assert!(!bench.outliers.is_panicking());

    // Unless it must not: then the pool refuses.
    let never = Bench::with(
        vec![Script::new(sick())],
        OutlierConfig::default(),
        PanicThreshold(0.0),
    );
    assert_eq!(never.calls(50).await, 50);
    // The sixth began before the fifth had been heard of.
    assert!(never.served()[0] <= 6, "{:?}", never.served());
}

#[tokio::test(start_paused = true)]
async fn of_two_one_may_be_out() {
    let bench = Bench::new((0..2).map(|_| Script::new(sick())).collect());
    bench.calls(100).await;
    assert_eq!(bench.closed().len(), 1);
    assert!(!bench.outliers.is_panicking(), "half is enough");
    let mut served = bench.served();
    served.sort_unstable();
    assert_eq!(served, [5, 95]);
}

#[tokio::test(start_paused = true)]
async fn when_most_are_out_all_are_used_until_they_are_back() {
    let config = OutlierConfig::default().with_max_ejected(1.0);
    let scripts = (0..10).map(|_| Script::new(sick())).collect();
    let bench = Bench::with(scripts, config, PanicThreshold::default());
    bench.calls(200).await;
    assert!(bench.outliers.is_panicking());
    assert_eq!(bench.ejected().len(), 10);
    assert_eq!(bench.closed(), [] as [usize; 0]);
    let before = bench.served();
    bench.calls(100).await;
    let during: Vec<_> = bench
        .served()
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    assert_eq!(during, [10; 10], "all alike");
    for script in &bench.scripts {
        script.set(well());
    }
    sleep(31 * SEC).await;
    assert!(!bench.outliers.is_panicking());
    assert_eq!(bench.calls(1_000).await, 0);
    assert_eq!(bench.outliers.snapshot().ejections, 10);
}

#[tokio::test(start_paused = true)]
async fn ejections_grow_while_it_fails_and_shrink_once_it_serves() {
    let mut scripts = members(5);
    scripts[0] = Script::new(sick());
    let bench = Bench::new(scripts);
    let mut seconds = Vec::new();
    for _ in 0..4 {
        bench.calls(50).await;
        let [(0, time, _)] = bench.ejected()[..] else {
            panic!("{:?}", bench.ejected());
        };
        seconds.push(time);
        sleep(Duration::from_secs(time)).await;
    }
    assert_eq!(seconds, [30, 60, 90, 120]);
    // It serves for two minutes: two of the four are forgotten.
    bench.scripts[0].set(well());
    for _ in 0..13 {
        bench.calls(100).await;
        sleep(10 * SEC).await;
    }
    assert_eq!(bench.outliers.snapshot().members[0].remembered, 2);
    bench.scripts[0].set(sick());
    bench.calls(50).await;
    assert_eq!(
        bench.ejected(),
        [(0, 90, OutlierCause::ConsecutiveFailures)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_says_nothing_of_the_endpoint_does_not_count() {
    for (text, ejections) in [
        ("throttled", 0),
        ("ignored", 0),
        ("overloaded", 1),
        ("sick", 1),
    ] {
        let mut scripts = members(10);
        scripts[3] = Script::new(Step::error(text).after(MS));
        let bench = Bench::new(scripts);
        bench.calls(2_000).await;
        sleep(20 * SEC).await;
        assert_eq!(bench.outliers.snapshot().ejections, ejections, "{text}");
    }
    // Nor does a call that is given up.
    let mut scripts = members(10);
    scripts[3] = Script::new(Step::stall());
    let bench = Bench::new(scripts);
    for _ in 0..500 {
        let _ = tokio::time::timeout(10 * MS, bench.call()).await;
    }
    sleep(20 * SEC).await;
    assert_eq!(bench.outliers.snapshot().ejections, 0);
    assert_eq!(bench.outliers.snapshot().members[3].calls, 0);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_inserted_again_stays_ejected_and_another_of_its_key_does_not() {
    let mut scripts = members(3);
    scripts[0] = Script::new(sick());
    let bench = Bench::new(scripts);
    bench.calls(100).await;
    assert_eq!(bench.closed(), [0]);
    bench.roster.insert("00000", 0).unwrap();
    bench.calls(30).await;
    assert_eq!((bench.closed(), bench.served()[0]), (vec![0], 5));
    // Another target is another endpoint.
    let next = bench.roster.insert("00000", 1).unwrap();
    bench.calls(30).await;
    assert!(next.gate().is_open(Timestamp::now()));
    assert_eq!(bench.ejected(), []);
    let snapshot = bench.outliers.snapshot();
    assert_eq!(snapshot.members.len(), 3);
    assert_eq!(snapshot.members[0].ejections, 0);
    assert_eq!(snapshot.ejections, 1, "the pool has not forgotten");
    // And one that left takes nothing along.
    bench.roster.remove("00000").unwrap();
    bench.calls(30).await;
    assert_eq!(bench.outliers.snapshot().members.len(), 2);
    assert_eq!(bench.calls(300).await, 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_when_the_pool_is_dropped() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let mut scripts = members(3);
    scripts[0] = Script::new(sick());
    let bench = Bench::new(scripts);
    bench.calls(100).await;
    assert_eq!(bench.closed(), [0]);
    assert_eq!(tasks(), before + 2, "the pool's and the outliers'");
    let Bench {
        pool,
        endpoints,
        outliers,
        roster,
        ..
    } = bench;
    drop(pool);
    sleep(MS).await;
    assert_eq!(tasks(), before);
    assert!(
        !endpoints[0]
            .gate()
            .is_closed_for(Reason::Outlier, Timestamp::now())
    );
    // The handle and the roster outlive it.
    let snapshot = outliers.snapshot();
    assert_eq!((snapshot.members.len(), snapshot.ejections), (0, 1));
    drop((roster, outliers));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_discovery_before_it_is_polled_ends_the_task() {
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let roster = Roster::<u32>::new();
    let layer = OutlierLayer::new(OutlierConfig::default()).unwrap();
    let members = ServiceBuilder::new().layer(layer).service(roster.changes());
    assert_eq!(tasks(), before + 1);
    drop(members);
    sleep(MS).await;
    assert_eq!(tasks(), before);
}

#[tokio::test(start_paused = true)]
async fn the_task_sleeps_during_an_ejection() {
    let fleet = Fleet::new(PanicThreshold::default());
    let handle = OutlierHandle::new(OutlierConfig::default().with_jitter(0.0)).unwrap();
    let mut outliers = handle.watch(&fleet);
    let endpoints = ["a", "b"].map(Endpoint::new);
    let now = Timestamp::now();
    for endpoint in &endpoints {
        let id = fleet.join(endpoint, now);
        outliers.join(id, endpoint, now);
    }
    let polls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&polls);
    let task = tokio::spawn(poll_fn(move |cx| {
        counted.fetch_add(1, Relaxed);
        outliers.poll(cx)
    }));
    let fail = |calls: usize| {
        for _ in 0..calls {
            assert!(endpoints[0].enter());
            endpoints[0].leave(Outcome::Failure(FailureKind::Error));
        }
    };
    // Four failures wake nobody.
    sleep(MS).await;
    fail(4);
    sleep(MS).await;
    assert_eq!(polls.swap(0, Relaxed), 1);
    fail(1);
    sleep(29 * SEC).await;
    assert!(
        endpoints[0]
            .gate()
            .is_closed_for(Reason::Outlier, Timestamp::now())
    );
    // A look a second, three steps, the failure itself.
    assert!((10..40).contains(&polls.swap(0, Relaxed)));
    sleep(2 * SEC).await;
    assert!(endpoints[0].gate().is_open(Timestamp::now()));
    polls.store(0, Relaxed);
    // And with nobody out, a step in ten seconds.
    sleep(100 * SEC).await;
    assert!((10..=11).contains(&polls.load(Relaxed)), "{polls:?}");
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_large_pool_is_looked_at_in_portions() {
    let mut scripts = members(2_500);
    scripts[2_222] = half();
    let config = OutlierConfig::default().with_consecutive_failures(None);
    let bench = Bench::with(scripts, config, PanicThreshold::default());
    // All at once, and not one after the other.
    for _ in 0..20 {
        let calls: Vec<_> = (0..2_500)
            .map(|_| tokio::spawn(bench.pool.clone().oneshot(())))
            .collect();
        for call in calls {
            let _ = call.await.unwrap();
        }
    }
    sleep(11 * SEC).await;
    let ejected = bench.ejected();
    assert_eq!(ejected.len(), 1);
    assert_eq!(ejected[0].0, 2_222);
}

#[derive(Default)]
struct Samples(Vec<(&'static str, Option<&'static str>, Value)>);

impl Sink for Samples {
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    ) {
        self.0
            .push((metric.name, label.map(|(_, value)| value), value));
    }
}

#[tokio::test(start_paused = true)]
async fn everything_is_shown_and_survives_serialisation() {
    let mut scripts = members(3);
    scripts[1] = Script::new(sick());
    let bench = Bench::new(scripts);
    bench.calls(100).await;
    sleep(10 * SEC).await;
    let snapshot = bench.outliers.snapshot();
    assert_eq!((snapshot.ejected, snapshot.limit), (1, 1));
    let [first, out, _] = &snapshot.members[..] else {
        panic!("{snapshot:?}");
    };
    assert_eq!((first.ejected_for, first.success_rate), (None, Some(1.0)));
    assert!(first.calls > 30);
    assert_eq!(first.latency, Some(0.001));
    assert_eq!(out.cause, Some(OutlierCause::ConsecutiveFailures));
    assert_eq!(
        (out.ejections, out.remembered, out.failures_in_row),
        (1, 1, 5)
    );
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(
        serde_json::from_str::<OutlierSnapshot>(&text).unwrap(),
        snapshot
    );

    let mut samples = Samples::default();
    bench.outliers.collect(&mut samples);
    assert_eq!(
        samples.0,
        [
            (
                "outlier_ejections",
                Some("consecutive_failures"),
                Value::Counter(1.0)
            ),
            (
                "outlier_ejections",
                Some("success_rate"),
                Value::Counter(0.0)
            ),
            ("outlier_ejections", Some("latency"), Value::Counter(0.0)),
            ("outlier_ejected", None, Value::Gauge(1.0)),
            ("outlier_panicking", None, Value::Gauge(0.0)),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pool_of_outliers_is_ready_at_once() {
    let bench = Bench::new(members(1));
    let mut pool = bench.pool.clone();
    let ready = poll_fn(|cx| Service::<()>::poll_ready(&mut pool, cx));
    assert!(ready.await.is_ok());
}
