use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt;

use super::{
    super::{few::FEW, test_view::FakeView},
    *,
};

fn calls(in_flight: u32) -> LoadReport {
    LoadReport {
        in_flight: Some(in_flight),
        ..LoadReport::default()
    }
}

fn probed(view: &FakeView<()>, index: usize, in_flight: u32) -> Probed {
    Probed {
        index,
        endpoint: view.members[index].endpoint.clone(),
        report: calls(in_flight),
    }
}

/// Answers after as many milliseconds as its key says; counts the probes that have begun and not been dropped.
struct Slow(Arc<AtomicUsize>);

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ReportSource for Slow {
    async fn probe(&self, endpoint: &Endpoint) -> Option<LoadReport> {
        self.0.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay(Arc::clone(&self.0));
        let wait = endpoint.key().parse().unwrap();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        Some(calls(wait as u32))
    }
}

fn targets(waits: &[u32]) -> Vec<(usize, Endpoint)> {
    let endpoints = waits.iter().map(|wait| Endpoint::new(wait.to_string()));
    endpoints.enumerate().collect()
}

#[tokio::test(start_paused = true)]
async fn the_slowest_is_not_waited_for() {
    let count = Arc::new(AtomicUsize::new(0));
    let prober = Prober::new(Slow(Arc::clone(&count)));
    let began = tokio::time::Instant::now();
    let answers = prober
        .ask(targets(&[3, 1, 1_000, 2]), Duration::from_secs(2))
        .await;
    let mut found: Vec<_> = answers.iter().map(|probed| probed.index).collect();
    found.sort_unstable();
    assert_eq!(found, [0, 1, 3]);
    assert!(began.elapsed_by(Duration::from_millis(4)));
    assert_eq!(count.load(Ordering::Relaxed), 0, "the fourth was dropped");
}

trait Elapsed {
    fn elapsed_by(&self, limit: Duration) -> bool;
}

impl Elapsed for tokio::time::Instant {
    fn elapsed_by(&self, limit: Duration) -> bool {
        tokio::time::Instant::now() - *self <= limit
    }
}

