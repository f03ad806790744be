use std::collections::VecDeque;

use super::workload::Kind;

/// A server that shares its processor among the calls it works on. Its own time is `done`: the steps that a call which
/// was there all along would have made.
#[derive(Debug)]
pub(super) struct Replica {
    kind: Kind,
    speed: f64,
    done: f64,
    at: f64,
    active: Vec<Job>,
    waiting: VecDeque<Waiting>,
    /// Grows with every look at what comes next, so that events which it overtakes are told apart.
    pub(super) version: u64,
}

/// A call that is worked on: where `done` will be at its first token and at its end.
#[derive(Debug, Clone, Copy)]
struct Job {
    call: usize,
    first: f64,
    end: f64,
    began: bool,
    told: f64,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    call: usize,
    prefill: f64,
    work: f64,
}

/// What became of a call.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    /// So many tokens more.
    Tokens(usize, u64),
    Ended(usize),
}

const NEARLY: f64 = 1e-9;

// ===== impl Replica =====

impl Replica {
    pub(super) fn new(kind: Kind, speed: f64) -> Self {
        Self {
            kind,
            speed,
            done: 0.0,
            at: 0.0,
            active: Vec::new(),
            waiting: VecDeque::new(),
            version: 0,
        }
    }

    /// Calls here, waiting ones too.
    pub(super) fn calls(&self) -> usize {
        self.active.len() + self.waiting.len()
    }

    pub(super) const fn speed(&self) -> f64 {
        self.speed
    }

    fn pace(&self) -> f64 {
        self.speed * self.kind.rate(self.active.len().max(1))
    }

    /// Steps left to do, of all calls.
    pub(super) fn left(&self, now: f64) -> f64 {
        let done = self.done + (now - self.at) * self.pace();
        let active: f64 = self
            .active
            .iter()
            .map(|job| (job.end - done).max(0.0))
            .sum();
        active + self.waiting.iter().map(|job| job.work).sum::<f64>()
    }

    /// Steps a second with so many calls, of all calls together.
    pub(super) fn throughput(&self, calls: usize) -> f64 {
        let calls = calls.clamp(1, self.kind.batch());
        self.speed * self.kind.rate(calls) * calls as f64
    }

    /// When a call of `work` steps would end here if no other came.
    pub(super) fn projected(&self, now: f64, work: f64) -> f64 {
        if self.active.len() >= self.kind.batch() {
            let all = self.left(now) + work;
            return now + all / self.throughput(usize::MAX);
        }
        let done = self.done + (now - self.at) * self.pace();
        let mut others: Vec<f64> = self.active.iter().map(|job| job.end - done).collect();
        others.sort_by(f64::total_cmp);
        let (mut time, mut made) = (now, 0.0);
        for (gone, end) in others.iter().enumerate() {
            let pace = self.speed * self.kind.rate(others.len() - gone + 1);
            if *end >= work {
                return time + (work - made) / pace;
            }
            time += (end - made).max(0.0) / pace;
            made = end.max(made);
        }
        time + (work - made) / (self.speed * self.kind.rate(1))
    }

    /// Works until `now`; says what happened, in order of calls.
    pub(super) fn advance(&mut self, now: f64, mut tell: impl FnMut(Step)) {
        if !self.active.is_empty() {
            self.done += (now - self.at) * self.pace();
        }
        self.at = now;
        let done = self.done;
        for job in &mut self.active {
            if done + NEARLY >= job.first {
                let tokens = (done - job.told + NEARLY).floor();
                if tokens > 0.0 || !job.began {
                    job.told += tokens;
                    tell(Step::Tokens(job.call, tokens as u64));
                }
                job.began = true;
            }
        }
        self.active.retain(|job| {
            let over = done + NEARLY >= job.end;
            if over {
                tell(Step::Ended(job.call));
            }
            !over
        });
        self.fill();
    }

    fn fill(&mut self) {
        while self.active.len() < self.kind.batch()
            && let Some(next) = self.waiting.pop_front()
        {
            self.active.push(Job {
                call: next.call,
                first: self.done + next.prefill,
                end: self.done + next.work,
                began: false,
                told: self.done + next.prefill,
            });
        }
    }

    /// A call arrives; the replica has worked until now.
    pub(super) fn push(&mut self, call: usize, prefill: f64, work: f64) {
        self.waiting.push_back(Waiting {
            call,
            prefill,
            work,
        });
        self.fill();
    }

    /// A call is cancelled; the replica has worked until now.
    pub(super) fn cancel(&mut self, call: usize) {
        self.active.retain(|job| job.call != call);
        self.waiting.retain(|job| job.call != call);
        self.fill();
    }

    /// Works at another speed from now on.
    pub(super) fn set_speed(&mut self, speed: f64) {
        self.speed = speed;
    }

    /// When something happens here next, under a new version.
    pub(super) fn next(&mut self) -> Option<f64> {
        self.version += 1;
        let next = self
            .active
            .iter()
            .map(|job| {
                if job.began {
                    job.end
                } else {
                    job.first.min(job.end)
                }
            })
            .min_by(f64::total_cmp)?;
        Some(self.at + (next - self.done).max(0.0) / self.pace())
    }
}
