//! Under every interleaving of two threads, with a bounded number of preemptions.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
    time::Duration,
};

use ::loom::{model::Builder, thread};

use super::{
    buckets::{Moment, Queue, Store},
    gates::Watch,
    handle::RateLimitHandle,
    limiter::{Limiter, Turn, Verdict},
    state::{Amounts, Cells},
    *,
};
use crate::{
    context::Priority,
    cost::Cost,
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};

/// Far longer than the headroom of the clock that follows tokio.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn model(run: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(run);
}

/// Hardly anything comes in.
fn limiter(burst: u64) -> (Arc<Limiter<Single>>, Amounts) {
    let config = RateLimitConfig::requests(Limit::new(1.0, YEAR).with_burst(burst));
    let limiter = RateLimitHandle::new(config.with_learn(None))
        .unwrap()
        .limiter();
    let cost = limiter.parts(&Cost::default());
    (limiter, cost)
}

const NOW: Timestamp = Timestamp::from_nanos(1);

/// One gives back, one takes: in the end the gate says what the bucket says.
#[test]
fn the_gate_agrees_with_the_bucket() {
    model(|| {
        let (limiter, cost) = limiter(1);
        let endpoint = Endpoint::new("a");
        let _watch = Watch::new(Arc::clone(&limiter), endpoint.clone());
        let place = limiter.take(&(), &cost, NOW).unwrap();
        assert!(endpoint.gate().is_closed_for(Reason::Quota, NOW));
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.settle(&(), place, &cost, &[0; 3]))
        };
        let taken = limiter.take(&(), &cost, NOW).is_some();
        other.join().unwrap();
        assert_eq!(endpoint.gate().is_closed_for(Reason::Quota, NOW), taken);
        assert_eq!(limiter.gates.is_closed(), taken);
    });
}

/// One takes the last while another gives back: there is room in the end, and the gate is open.
#[test]
fn a_gate_that_closes_sees_what_comes_back_meanwhile() {
    model(|| {
        let (limiter, cost) = limiter(2);
        let endpoint = Endpoint::new("a");
        let _watch = Watch::new(Arc::clone(&limiter), endpoint.clone());
        let place = limiter.take(&(), &cost, NOW).unwrap();
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.settle(&(), place, &cost, &[0; 3]))
        };
        assert!(limiter.take(&(), &cost, NOW).is_some());
        other.join().unwrap();
        assert!(!endpoint.gate().is_closed_for(Reason::Quota, NOW));
        assert!(!limiter.gates.is_closed());
    });
}

/// Two take at once: of two units each gets both or none, and there is no third.
#[test]
fn no_more_is_taken_than_there_is() {
    model(|| {
        let (limiter, cost) = limiter(2);
        let two = [cost[0] * 2, 0, 0];
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.take(&(), &two, NOW).is_some())
        };
        let one = limiter.take(&(), &cost, NOW).is_some();
        let two = other.join().unwrap();
        assert!(one != two, "one of them, and only one");
    });
}

/// How many wait, counted anew.
fn visit(limiter: &Limiter<Single>) -> usize {
    let moment = Moment {
        gauges: limiter.meters.gauges(),
        now: NOW,
    };
    let count = |_, _: &dyn Cells, queue: &mut Queue| queue.as_ref().map_or(0, |line| line.len());
    limiter.buckets.visit(&(), None, &moment, count)
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Calls wait as long as they have to.
fn patient() -> (Arc<Limiter<Single>>, Amounts) {
    let config = RateLimitConfig::requests(Limit::new(1.0, YEAR).with_burst(1))
        .with_learn(None)
        .with_max_wait(YEAR * 4);
    let limiter = RateLimitHandle::new(config).unwrap().limiter();
    let cost = limiter.parts(&Cost::default());
    (limiter, cost)
}

/// A call that joins the queue while another gives back is not forgotten there.
#[test]
fn whoever_waits_is_woken_or_sees_what_came_back() {
    model(|| {
        let (limiter, cost) = patient();
        let place = limiter.take(&(), &cost, NOW).unwrap();
        // Writes how many wait: loom lets a sequentially consistent load miss such a store in favour of the initial value.
        assert_eq!(visit(&limiter), 0);
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.settle(&(), place, &cost, &[0; 3]))
        };
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let mut admitted = true;
        if let Verdict::Waits(queued) = limiter.turn_away(&(), &cost, Priority::Normal, None, NOW) {
            let waker = Waker::from(Arc::clone(&woken));
            let turn = limiter.advance(&(), &queued, NOW, &waker);
            admitted = matches!(turn, Turn::Admitted);
        }
        other.join().unwrap();
        assert!(admitted || woken.0.load(Ordering::SeqCst));
    });
}

/// A call that overtakes another while something is given back goes, or is woken, whoever the first was that moment.
#[test]
fn whoever_overtakes_is_woken_or_sees_what_came_back() {
    model(|| {
        let (limiter, cost) = patient();
        let place = limiter.take(&(), &cost, NOW).unwrap();
        let least = Arc::new(Woken(AtomicBool::new(false)));
        let Verdict::Waits(overtaken) = limiter.turn_away(&(), &cost, Priority::Batch, None, NOW)
        else {
            unreachable!("there is nothing left");
        };
        let waker = Waker::from(Arc::clone(&least));
        let turn = limiter.advance(&(), &overtaken, NOW, &waker);
        assert!(matches!(turn, Turn::Waits(_)));
        let other = {
            let limiter = Arc::clone(&limiter);
            thread::spawn(move || limiter.settle(&(), place, &cost, &[0; 3]))
        };
        let most = Arc::new(Woken(AtomicBool::new(false)));
        let mut admitted = true;
        if let Verdict::Waits(queued) = limiter.turn_away(&(), &cost, Priority::Critical, None, NOW)
        {
            let waker = Waker::from(Arc::clone(&most));
            let turn = limiter.advance(&(), &queued, NOW, &waker);
            admitted = matches!(turn, Turn::Admitted);
        }
        other.join().unwrap();
        assert!(admitted || most.0.load(Ordering::SeqCst));
        // Whom it overtook waits on: there was enough for one.
        let turn = limiter.advance(&(), &overtaken, NOW, &waker);
        assert!(matches!(turn, Turn::Waits(_)));
    });
}