#[tokio::test(start_paused = true)]
async fn unanswered_probes_are_dropped_in_time() {
    let count = Arc::new(AtomicUsize::new(0));
    let prober = Prober::new(Slow(Arc::clone(&count)));
    let answers = prober
        .ask(targets(&[1, 500, 600]), Duration::from_millis(50))
        .await;
    assert_eq!(answers.len(), 1);
    assert_eq!(answers[0].report, calls(1));
    let none = prober
        .ask(targets(&[500, 600]), Duration::from_millis(50))
        .await;
    assert!(none.is_empty());
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_cancelled_leaves_no_probe() {
    let count = Arc::new(AtomicUsize::new(0));
    let prober = Prober::new(Slow(Arc::clone(&count)));
    let mut race = prober.ask(targets(&[500, 600]), Duration::from_secs(1));
    assert!((&mut race).now_or_never().is_none());
    assert_eq!(count.load(Ordering::Relaxed), 2);
    drop(race);
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn probes_in_the_background_fill_the_pool_and_end() {
    let count = Arc::new(AtomicUsize::new(0));
    let prober = Prober::new(Slow(Arc::clone(&count)));
    let pool = Arc::new(ReportPool::new());
    let mut view = FakeView::<()>::new(0);
    for wait in [1, 2, 3, 4_000] {
        view.push(Endpoint::builder(wait.to_string()));
    }
    prober.ask_for(&pool, &view, 4, Duration::from_millis(50));
    assert_eq!(pool.len(), 0);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(pool.len(), 3);
    assert_eq!(count.load(Ordering::Relaxed), 0);
    // Nobody to tell any more.
    prober.ask_for(&pool, &view, 4, Duration::from_millis(50));
    drop(pool);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(count.load(Ordering::Relaxed), 0);
}

const LIMITS: Limits = Limits {
    size: FEW,
    max_age: Some(Duration::from_secs(1)),
    remove: 0,
    uses: 1,
};

/// Fewest calls in flight, most calls in flight.
fn by_calls(candidates: &[Candidate], _: &[u32]) -> Ranked {
    let calls = |place: &usize| candidates[*place].report.in_flight;
    Ranked {
        best: (0..candidates.len()).min_by_key(calls).unwrap(),
        worst: (0..candidates.len()).max_by_key(calls).unwrap(),
    }
}

#[test]
fn a_report_is_used_once_and_lives_so_long() {
    let mut view = FakeView::new(4);
    let pool = ReportPool::new();
    let reports = (0..4).map(|index| probed(&view, index, index as u32));
    pool.add(reports.collect(), view.now);
    assert_eq!(pool.pick(&view, LIMITS, by_calls), Some(0));
    assert_eq!(pool.pick(&view, LIMITS, by_calls), Some(1));
    assert_eq!(pool.pick(&view, LIMITS, by_calls), Some(2));
    assert_eq!(pool.pick(&view, LIMITS, by_calls), None, "one is no choice");
    assert_eq!(pool.len(), 1);
    view.advance(Duration::from_millis(1_001));
    assert_eq!(pool.pick(&view, LIMITS, by_calls), None);
    assert_eq!(pool.len(), 0);
}

#[test]
fn a_report_that_is_used_again_counts_the_use() {
    let view = FakeView::new(2);
    let pool = ReportPool::new();
    pool.add(vec![probed(&view, 0, 1), probed(&view, 1, 3)], view.now);
    let limits = Limits { uses: 9, ..LIMITS };
    let picks: Vec<_> = (0..5)
        .map(|_| pool.pick(&view, limits, by_calls).unwrap())
        .collect();
    assert_eq!(
        picks,
        [0, 0, 0, 1, 0],
        "1, 2, 3, then the first of equals and so on"
    );
}

#[test]
fn the_age_is_one_mean_call_of_the_endpoint() {
    let mut view = FakeView::new(2);
    let strategy = super::super::LeastLoaded::default();
    for index in 0..2 {
        view.run(
            &strategy,
            index,
            Duration::from_secs(7),
            crate::outcome::Outcome::Success,
        );
    }
    let limits = Limits {
        max_age: None,
        uses: 99,
        ..LIMITS
    };
    let pool = ReportPool::new();
    pool.add(vec![probed(&view, 0, 1), probed(&view, 1, 3)], view.now);
    view.advance(Duration::from_secs(7));
    assert!(pool.pick(&view, limits, by_calls).is_some());
    view.advance(Duration::from_millis(1));
    assert!(pool.pick(&view, limits, by_calls).is_none());
}

#[test]
fn the_worst_and_the_oldest_go_in_turn() {
    let view = FakeView::new(5);
    let pool = ReportPool::new();
    for (index, calls) in [3, 4, 9, 1, 2].into_iter().enumerate() {
        pool.add(vec![probed(&view, index, calls)], view.now);
    }
    let limits = Limits {
        remove: 1,
        ..LIMITS
    };
    // 3 is best and used, 2 is worst and goes.
    assert_eq!(pool.pick(&view, limits, by_calls), Some(3));
    assert_eq!(pool.len(), 3);
    // 4 is best and used, 0 is oldest and goes.
    assert_eq!(pool.pick(&view, limits, by_calls), Some(4));
    pool.add(vec![probed(&view, 0, 50)], view.now);
    assert_eq!(
        pool.pick(&view, LIMITS, by_calls),
        Some(1),
        "1 is what was left"
    );
}

#[test]
fn the_pool_holds_no_more_than_its_limits_and_one_of_each() {
    let view = FakeView::new(40);
    let pool = ReportPool::new();
    for index in 0..40 {
        pool.add(
            vec![probed(&view, index, 1), probed(&view, index, 2)],
            view.now,
        );
    }
    assert_eq!(pool.len(), FEW);
    let limits = Limits {
        size: 5,
        uses: 9,
        ..LIMITS
    };
    assert_eq!(pool.pick(&view, limits, by_calls), Some(35));
    assert_eq!(pool.len(), 5);
}

#[test]
fn reports_of_members_that_moved_or_closed_are_not_used() {
    let mut view = FakeView::new(4);
    let pool = ReportPool::new();
    pool.add(
        (0..4).map(|index| probed(&view, index, 0)).collect(),
        view.now,
    );
    view.close(0);
    view.members.swap(1, 2);
    assert_eq!(pool.pick(&view, LIMITS, by_calls), None, "3 alone is left");
    view.members.swap(1, 2);
    assert_eq!(pool.pick(&view, LIMITS, by_calls), Some(1));
}
