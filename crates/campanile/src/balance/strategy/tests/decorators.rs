//! Decorators of a few lines, and what all of them must do.

use std::{collections::HashSet, time::Duration};

use super::super::{test_view::FakeView, *};
use crate::{context::Trail, outcome::FailureKind};

// ===== avoid tried =====

fn tried_at<T>(view: &mut FakeView<T>, members: &[usize]) {
    let trail = Trail::new();
    for index in members {
        trail
            .begin(&view.members[*index].endpoint)
            .end(Outcome::Failure(FailureKind::Error), Duration::ZERO);
    }
    view.context = Some(Context::new().with_trail(trail));
}

#[test]
fn a_retry_goes_elsewhere_until_everybody_was_tried() {
    let strategy = AvoidTried::new(RoundRobin::new());
    let mut view = FakeView::new(3);
    tried_at(&mut view, &[]);
    assert_eq!(view.shares(&strategy, 30), [10, 10, 10]);
    tried_at(&mut view, &[0]);
    assert_eq!(view.shares(&strategy, 30), [0, 15, 15]);
    tried_at(&mut view, &[0, 2]);
    assert_eq!(view.shares(&strategy, 30), [0, 30, 0]);
    tried_at(&mut view, &[0, 2, 1]);
    assert_eq!(view.shares(&strategy, 30), [10, 10, 10]);
    // All open ones were tried: better again than a closed one.
    tried_at(&mut view, &[0, 2]);
    view.close(1);
    assert_eq!(view.shares(&strategy, 30), [15, 0, 15]);
}

#[test]
fn a_call_that_has_tried_a_tier_spills_to_the_next() {
    let strategy = AvoidTried::new(Tiers::new(Random));
    let mut view = FakeView::new(2);
    let backup = view.push(Endpoint::builder("backup").label("tier", "1"));
    tried_at(&mut view, &[0, 1]);
    assert_eq!(view.shares(&strategy, 20)[backup], 20);
}

// ===== decorators =====

/// Notes which hooks it heard.
#[derive(Debug, Default)]
struct Listening(std::sync::Mutex<HashSet<&'static str>>);

impl Listening {
    fn heard(&self, hook: &'static str) {
        self.0.lock().unwrap().insert(hook);
    }
}

impl Strategy for Listening {
    type State = u8;

    fn join(&self, _: Peer<'_, u8>, _: Timestamp) {
        self.heard("join");
    }
    fn begin(&self, _: Peer<'_, u8>, _: &Begin) {
        self.heard("begin");
    }
    fn first_data(&self, _: Peer<'_, u8>, _: Timestamp, _: Timestamp) {
        self.heard("first data");
    }
    fn data(&self, _: Peer<'_, u8>, _: Timestamp, _: u64) {
        self.heard("data");
    }
    fn report(&self, _: Peer<'_, u8>, _: Timestamp, _: &LoadReport) {
        self.heard("report");
    }
    fn end(&self, _: Peer<'_, u8>, _: &End<'_>) {
        self.heard("end");
    }
    fn inspect(&self, _: Peer<'_, u8>, _: &mut dyn FnMut(&'static str, f64)) {
        self.heard("inspect");
    }
}

impl Pick<()> for Listening {
    fn pick<V: View<u8>>(&self, view: &V, (): &()) -> Option<usize> {
        self.heard("pick");
        sample(view)
    }

    fn prepare<V: View<u8>>(&self, _: &V, (): &()) -> Option<Prepare> {
        self.heard("prepare");
        None
    }
}

#[test]
fn decorators_pass_every_hook_on() {
    fn check<St: Pick<()>>(strategy: &St, inner: &Listening) {
        let view = FakeView::new(2).joined_by(strategy);
        strategy.prepare(&view, &());
        let mut call = view.call(strategy).unwrap();
        view.data(strategy, &mut call, 1);
        strategy.report(view.peer(0), view.now, &LoadReport::default());
        view.end(strategy, &call, Outcome::Success);
        strategy.inspect(view.peer(0), &mut |_, _| {});
        let heard = inner.0.lock().unwrap();
        assert_eq!(heard.len(), 9, "{strategy:?} heard {heard:?}");
    }
    let strategy = AvoidTried::new(Listening::default());
    check(&strategy, strategy.inner());
    let strategy = Tiers::new(Listening::default());
    check(&strategy, strategy.inner());
    let strategy = SlowStart::new(Listening::default());
    check(&strategy, strategy.inner());
    let strategy = FastFail::new(Listening::default());
    check(&strategy, strategy.inner());
}
