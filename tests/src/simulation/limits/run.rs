use std::{collections::HashMap, time::Duration};

use campanile::{
    concurrency_limit::algorithm::{AlgorithmConfig, Verdict},
    time::Timestamp,
};

use super::{
    super::{Progress, Queue, Random, Server, Size},
    Limiter, Report, Scenario, Signal, State,
};

/// Runs one algorithm through a scenario, at one load, with one seed.
#[must_use]
pub fn run(
    scenario: &Scenario,
    load: f64,
    algorithm: &AlgorithmConfig,
    signal: Signal,
    cap: u32,
    seed: u64,
) -> Report {
    let mut run = Run::new(
        scenario,
        load,
        Limiter::new(algorithm.boxed(), cap),
        signal,
        seed,
    );
    run.all();
    run.report()
}

/// What will happen, besides the server's own events.
#[derive(Debug, Clone, Copy)]
enum Event {
    Arrival,
    /// An answer reaches its caller.
    Answer(u64, Verdict),
    Timeout(u64),
    Change(usize),
    /// The end of a bin.
    Bin,
    WarmedUp,
}

#[derive(Debug)]
struct Run<'a> {
    scenario: &'a Scenario,
    states: Vec<(Duration, State)>,
    state: State,
    signal: Signal,
    limiter: Limiter,
    server: Server,
    queue: Queue<Event>,
    arrivals: Random,
    sizes: Random,
    network: Random,
    between: Duration,
    calls: HashMap<u64, Call>,
    /// Callers who wait for room.
    waiting: usize,
    next_id: u64,
    lost: f64,
    dropped: u64,
    /// Sizes of calls served.
    served: f64,
    latencies: Vec<f64>,
    /// Counts at the end of the warm-up.
    warm: Counts,
    bin: f64,
    report: Report,
}

#[derive(Debug, Clone, Copy)]
struct Call {
    started: Timestamp,
    first: Option<Timestamp>,
    size: Size,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    completed: u64,
    served: f64,
    dropped: u64,
    work: f64,
    limits: f64,
}

/// Where time begins; anywhere but at zero.
const START: Timestamp = Timestamp::from_nanos(1_000_000_000);

// ===== impl Run =====

impl<'a> Run<'a> {
    fn new(scenario: &'a Scenario, load: f64, limiter: Limiter, signal: Signal, seed: u64) -> Self {
        let states = scenario.states();
        let state = states[0].1;
        let mut server = Server::new(state.law);
        server.change(START, state.law, state.speed);
        let mut queue = Queue::default();
        for (index, (at, _)) in states.iter().enumerate().skip(1) {
            queue.push(START.after(*at), Event::Change(index));
        }
        queue.push(START.after(scenario.warm_up), Event::WarmedUp);
        queue.push(START.after(scenario.bin), Event::Bin);
        for _ in 0..scenario.callers.unwrap_or(1) {
            queue.push(START, Event::Arrival);
        }
        let rate = load * scenario.processor.capacity;
        Self {
            scenario,
            states,
            state,
            signal,
            limiter,
            server,
            queue,
            arrivals: Random::new(seed),
            sizes: Random::new(seed ^ 0x5151),
            network: Random::new(seed ^ 0xabab),
            between: Duration::from_secs_f64(1.0 / rate),
            calls: HashMap::new(),
            waiting: 0,
            next_id: 0,
            lost: 0.0,
            dropped: 0,
            served: 0.0,
            latencies: Vec::new(),
            warm: Counts::default(),
            bin: 0.0,
            report: Report {
                least_limit: f64::MAX,
                ..Report::default()
            },
        }
    }

    fn all(&mut self) {
        let end = START.after(self.scenario.lasts);
        loop {
            let server = self.server.next_at();
            let queue = self.queue.next_at();
            // Pieces come all the time: whoever waits for a time learns of it then.
            let due = self.limiter.due().filter(|_| self.server.is_streaming());
            let Some(now) = [server, queue, due].into_iter().flatten().min() else {
                return;
            };
            if now > end {
                return;
            }
            if server == Some(now) {
                self.progress(now);
            } else if queue == Some(now) {
                if let Some((_, event)) = self.queue.pop() {
                    self.handle(now, event);
                }
            } else {
                self.tick(now);
            }
            if now >= START.after(self.scenario.warm_up) {
                let least = &mut self.report.least_limit;
                *least = least.min(self.limiter.limit().into());
            }
        }
    }

    fn handle(&mut self, now: Timestamp, event: Event) {
        match event {
            Event::Arrival => {
                if self.scenario.callers.is_none() {
                    let next = now.after(self.arrivals.exponential(self.between));
                    self.queue.push(next, Event::Arrival);
                }
                self.offer(now);
            }
            Event::Answer(id, verdict) => self.end(now, id, verdict),
            Event::Timeout(id) => {
                if self.calls.contains_key(&id) {
                    self.lost += self.server.cancel(now, id);
                    self.end(now, id, Verdict::Dropped);
                }
            }
            Event::Change(index) => {
                self.state = self.states[index].1;
                self.server.change(now, self.state.law, self.state.speed);
            }
            Event::Bin => {
                self.queue.push(now.after(self.scenario.bin), Event::Bin);
                let work = self.work(now);
                let rate = (work - self.bin) / self.scenario.bin.as_secs_f64();
                self.bin = work;
                self.report.bins.push(rate);
                self.report.limits.push(self.limiter.limit().into());
            }
            Event::WarmedUp => self.warm = self.counts(now),
        }
    }

