use std::{
    hint::black_box,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use campanile::{
    metrics::{Format, Histogram},
    time::Timestamp,
};

use super::BOUNDS;
use crate::Table;

mod subjects;

use subjects::{metrics_exporter, ours, prometheus_client};

const ENDPOINTS: usize = 1_000;

/// Calls to each before anything is measured.
const CALLS: u32 = 100;

/// Scrapes of each.
const SCRAPES: usize = 20;

/// Someone who is scraped.
struct Subject {
    whose: &'static str,
    /// A scrape.
    text: Box<dyn Fn() -> String + Sync>,
    /// A call to one of the endpoints.
    call: Box<dyn FnMut(usize) + Send>,
}

/// What a scrape of 1,000 endpoints takes, and what it does to calls.
#[must_use]
pub fn scrape() -> Table {
    let mut table = Table::new([
        "a scrape of 1,000 endpoints",
        "series",
        "ms, least and middle",
        "a call, middle, 99.99 % and longest",
        "meanwhile",
    ]);
    let prometheus = ours(Format::Prometheus);
    let shape = Shape::of(&(prometheus.text)());
    let subjects = [
        prometheus,
        ours(Format::OpenMetrics),
        prometheus_client(&shape),
        metrics_exporter(&shape),
    ];
    for mut subject in subjects {
        let series = lines(&(subject.text)()).count();
        let mut took = Vec::new();
        for _ in 0..SCRAPES {
            let begin = Timestamp::now();
            black_box((subject.text)());
            took.push(Timestamp::now().since(begin));
        }
        took.sort();
        // As long without a scrape as with them.
        let whole = took.iter().sum();
        let quiet = calls(&mut subject.call, || sleep(whole));
        let meanwhile = calls(&mut subject.call, || {
            for _ in 0..SCRAPES {
                black_box((subject.text)());
            }
        });
        table.row([
            subject.whose.to_owned(),
            series.to_string(),
            format!("{:.1}, {:.1}", millis(took[0]), millis(took[SCRAPES / 2])),
            spread(&quiet),
            spread(&meanwhile),
        ]);
    }
    table
}

/// How long calls took while something else was done.
fn calls(call: &mut (dyn FnMut(usize) + Send), meanwhile: impl FnOnce()) -> Histogram {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let calls = scope.spawn(|| {
            let mut took = Histogram::default();
            for number in 0.. {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let begin = Timestamp::now();
                call(number % ENDPOINTS);
                took.record(Timestamp::now().since(begin));
            }
            took
        });
        meanwhile();
        over.store(true, Ordering::Relaxed);
        calls.join().expect("the thread ends")
    })
}

fn sleep(long: Duration) {
    crate::runtime(1).block_on(async { tokio::time::sleep(long).await });
}

// ===== impl Shape =====

/// How many series an endpoint has.
struct Shape {
    /// Histograms with as many buckets as all have here.
    histograms: usize,
    /// The others.
    numbers: usize,
}

impl Shape {
    /// That of an endpoint in the text, on average.
    fn of(text: &str) -> Self {
        // And that without a bound.
        let buckets = BOUNDS.len() + 1;
        let all = lines(text).count() / ENDPOINTS;
        let bucket = |line: &&str| line.contains("_bucket{");
        let histograms = lines(text).filter(bucket).count() / ENDPOINTS / buckets;
        Self {
            histograms,
            // Each histogram has a sum and a count too.
            numbers: all - histograms * (buckets + 2),
        }
    }
}

/// The lines that are samples.
fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with('#'))
}

fn spread(took: &Histogram) -> String {
    let nanos = |took: Option<Duration>| took.unwrap_or_default().as_nanos();
    format!(
        "{} ns, {:.1} µs, {:.0} µs",
        nanos(took.quantile(0.5)),
        nanos(took.quantile(0.9999)) as f64 / 1e3,
        nanos(took.max()) as f64 / 1e3,
    )
}

fn millis(took: Duration) -> f64 {
    took.as_secs_f64() * 1e3
}
