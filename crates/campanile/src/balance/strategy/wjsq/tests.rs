use std::{collections::HashMap, sync::Arc};

use super::{
    super::{Probed, test_view::FakeView},
    *,
};
use crate::{
    endpoint::Endpoint,
    outcome::Outcome,
    sync::{Mutex, lock},
};

fn load(in_flight: u32, millis: u64) -> LoadReport {
    LoadReport {
        in_flight: Some(in_flight),
        time_per_unit: Some(Duration::from_millis(millis)),
        ..LoadReport::default()
    }
}

/// Reports what was set, by key; nothing for others.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<HashMap<String, LoadReport>>>);

impl Told {
    fn tell(&self, key: usize, report: LoadReport) {
        lock(&self.0).insert(key.to_string(), report);
    }
}

impl ReportSource for Told {
    async fn probe(&self, endpoint: &Endpoint) -> Option<LoadReport> {
        lock(&self.0).get(endpoint.key()).copied()
    }
}

fn best(reports: &[LoadReport], weights: &[f32]) -> usize {
    let rule = Rule::new(&WjsqConfig::default());
    let mut signals = Few::new();
    for (index, report) in reports.iter().enumerate() {
        let weight = weights.get(index).copied().unwrap_or(1.0);
        signals.push(rule.signal(index, 0, report, weight));
    }
    best_two(&rule.scores(&signals)).unwrap().0
}

#[test]
fn scores_follow_the_law() {
    // 32 ms at 16 calls of 16 is 16 ms alone: 16 x 17 = 272. 20 ms at 4 calls: 16 x 5 = 80.
    assert_eq!(best(&[load(16, 32), load(4, 20)], &[]), 1);
    // Twice as fast and not twice as long a queue.
    assert_eq!(best(&[load(3, 20), load(5, 10)], &[]), 1);
    // A large batch has room: 40 ms at 60 calls of 64 is 20.6 alone, of 16 it is 8.4.
    let large = LoadReport {
        max_batch: Some(64),
        ..load(60, 40)
    };
    assert_eq!(best(&[large, load(60, 40)], &[]), 1);
    // Weight.
    assert_eq!(best(&[load(3, 20), load(3, 20)], &[1.0, 1.5]), 1);
    assert_eq!(best(&[load(9, 20), load(5, 20)], &[2.0, 1.0]), 0);
}

#[test]
fn one_that_does_not_say_is_as_slow_as_the_mean() {
    let silent = LoadReport {
        in_flight: Some(2),
        ..LoadReport::default()
    };
    assert_eq!(best(&[silent, load(2, 5), load(2, 50)], &[]), 1);
    assert_eq!(best(&[silent, load(2, 50), load(2, 50)], &[]), 0);
    assert_eq!(
        best(&[LoadReport::default(), silent], &[]),
        0,
        "fewer calls, no times"
    );
}

#[test]
fn nothing_is_infinitely_good() {
    let rule = Rule::new(&WjsqConfig::default());
    let zero = rule.signal(0, 0, &load(0, 0), 1.0);
    let mut signals = Few::new();
    signals.push(zero);
    assert!(rule.scores(&signals)[0].1 > 0.0);
    // Our own calls are a part of everybody's.
    assert_eq!(rule.signal(0, 7, &load(3, 1), 1.0).in_flight, 7.0);
}

async fn prepared<S: ReportSource>(
    strategy: &Wjsq<S>,
    view: &mut FakeView<Reported>,
) -> Option<usize> {
    view.probed = match strategy.prepare(view, &()) {
        Some(probes) => probes.await,
        None => Vec::new(),
    };
    let picked = strategy.pick(view, &());
    view.probed.clear();
    picked
}

