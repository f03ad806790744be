use std::{
    cmp::Ordering,
    collections::{BTreeSet, BinaryHeap},
    time::Duration,
};

use super::{
    super::{
        Pick,
        test_view::{FakeCall, FakeView},
    },
    Central,
    replica::{Replica, Step},
    workload::{Arrival, Fleet, Kind, REPLICAS, Scenario},
};
use crate::{
    outcome::{FailureKind, Outcome},
    time::Timestamp,
};

/// Who picks: each of these knows only its own calls.
pub(super) struct Clients<St: Pick<()>> {
    clients: Vec<(St, FakeView<St::State>)>,
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    /// Seconds.
    pub(super) p50: f64,
    pub(super) p99: f64,
    /// How many times as long as alone on a replica of speed 1.
    pub(super) slowdown: f64,
    /// Seconds to the first token.
    pub(super) first: f64,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    at: f64,
    number: u64,
    kind: EventKind,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum EventKind {
    Arrival(usize),
    Replica(usize, u64),
    Timeout(usize),
    /// Another half is slow from now on.
    Disturb,
    /// Tokens so far are told.
    Tick,
}

/// A call under way.
struct Under {
    replica: usize,
    call: Option<FakeCall>,
    first: Option<f64>,
    over: bool,
}

/// One run.
struct Run<'a, St: Pick<()>> {
    scenario: Scenario,
    arrivals: &'a [Arrival],
    replicas: Vec<Replica>,
    clients: Option<&'a mut Clients<St>>,
    under: Vec<Under>,
    events: BinaryHeap<Event>,
    number: u64,
    rng: fastrand::Rng,
    left: usize,
    /// Of each measured call: seconds in all, slowdown, seconds to the first token.
    measured: Vec<(f64, f64, f64)>,
}

const START: Timestamp = Timestamp::from_nanos(1_000_000_000_000);

/// Seconds between two tellings of tokens.
const TICK: f64 = 0.25;

/// Runs a scenario; the three central dispatchers run without clients.
pub(super) fn simulate<St: Pick<()>>(scenario: Scenario, clients: &mut Clients<St>) -> Figures {
    let arrivals = scenario.arrivals(clients.clients.len());
    Run::new(scenario, &arrivals, Some(clients)).run(None)
}

/// The best of the central dispatchers, metric by metric.
pub(super) fn limit(scenario: Scenario) -> Figures {
    let arrivals = scenario.arrivals(1);
    Central::ALL
        .into_iter()
        .map(|central| {
            Run::<super::super::Random>::new(scenario, &arrivals, None).run(Some(central))
        })
        .reduce(|one, other| one.with(&other, f64::min))
        .expect("there are three")
}

// ===== impl Clients =====

