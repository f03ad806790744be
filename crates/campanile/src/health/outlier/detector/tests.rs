use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::health::outlier::window::Calls;

/// A moment far from the origin.
const NOW: Timestamp = Timestamp::from_nanos(1_000_000_000_000);
const SEC: Duration = Duration::from_secs(1);

/// Members with their counts, a detector, and the time.
struct Pool {
    detector: Detector,
    samples: BTreeMap<MemberId, Sample>,
    now: Timestamp,
    verdicts: Vec<Verdict>,
    /// The verdicts, each with when it was told.
    heard: Vec<(Timestamp, Verdict)>,
}

impl Pool {
    fn new(config: OutlierConfig, members: u64) -> Self {
        let mut pool = Self {
            detector: Detector::new(config.with_jitter(0.0).build().unwrap()),
            samples: BTreeMap::new(),
            now: NOW,
            verdicts: Vec::new(),
            heard: Vec::new(),
        };
        for id in 0..members {
            pool.join(id);
        }
        pool
    }

    fn join(&mut self, id: u64) {
        let id = MemberId(id);
        self.samples.insert(id, Sample::default());
        self.detector.join(id, Sample::default(), self.now);
    }

    fn leave(&mut self, id: u64) {
        self.detector.leave(MemberId(id));
        self.samples.remove(&MemberId(id));
        self.bring_back();
    }

    /// So many calls fail, then so many go well.
    fn calls(&mut self, id: u64, bad: u64, good: u64) {
        let sample = self.samples.get_mut(&MemberId(id)).unwrap();
        sample.calls.bad += bad;
        sample.calls.good += good;
        sample.in_row = if good == 0 { sample.in_row + bad } else { 0 };
    }

    fn all_serve(&mut self, good: u64) {
        for id in self.samples.keys().copied().collect::<Vec<_>>() {
            if self.detector.serves(id) {
                self.calls(id.0, 0, good);
            }
        }
    }

    /// It says that it fails.
    fn failing(&mut self, id: u64) -> bool {
        let id = MemberId(id);
        let sample = self.samples[&id];
        let matters = self
            .detector
            .failing(id, sample, self.now, &mut || 0.5, &mut self.verdicts);
        self.hear();
        matters
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        self.bring_back();
    }

    fn bring_back(&mut self) {
        while let Some(id) = self.detector.over(self.now) {
            self.detector
                .back(id, self.samples[&id], self.now, &mut self.verdicts);
        }
        self.hear();
    }

    /// A step ends, ten seconds after the one before.
    fn step(&mut self) {
        self.wait(10 * SEC);
        for (id, sample) in &self.samples {
            self.detector.note(*id, *sample);
        }
        self.detector
            .judge(self.now, &mut || 0.5, &mut self.verdicts);
        self.hear();
    }

    fn hear(&mut self) {
        let now = self.now;
        self.heard
            .extend(self.verdicts.drain(..).map(|verdict| (now, verdict)));
    }

    /// Who was ejected (for how many seconds, why) or came back since this was asked last.
    fn told(&mut self) -> Vec<(u64, Option<(u64, OutlierCause)>)> {
        std::mem::take(&mut self.heard)
            .into_iter()
            .map(|(now, verdict)| {
                let ejected = verdict
                    .ejected
                    .map(|ejection| (ejection.until.since(now).as_secs(), ejection.cause));
                (verdict.id.0, ejected)
            })
            .collect()
    }
}

use OutlierCause::{ConsecutiveFailures as Row, Latency as Slow, SuccessRate as Rate};

fn default() -> OutlierConfig {
    OutlierConfig::default()
}

#[test]
fn so_many_failures_in_a_row_eject_at_once() {
    let mut pool = Pool::new(default(), 3);
    pool.calls(1, 4, 0);
    assert!(pool.failing(1), "one more would");
    pool.calls(1, 1, 0);
    assert!(!pool.failing(1));
    assert_eq!(pool.told(), [(1, Some((30, Row)))]);
    assert!(!pool.failing(1), "it is out");
    assert_eq!(pool.told(), []);
}

#[test]
fn a_success_between_ends_the_row() {
    let mut pool = Pool::new(default(), 3);
    for _ in 0..10 {
        pool.calls(1, 4, 0);
        assert!(pool.failing(1));
        pool.calls(1, 0, 1);
    }
    assert_eq!(pool.told(), []);
}

#[test]
fn what_failed_before_it_joined_or_came_back_does_not_count() {
    let mut pool = Pool::new(default(), 2);
    pool.calls(0, 5, 0);
    pool.failing(0);
    // Two calls that were in flight fail while it is out.
    pool.calls(0, 2, 0);
    pool.wait(30 * SEC);
    assert_eq!(pool.told(), [(0, Some((30, Row))), (0, None)]);
    pool.calls(0, 4, 0);
    assert!(pool.failing(0));
    assert_eq!(pool.told(), [], "four since, though eleven in a row");
    pool.calls(0, 1, 0);
    pool.failing(0);
    assert_eq!(pool.told(), [(0, Some((60, Row)))]);

    // One call goes well, then five fail: these are five, however long the row before was.
    pool.wait(60 * SEC);
    pool.calls(0, 0, 1);
    pool.calls(0, 5, 0);
    pool.failing(0);
    assert_eq!(pool.told(), [(0, None), (0, Some((90, Row)))]);

    // And whoever joins in the midst of a row begins anew.
    let id = MemberId(9);
    let sample = Sample {
        in_row: 40,
        ..Sample::default()
    };
    pool.samples.insert(id, sample);
    pool.detector.join(id, sample, pool.now);
    assert!(pool.failing(9));
}