#[tokio::test(start_paused = true)]
async fn probing_finds_the_best_of_those_probed_and_keeps_the_runner_up() {
    let told = Told::default();
    let strategy = Wjsq::probing(told.clone());
    let mut view = FakeView::new(4);
    for index in 0..4 {
        told.tell(index, load(10, 20));
    }
    told.tell(2, load(3, 20));
    told.tell(1, load(5, 20));
    // All four are probed, and the last answer is not waited for: some of these see three.
    let mut picks = [0; 4];
    for _ in 0..100 {
        picks[prepared(&strategy, &mut view).await.unwrap()] += 1;
    }
    assert_eq!(picks[2], 100, "answers at once are all there: {picks:?}");

    let mut view = FakeView::<Reported>::new(100);
    for index in 0..100 {
        told.tell(index, load(10, 20));
    }
    told.tell(41, load(0, 20));
    told.tell(42, load(1, 20));
    let Mode::Probing { runner_up, .. } = &strategy.mode else {
        unreachable!()
    };
    runner_up.store(42, Ordering::Relaxed);
    assert_eq!(
        prepared(&strategy, &mut view).await,
        Some(41),
        "the last runner-up is probed too"
    );
    assert!(runner_up.load(Ordering::Relaxed) != 42);
    let probes = strategy.prepare(&view, &()).unwrap().await;
    assert_eq!(probes.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn without_answers_the_own_view_decides() {
    let strategy = Wjsq::probing(Told::default());
    let mut view = FakeView::new(2);
    let _busy = view.begin(&strategy, 0);
    for _ in 0..20 {
        assert_eq!(prepared(&strategy, &mut view).await, Some(1));
    }
    // Probes that never answer.
    let hangs = |_: &Endpoint| std::future::pending();
    let strategy = Wjsq::probing(hangs);
    let began = tokio::time::Instant::now();
    assert_eq!(prepared(&strategy, &mut view).await, Some(1));
    let waited = tokio::time::Instant::now() - began;
    assert!((50..60).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn probes_of_members_that_closed_or_moved_do_not_count() {
    let told = Told::default();
    told.tell(0, load(0, 1));
    told.tell(1, load(9, 20));
    told.tell(2, load(8, 20));
    let strategy = Wjsq::probing(told);
    let mut view = FakeView::new(3);
    view.probed = strategy.prepare(&view, &()).unwrap().await;
    assert_eq!(view.probed.len(), 3);
    view.close(0);
    assert_eq!(strategy.pick(&view, &()), Some(2));
    view.members.swap(1, 2);
    // What was said of the others is of no use: the own view.
    assert_eq!(view.shares(&strategy, 50)[0], 0);
    view.probed = vec![Probed {
        index: 99,
        endpoint: Endpoint::new("gone"),
        report: load(0, 0),
    }];
    assert!(strategy.pick(&view, &()).is_some());
}

#[test]
fn one_open_member_is_not_probed() {
    let strategy = Wjsq::probing(Told::default());
    let view = FakeView::new(2);
    view.close(1);
    assert!(strategy.prepare(&view, &()).is_none());
}

// The time of a report is read from the clock, which is paused only with this feature.
#[cfg(feature = "testing")]
#[tokio::test(start_paused = true)]
async fn pooled_uses_earlier_answers() {
    let told = Told::default();
    for index in 0..3 {
        told.tell(index, load(10, 20));
    }
    told.tell(1, load(2, 20));
    let strategy = Wjsq::pooled(told);
    let view = FakeView::new(3);
    let Mode::Pooled { pool, .. } = &strategy.mode else {
        unreachable!()
    };
    for _ in 0..20 {
        assert!(strategy.prepare(&view, &()).is_none(), "nobody waits");
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert_eq!(pool.len(), 3);
        // `now` is that of the view, which stands still: reports are as if of now.
        assert_eq!(strategy.pick(&view, &()), Some(1));
        assert_eq!(pool.len(), 1, "one used, one removed");
    }
}

#[test]
fn piggybacked_reports_count_and_fade() {
    let strategy = Wjsq::piggybacked();
    let mut view = FakeView::new(3);
    // Unknown: by our own calls.
    let busy = view.begin(&strategy, 0);
    let shares = view.shares(&strategy, 100);
    assert!(shares[0] == 0 && shares[1] > 0 && shares[2] > 0);
    view.end(&strategy, &busy, Outcome::Cancelled);

    // Others keep 0 and 1 busy.
    strategy.report(view.peer(0), view.now, &load(12, 20));
    strategy.report(view.peer(1), view.now, &load(6, 20));
    strategy.report(view.peer(2), view.now, &load(8, 20));
    assert_eq!(view.shares(&strategy, 20), [0, 20, 0]);
    assert_eq!(view.inspect(&strategy, 0, "reported_in_flight"), 12.0);

    // Our own calls since the report.
    let own: Vec<_> = (0..4).map(|_| view.begin(&strategy, 1)).collect();
    assert_eq!(view.shares(&strategy, 20), [0, 0, 20]);

    // After two mean calls, 10 s before any was timed, only our own view is left.
    view.advance(Duration::from_secs(10));
    let shares = view.shares(&strategy, 100);
    assert!(
        shares[1] == 0 && shares[0] > 20 && shares[2] > 20,
        "{shares:?}"
    );
    for call in &own {
        view.end(&strategy, call, Outcome::Cancelled);
    }
}

#[test]
fn configuration_is_checked() {
    let wrong = |change: fn(&mut WjsqConfig)| {
        let mut config = WjsqConfig::default();
        change(&mut config);
        config.build().unwrap_err().field
    };
    assert_eq!(wrong(|config| config.probes = 0), "probes");
    assert_eq!(wrong(|config| config.pool = 17), "pool");
    assert_eq!(wrong(|config| config.batch = f64::NAN), "batch");
    assert_eq!(
        wrong(|config| config.probe_timeout = Duration::ZERO),
        "probe_timeout"
    );
    let shown = WjsqConfig {
        hidden: -1.0,
        ..WjsqConfig::default()
    };
    assert_eq!(
        shown.build().unwrap_err().to_string(),
        "wjsq.hidden is -1.0: it must be 0 or more and finite"
    );
}
