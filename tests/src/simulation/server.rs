use std::{
    cmp::Ordering,
    collections::{BinaryHeap, HashMap, VecDeque},
    time::Duration,
};

use campanile::time::{Timestamp, human};
use serde::{Deserialize, Serialize};

use super::Size;

/// How fast a server works on each of its calls.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Law {
    /// `min(1, slots / b)`; every call is worked on.
    Slots(u32),
    /// One unit of work every `base + each * b`, for `most` calls; the others wait in turn.
    Batch {
        /// What a step takes.
        #[serde(with = "human")]
        base: Duration,
        /// What each call adds to it.
        #[serde(with = "human")]
        each: Duration,
        /// Calls that are worked on.
        most: u32,
    },
}

/// What happened to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Its first data came.
    First,
    /// It is done.
    Done,
}

/// Works on calls by processor sharing in virtual time: one unit of it passes while each running call gets one unit of
/// work.
#[derive(Debug)]
pub struct Server {
    law: Law,
    speed: f64,
    now: Timestamp,
    /// Virtual time.
    virtual_now: f64,
    calls: HashMap<u64, Running>,
    marks: BinaryHeap<Mark>,
    waiting: VecDeque<(u64, Size)>,
    streaming: u32,
    done: f64,
    streamed: f64,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    since: f64,
    streams: bool,
}

/// A virtual time at which something happens to a call.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: f64,
    id: u64,
    progress: Progress,
}

// ===== impl Law =====

impl Law {
    /// Work per second on each of `b` calls.
    fn rate(&self, b: u32) -> f64 {
        match *self {
            Self::Slots(slots) => (f64::from(slots) / f64::from(b.max(1))).min(1.0),
            Self::Batch { base, each, .. } => 1.0 / (base + each * b).as_secs_f64(),
        }
    }

    fn most(&self) -> usize {
        match *self {
            Self::Slots(_) => usize::MAX,
            Self::Batch { most, .. } => most as usize,
        }
    }
}

// ===== impl Server =====

impl Server {
    /// An idle server.
    #[must_use]
    pub fn new(law: Law) -> Self {
        Self {
            law,
            speed: 1.0,
            now: Timestamp::ZERO,
            virtual_now: 0.0,
            calls: HashMap::new(),
            marks: BinaryHeap::new(),
            waiting: VecDeque::new(),
            streaming: 0,
            done: 0.0,
            streamed: 0.0,
        }
    }

    /// Changes how it works. Calls that are worked on stay so.
    pub fn change(&mut self, now: Timestamp, law: Law, speed: f64) {
        self.advance(now);
        (self.law, self.speed) = (law, speed);
        self.start_waiting();
    }

    /// A call comes in. Ids are the caller's, and never used twice.
    pub fn arrive(&mut self, now: Timestamp, id: u64, size: Size) {
        self.advance(now);
        self.waiting.push_back((id, size));
        self.start_waiting();
    }

    /// A call is given up. Returns the work that was lost.
    pub fn cancel(&mut self, now: Timestamp, id: u64) -> f64 {
        self.advance(now);
        let lost = if let Some(running) = self.calls.remove(&id) {
            self.streaming -= u32::from(running.streams);
            self.virtual_now - running.since
        } else {
            self.waiting.retain(|(waiting, _)| *waiting != id);
            0.0
        };
        self.start_waiting();
        lost
    }

    /// When something happens next, if nothing comes in until then.
    pub fn next_at(&mut self) -> Option<Timestamp> {
        // Marks of calls that were given up.
        while let Some(mark) = self.marks.peek()
            && !self.calls.contains_key(&mark.id)
        {
            self.marks.pop();
        }
        let mark = self.marks.peek()?;
        let seconds = (mark.at - self.virtual_now).max(0.0) / self.rate();
        Some(self.now.after(Duration::from_secs_f64(seconds.min(1e9))))
    }

    /// Takes what [`next_at`](Self::next_at) told of; `now` is that time.
    pub fn pop(&mut self, now: Timestamp) -> Option<(u64, Progress)> {
        self.advance(now);
        let Mark { at, id, progress } = self.marks.pop()?;
        self.virtual_now = self.virtual_now.max(at);
        match progress {
            Progress::First => {
                self.calls.get_mut(&id)?.streams = true;
                self.streaming += 1;
            }
            Progress::Done => {
                let running = self.calls.remove(&id)?;
                self.streaming -= u32::from(running.streams);
                self.start_waiting();
            }
        }
        Some((id, progress))
    }

    /// Work done until `now`, that of calls given up included.
    pub fn done(&mut self, now: Timestamp) -> f64 {
        self.advance(now);
        self.done
    }

    /// Work done since the first data of each call: pieces that were streamed.
    pub fn streamed(&mut self, now: Timestamp) -> f64 {
        self.advance(now);
        self.streamed
    }

    /// Whether any call has data coming now.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        self.streaming > 0
    }

    /// Calls that it works on or that wait for it.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.calls.len() + self.waiting.len()
    }

    fn rate(&self) -> f64 {
        self.law.rate(self.calls.len() as u32) * self.speed
    }

    fn advance(&mut self, now: Timestamp) {
        let passed = now.since(self.now).as_secs_f64() * self.rate();
        self.now = self.now.max(now);
        self.virtual_now += passed;
        self.done += passed * self.calls.len() as f64;
        self.streamed += passed * f64::from(self.streaming);
    }

    fn start_waiting(&mut self) {
        while self.calls.len() < self.law.most()
            && let Some((id, size)) = self.waiting.pop_front()
        {
            let since = self.virtual_now;
            let streams = false;
            self.calls.insert(id, Running { since, streams });
            let mut mark = |work: f64, progress| {
                let at = since + work;
                self.marks.push(Mark { at, id, progress });
            };
            if size.first < size.total {
                mark(size.first, Progress::First);
            }
            mark(size.total, Progress::Done);
        }
    }
}

// ===== impl Mark =====

impl PartialEq for Mark {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Mark {}

impl PartialOrd for Mark {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Mark {
    /// The earliest is the greatest.
    fn cmp(&self, other: &Self) -> Ordering {
        other
            .at
            .total_cmp(&self.at)
            .then_with(|| other.id.cmp(&self.id))
    }
}