#[test]
fn ejections_grow_and_are_forgotten_again() {
    let mut pool = Pool::new(default(), 1);
    let fail = |pool: &mut Pool| {
        pool.calls(0, 5, 0);
        pool.failing(0);
        let seconds = match pool.told()[..] {
            [.., (0, Some((seconds, Row)))] => seconds,
            ref told => panic!("{told:?}"),
        };
        pool.wait(Duration::from_secs(seconds));
        seconds
    };
    let grown: Vec<_> = (0..12).map(|_| fail(&mut pool)).collect();
    assert_eq!(
        grown,
        [30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 300, 300]
    );
    // Twelve are remembered. For each minute that it serves one is forgotten, whether somebody looks or not.
    pool.wait(59 * SEC);
    assert_eq!(fail(&mut pool), 300);
    pool.wait(10 * 60 * SEC);
    assert_eq!(fail(&mut pool), 4 * 30, "13 less 10, and the present one");
    for _ in 0..6 {
        pool.step();
    }
    assert_eq!(pool.detector.members()[&MemberId(0)].count, 3);
    pool.wait(600 * SEC);
    assert_eq!(
        fail(&mut pool),
        30,
        "all are forgotten, and no more than all"
    );
    assert_eq!(pool.detector.members()[&MemberId(0)].ejections, 15);
}

#[test]
fn a_member_that_fails_half_the_time_is_found_by_its_rate() {
    let mut pool = Pool::new(default(), 10);
    for _ in 0..2 {
        for id in 0..10 {
            for _ in 0..5 {
                pool.calls(id, u64::from(id == 3), 1);
            }
        }
        pool.step();
        if pool.now == NOW.after(10 * SEC) {
            assert_eq!(pool.told(), [], "only ten calls of it, five of the others");
        }
    }
    assert_eq!(
        pool.told(),
        [],
        "the others have ten each: nobody to compare with"
    );
    for id in 0..10 {
        pool.calls(id, 0, if id == 3 { 0 } else { 10 });
    }
    pool.step();
    // Ten of twenty against twenty of twenty.
    assert_eq!(pool.told(), [(3, Some((30, Rate)))]);
}

#[test]
fn the_window_slides() {
    // Twenty calls fail in the first step. The others have enough calls to compare with in the sixth step, or the seventh.
    for (busy, expected) in [(6, vec![(0, Some((30, Rate)))]), (7, vec![])] {
        let mut pool = Pool::new(default().with_consecutive_failures(None), 5);
        pool.calls(0, 20, 0);
        for step in 1..=7 {
            if step == busy {
                pool.all_serve(20);
            }
            pool.step();
            if step < busy {
                let calls = pool.detector.members()[&MemberId(0)].calls();
                assert_eq!(calls, Calls { good: 0, bad: 20 });
            }
            assert_eq!(
                pool.told(),
                if step == busy {
                    expected.clone()
                } else {
                    vec![]
                }
            );
        }
    }
}

#[test]
fn a_window_is_empty_after_an_ejection() {
    let mut pool = Pool::new(default(), 5);
    for id in 0..5 {
        pool.calls(id, if id == 0 { 20 } else { 0 }, 20);
    }
    pool.step();
    assert_eq!(pool.told(), [(0, Some((30, Rate)))]);
    // What ends of it meanwhile counts for nothing.
    pool.calls(0, 7, 0);
    for _ in 0..3 {
        pool.all_serve(20);
        pool.step();
    }
    assert_eq!(pool.told(), [(0, None)]);
    let member = &pool.detector.members()[&MemberId(0)];
    assert_eq!(
        (member.calls(), member.row(member.latest)),
        (Calls::default(), 0)
    );
    pool.all_serve(20);
    pool.step();
    assert_eq!(pool.told(), []);
    assert_eq!(
        pool.detector.members()[&MemberId(0)].calls(),
        Calls { good: 20, bad: 0 }
    );
}

#[test]
fn who_is_ejected_does_not_weigh_on_the_others() {
    let mut pool = Pool::new(default().with_max_ejected(0.5), 6);
    // One fails altogether, one half the time. With both, mean 0.75 and deviation 0.38: below 0.027.
    for id in 0..6 {
        match id {
            0 => pool.calls(id, 20, 0),
            1 => pool.calls(id, 20, 20),
            _ => pool.calls(id, 0, 20),
        }
    }
    pool.step();
    assert_eq!(pool.told(), [(0, Some((30, Row))), (1, Some((30, Rate)))]);
}

