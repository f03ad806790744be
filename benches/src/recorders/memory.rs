use std::{hint::black_box, thread, time::Duration};

use campanile::{Outcome, completion::Completion, metrics::Recorder, time::Timestamp};

use super::{BOUNDS, peers::Client};
use crate::Table;

/// Endpoints that are made at once; what one takes is told.
const ENDPOINTS: usize = 100;

/// Calls to each, a hundred a second, and how many of them a thread makes.
const CALLS: u64 = 30_000;
const APART: Duration = Duration::from_millis(10);

/// From the last call to when an endpoint is at rest: the longest have ended, and a minute has passed since.
const REST: Duration = Duration::from_secs(300);

/// Threads that call in turns.
const THREADS: usize = 8;

/// How long a call takes, by its number.
type Takes = fn(u64) -> Duration;

/// What an endpoint keeps in memory.
#[must_use]
pub fn memory() -> Table {
    let mut table = Table::new(["what an endpoint keeps", "bytes", "at rest"]);
    let mut row = |what: &str, busy: f64, rest: f64| {
        table.row([what.to_owned(), format!("{busy:.0}"), format!("{rest:.0}")]);
    };
    let (busy, rest) = heap(|_, _| {});
    row("**campanile**, no calls", busy, rest);
    let (busy, rest) = heap(|recorder, from| record(recorder, from, 0..CALLS, alike));
    row("**campanile**, 30,000 calls of 5 ms", busy, rest);
    let (busy, rest) = heap(|recorder, from| record(recorder, from, 0..CALLS, unlike));
    row("**campanile**, 30,000 calls of 1 ms to 100 s", busy, rest);
    let (busy, rest) = from_threads();
    row("**campanile**, the same, from 8 threads", busy, rest);
    let client = allocated(|| {
        let client = Client::new();
        client.calls.inc();
        client.took.observe(0.005);
        client
    });
    let what = format!(
        "prometheus-client, two numbers and a histogram of {} buckets",
        BOUNDS.len() + 1
    );
    row(&what, client, client);
    table
}

/// Bytes of heap an endpoint, after those calls and at rest.
fn heap(calls: impl Fn(&Recorder, Timestamp)) -> (f64, f64) {
    let from = Timestamp::now();
    let until = from.after(APART * CALLS as u32);
    let busy = allocated(|| {
        let recorder = Recorder::new();
        calls(&recorder, from);
        recorder
    });
    let rest = allocated(|| {
        let recorder = Recorder::new();
        calls(&recorder, from);
        black_box(recorder.read_at(until));
        black_box(recorder.read_at(until.after(REST)));
        recorder
    });
    (busy, rest)
}

/// As a recorder counts it itself: the heap is counted for each thread.
fn from_threads() -> (f64, f64) {
    let (recorder, from) = (Recorder::new(), Timestamp::now());
    for numbers in (0..CALLS).step_by(CALLS as usize / THREADS) {
        let recorder = recorder.clone();
        let numbers = numbers..numbers + CALLS / THREADS as u64;
        let thread = thread::spawn(move || record(&recorder, from, numbers, unlike));
        thread.join().expect("the thread ends");
    }
    let busy = recorder.memory();
    let until = from.after(APART * CALLS as u32);
    black_box(recorder.read_at(until.after(REST)));
    (busy as f64, recorder.memory() as f64)
}

/// Makes calls that began one after the other, and were answered in two steps.
fn record(recorder: &Recorder, from: Timestamp, numbers: std::ops::Range<u64>, takes: Takes) {
    for number in numbers {
        let begin = from.after(APART * number as u32);
        let (takes, mut call) = (takes(number), Completion::new(recorder.begin(begin)));
        call.head(begin.after(takes / 2));
        call.data(begin.after(takes / 2), 1);
        call.end(begin.after(takes), Outcome::Success);
    }
}

fn alike(_: u64) -> Duration {
    Duration::from_millis(5)
}

/// From 1 ms to 100 s, each length as likely as its double.
fn unlike(number: u64) -> Duration {
    // The golden ratio spreads numbers evenly.
    let place = (number as f64 * 0.618_033_988_75).fract();
    Duration::from_secs_f64(0.001 * 10_f64.powf(place * 5.0))
}

fn allocated<T>(make: impl Fn() -> T) -> f64 {
    let mut made = Vec::with_capacity(ENDPOINTS);
    let counted = allocation_counter::measure(|| {
        for _ in 0..ENDPOINTS {
            made.push(make());
        }
    });
    counted.bytes_current as f64 / ENDPOINTS as f64
}