impl<St: Pick<()>> Clients<St>
where
    St::State: Default,
{
    pub(super) fn new(count: usize, seed: u64, strategy: impl Fn() -> St) -> Self {
        let clients = (0..count)
            .map(|client| {
                let strategy = strategy();
                let mut view = FakeView::new(REPLICAS);
                view.now = START;
                view.seed(seed ^ (client as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let view = view.joined_by(&strategy);
                (strategy, view)
            })
            .collect();
        Self { clients }
    }
}

// ===== impl Figures =====

impl Figures {
    pub(super) fn with(&self, other: &Self, f: impl Fn(f64, f64) -> f64) -> Self {
        Self {
            p50: f(self.p50, other.p50),
            p99: f(self.p99, other.p99),
            slowdown: f(self.slowdown, other.slowdown),
            first: f(self.first, other.first),
        }
    }

    pub(super) fn map(&self, f: impl Fn(f64) -> f64) -> Self {
        self.with(self, |one, _| f(one))
    }

    fn of(measured: &[(f64, f64, f64)]) -> Self {
        let quantile = |part: fn(&(f64, f64, f64)) -> f64, quantile: f64| {
            let mut sorted: Vec<f64> = measured.iter().map(part).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[((sorted.len() - 1) as f64 * quantile) as usize]
        };
        Self {
            p50: quantile(|call| call.0, 0.5),
            p99: quantile(|call| call.0, 0.99),
            slowdown: quantile(|call| call.1, 0.99),
            first: quantile(|call| call.2, 0.99),
        }
    }
}

// ===== impl Event =====

impl Eq for Event {}

impl Ord for Event {
    /// The earliest is the greatest: the heap is a queue.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .at
            .total_cmp(&self.at)
            .then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

// ===== impl Run =====

impl<'a, St: Pick<()>> Run<'a, St> {
    fn new(
        scenario: Scenario,
        arrivals: &'a [Arrival],
        clients: Option<&'a mut Clients<St>>,
    ) -> Self {
        let replicas = (0..REPLICAS)
            .map(|replica| Replica::new(scenario.kind, scenario.speed(replica)))
            .collect();
        let under = arrivals
            .iter()
            .map(|_| Under {
                replica: 0,
                call: None,
                first: None,
                over: false,
            })
            .collect();
        Self {
            scenario,
            arrivals,
            replicas,
            clients,
            under,
            events: BinaryHeap::new(),
            number: 0,
            rng: fastrand::Rng::with_seed(scenario.seed ^ 0xD157),
            left: arrivals.len(),
            measured: Vec::with_capacity(scenario.calls),
        }
    }

    fn run(mut self, central: Option<Central>) -> Figures {
        self.push(self.arrivals[0].at, EventKind::Arrival(0));
        if self.scenario.fleet == Fleet::Disturbed {
            self.push(0.0, EventKind::Disturb);
        }
        if self.scenario.kind == Kind::Llm && self.clients.is_some() {
            self.push(TICK, EventKind::Tick);
        }
        while self.left > 0 {
            let event = self.events.pop().expect("calls are left");
            let now = event.at;
            match event.kind {
                EventKind::Arrival(call) => self.arrive(call, central),
                EventKind::Replica(replica, version) => {
                    if self.replicas[replica].version == version {
                        self.advance(replica, now);
                        self.schedule(replica);
                    }
                }
                EventKind::Timeout(call) => self.time_out(call, now),
                EventKind::Disturb => self.disturb(now),
                EventKind::Tick => {
                    for replica in 0..REPLICAS {
                        self.advance(replica, now);
                        self.schedule(replica);
                    }
                    self.push(now + TICK, EventKind::Tick);
                }
            }
        }
        Figures::of(&self.measured)
    }

    fn push(&mut self, at: f64, kind: EventKind) {
        self.number += 1;
        self.events.push(Event {
            at,
            number: self.number,
            kind,
        });
    }

    fn schedule(&mut self, replica: usize) {
        if let Some(at) = self.replicas[replica].next() {
            let version = self.replicas[replica].version;
            self.push(at, EventKind::Replica(replica, version));
        }
    }

    fn arrive(&mut self, call: usize, central: Option<Central>) {
        let arrival = self.arrivals[call];
        let now = arrival.at;
        let replica = if let Some(clients) = &mut self.clients {
            let (strategy, view) = &mut clients.clients[arrival.client];
            view.now = at(now);
            let under = view.call(strategy).expect("all are open");
            let replica = under.index;
            self.under[call].call = Some(under);
            replica
        } else {
            let central = central.expect("somebody picks");
            central.pick(&self.replicas, &arrival)
        };
        self.under[call].replica = replica;
        self.advance(replica, now);
        self.replicas[replica].push(call, arrival.prefill, arrival.work);
        self.schedule(replica);
        self.push(now + self.scenario.timeout(), EventKind::Timeout(call));
        if let Some(next) = self.arrivals.get(call + 1) {
            self.push(next.at, EventKind::Arrival(call + 1));
        }
    }

    fn advance(&mut self, replica: usize, now: f64) {
        let mut steps = Vec::new();
        self.replicas[replica].advance(now, |step| steps.push(step));
        for step in steps {
            match step {
                Step::Tokens(call, tokens) => self.tokens(call, tokens, now),
                Step::Ended(call) => self.end(call, now, Outcome::Success),
            }
        }
    }

    fn tokens(&mut self, call: usize, tokens: u64, now: f64) {
        if self.scenario.kind == Kind::Rpc {
            // Nothing is streamed.
            return;
        }
        self.under[call].first.get_or_insert(now);
        if tokens > 0
            && let Some(clients) = &mut self.clients
            && let Some(under) = &mut self.under[call].call
        {
            let (strategy, view) = &mut clients.clients[self.arrivals[call].client];
            view.now = at(now);
            view.data(strategy, under, tokens);
        }
    }

    fn end(&mut self, call: usize, now: f64, outcome: Outcome) {
        let arrival = self.arrivals[call];
        let under = &mut self.under[call];
        under.over = true;
        self.left -= 1;
        if let Some(clients) = &mut self.clients
            && let Some(under) = under.call.take()
        {
            let (strategy, view) = &mut clients.clients[arrival.client];
            view.now = at(now);
            view.end(strategy, &under, outcome);
        }
        if call >= self.scenario.warm_up() {
            let total = now - arrival.at;
            let first = under.first.map_or(total, |first| first - arrival.at);
            self.measured
                .push((total, total / self.scenario.alone(arrival.work), first));
        }
    }

    fn time_out(&mut self, call: usize, now: f64) {
        if self.under[call].over {
            return;
        }
        let replica = self.under[call].replica;
        self.advance(replica, now);
        if !self.under[call].over {
            self.replicas[replica].cancel(call);
            self.end(call, now, Outcome::Failure(FailureKind::Timeout));
        }
        self.schedule(replica);
    }

    fn disturb(&mut self, now: f64) {
        let mut slow = BTreeSet::new();
        while slow.len() < REPLICAS / 2 {
            slow.insert(self.rng.usize(..REPLICAS));
        }
        for replica in 0..REPLICAS {
            self.advance(replica, now);
            let share = if slow.contains(&replica) { 3.0 } else { 1.0 };
            self.replicas[replica].set_speed(self.scenario.speed(replica) / share);
            self.schedule(replica);
        }
        self.push(now + self.scenario.period(), EventKind::Disturb);
    }
}

fn at(seconds: f64) -> Timestamp {
    START.after(Duration::from_secs_f64(seconds))
}