#[test]
fn a_slow_member_is_found_if_that_is_asked_for() {
    for factor in [None, Some(3.0)] {
        let mut pool = Pool::new(default().with_latency_factor(factor), 5);
        for (id, sample) in &mut pool.samples {
            let millis = if id.0 == 2 { 400 } else { 100 };
            sample.latency = Some(Duration::from_millis(millis));
        }
        pool.all_serve(19);
        pool.step();
        assert_eq!(pool.told(), [], "19 calls");
        pool.all_serve(1);
        pool.step();
        let expected: &[_] = match factor {
            None => &[],
            Some(_) => &[(2, Some((30, Slow)))],
        };
        assert_eq!(pool.told(), expected);
    }
}

#[test]
fn no_more_than_the_share_and_the_worst_first() {
    let mut pool = Pool::new(default().with_max_ejected(0.2), 10);
    for id in 0..10 {
        pool.calls(id, 5 + id, 0);
    }
    for id in 0..10 {
        pool.failing(id);
    }
    assert_eq!(
        pool.told().iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [0, 1],
        "at once, as they come"
    );
    pool.step();
    assert_eq!(pool.told(), []);
    // There is room again: the longest row goes first.
    pool.wait(20 * SEC);
    assert_eq!(pool.told(), [(0, None), (1, None)]);
    pool.step();
    assert_eq!(pool.told(), [(9, Some((30, Row))), (8, Some((30, Row)))]);
}

#[test]
fn of_fewer_members_fewer_are_ejected() {
    let mut pool = Pool::new(default(), 20);
    for id in [4, 7] {
        pool.calls(id, 5, 0);
        pool.failing(id);
        pool.wait(SEC);
    }
    assert_eq!(pool.told().len(), 2);
    pool.leave(0);
    assert_eq!(pool.told(), [(4, None)], "it was the next to return");
    pool.leave(7);
    assert_eq!((pool.told(), pool.detector.ejected()), (vec![], 0));
}

#[test]
fn none_where_none_may_be() {
    let mut pool = Pool::new(default().with_max_ejected(0.0), 10);
    pool.calls(3, 100, 0);
    assert!(!pool.failing(3));
    pool.step();
    assert_eq!(pool.told(), []);
}

#[derive(Debug, Clone)]
enum Event {
    Join,
    Leave(usize),
    Calls(usize, u64, u64),
    Failing(usize),
    Wait(u64),
    Step,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Join),
        2 => (0..40_usize).prop_map(Event::Leave),
        8 => (0..40_usize, 0..30_u64, 0..3_u64).prop_map(|(n, bad, good)| Event::Calls(n, bad, good * 10)),
        6 => (0..40_usize).prop_map(Event::Failing),
        2 => (1..100_u64).prop_map(Event::Wait),
        3 => Just(Event::Step),
    ]
}

proptest! {
    /// Whatever happens: never more than the share, never for longer than the longest, nobody twice, everybody back.
    #[test]
    fn the_share_is_never_exceeded(
        share in prop_oneof![Just(0.0), Just(0.1), Just(0.5), 0.0..1.0],
        members in 0..40_u64,
        events in prop::collection::vec(event(), 1..80),
    ) {
        let mut pool = Pool::new(default().with_max_ejected(share).with_latency_factor(Some(2.0)), members);
        let mut next = members;
        let mut out: BTreeMap<u64, Timestamp> = BTreeMap::new();
        for event in events {
            let ids: Vec<u64> = pool.samples.keys().map(|id| id.0).collect();
            let at = |n: usize| ids[n % ids.len()];
            match event {
                Event::Join => {
                    pool.join(next);
                    next += 1;
                }
                Event::Leave(n) if !ids.is_empty() => {
                    out.remove(&at(n));
                    pool.leave(at(n));
                }
                Event::Calls(n, bad, good) if !ids.is_empty() => pool.calls(at(n), bad, good),
                Event::Failing(n) if !ids.is_empty() => {
                    pool.failing(at(n));
                }
                Event::Wait(seconds) => pool.wait(Duration::from_secs(seconds)),
                Event::Step => pool.step(),
                _ => {}
            }
            for (now, verdict) in std::mem::take(&mut pool.heard) {
                match verdict.ejected {
                    Some(ejection) => {
                        prop_assert!(out.insert(verdict.id.0, ejection.until).is_none(), "twice");
                        prop_assert!(ejection.until > now);
                        prop_assert!(ejection.until <= now.after(300 * SEC));
                    }
                    None => prop_assert!(out.remove(&verdict.id.0).is_some(), "was not out"),
                }
            }
            let members = pool.samples.len();
            let most = if share == 0.0 { 0 } else { ((share * members as f64 + 1e-9) as usize).max(1) };
            prop_assert!(out.len() <= most, "{} of {}", out.len(), members);
            prop_assert_eq!(pool.detector.ejected(), out.len());
            prop_assert!(out.values().all(|until| *until > pool.now), "should be back");
            prop_assert_eq!(pool.detector.first_end(), out.values().min().copied());
        }
    }
}