    fn work(&mut self, now: Timestamp) -> f64 {
        self.server.done(now) - self.lost
    }

    fn counts(&mut self, now: Timestamp) -> Counts {
        Counts {
            completed: self.limiter.completed(),
            served: self.served,
            dropped: self.dropped,
            work: self.work(now),
            limits: self.limiter.limits(now),
        }
    }

    /// A call comes to the limit.
    fn offer(&mut self, now: Timestamp) {
        if self.limiter.has_room() {
            self.begin(now);
        } else {
            self.limiter.refused();
            self.waiting += usize::from(self.scenario.callers.is_some());
        }
    }

    /// A call is let through. The size is the next one, so that all limits get the same calls to work on.
    fn begin(&mut self, now: Timestamp) {
        let size = self.scenario.processor.work.size(&mut self.sizes);
        let id = self.next_id;
        self.next_id += 1;
        self.limiter.begin(now);
        let call = Call {
            started: now,
            first: None,
            size,
        };
        self.calls.insert(id, call);
        if let Some(fault) = self.state.fault
            && self.network.happens(fault.part)
        {
            let at = now.after(Duration::from_secs_f64(fault.after));
            self.queue.push(at, Event::Answer(id, fault.verdict()));
            return;
        }
        if let Some(most) = self.state.refuses_above
            && self.server.calls() >= most as usize
        {
            let at = now.after(Duration::from_secs_f64(self.state.latency));
            self.queue.push(at, Event::Answer(id, Verdict::Dropped));
            return;
        }
        let timeout = now.after(self.scenario.processor.timeout);
        self.queue.push(timeout, Event::Timeout(id));
        self.server.arrive(now, id, size);
    }

    /// The server has come on.
    fn progress(&mut self, now: Timestamp) {
        let Some((id, progress)) = self.server.pop(now) else {
            return;
        };
        match progress {
            Progress::First => {
                if let Some(call) = self.calls.get_mut(&id) {
                    call.first = Some(now);
                }
            }
            Progress::Done if self.state.latency + self.state.jitter > 0.0 => {
                let jitter = Duration::from_secs_f64(self.state.jitter);
                let delay =
                    Duration::from_secs_f64(self.state.latency) + self.network.exponential(jitter);
                let answer = Event::Answer(id, Verdict::Done);
                self.queue.push(now.after(delay), answer);
            }
            Progress::Done => self.end(now, id, Verdict::Done),
        }
    }

    /// A call is over for its caller.
    fn end(&mut self, now: Timestamp, id: u64, verdict: Verdict) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        let total = now.since(call.started);
        let (pieces, first) = if self.scenario.processor.work.streams() {
            let first = call.first.map_or(total, |first| first.since(call.started));
            ((call.size.total - call.size.first).round(), first)
        } else {
            (1.0, total)
        };
        let latency = match self.signal {
            Signal::Total => total,
            Signal::First => first,
            Signal::PerUnit => total.div_f64(pieces.max(1.0)),
        };
        self.limiter
            .end(now, call.started, Some(latency), pieces as u64, verdict);
        match verdict {
            Verdict::Done => {
                self.served += call.size.total;
                if now >= START.after(self.scenario.warm_up) {
                    self.latencies.push(total.as_secs_f64());
                }
            }
            Verdict::Dropped => self.dropped += 1,
            _ => {}
        }
        self.tick(now);
        if self.scenario.callers.is_some() {
            self.offer(now);
        }
        while self.limiter.has_room() && self.waiting > 0 {
            self.waiting -= 1;
            self.begin(now);
        }
    }

    fn tick(&mut self, now: Timestamp) {
        let units = if self.scenario.processor.work.streams() {
            self.server.streamed(now) as u64
        } else {
            self.limiter.completed()
        };
        self.limiter.tick(now, units);
    }

    fn report(mut self) -> Report {
        let end = START.after(self.scenario.lasts);
        let (from, to) = (self.warm, self.counts(end));
        let seconds = (self.scenario.lasts - self.scenario.warm_up).as_secs_f64();
        self.latencies.sort_unstable_by(f64::total_cmp);
        let percentile = |part: f64| {
            let index = (part * self.latencies.len() as f64) as usize;
            self.latencies.get(index).copied().unwrap_or(0.0)
        };
        Report {
            goodput: (to.served - from.served) / seconds,
            calls: (to.completed - from.completed) as f64 / seconds,
            work: (to.work - from.work) / seconds,
            limit: (to.limits - from.limits) / seconds,
            p50: percentile(0.5),
            p99: percentile(0.99),
            dropped: (to.dropped - from.dropped) as f64 / seconds,
            ..self.report
        }
    }
}
