//! What cases cost: nanoseconds a call over a service without any layer, on one thread; million calls a second from 64 tasks on
//! two threads; heap allocations a call.

use std::{fmt, process::ExitCode};

use tokio::runtime::Runtime;

use crate::{
    Busy, Table,
    case::{Case, Subject},
    runtime,
};

/// How long one measurement takes, about: short, so that some are not disturbed.
const SAMPLE_NS: f64 = 2e6;

/// Measurements of each, taken in turns so that what disturbs one disturbs all.
const ROUNDS: usize = 101;

/// What is told of one case.
#[derive(Debug)]
pub struct Figures {
    /// Nanoseconds a call over the bare service, on one thread.
    pub over_bare: f64,
    /// Million calls a second on two threads, unless it cannot be called from two.
    pub millions: Option<f64>,
    /// Heap allocations a call.
    pub allocations: f64,
}

/// Measures every case, prints what was measured, and makes a table of it.
///
/// `between` runs now and then, while nothing is measured.
#[must_use]
pub fn compare(heading: &str, cases: &[Case], between: &dyn Fn()) -> Table {
    let busy = Busy::watch();
    let allocations = allocations(cases, between);
    let one = measure(cases, 1, between);
    let two = measure(cases, 2, between);
    let others = busy.and_then(|busy| busy.others());

    let mut table = Table::new([
        heading,
        "whose",
        "ns over a bare service, one thread",
        "million calls a second, two threads",
        "allocations a call",
    ]);
    let figures: Vec<Figures> = cases
        .iter()
        .enumerate()
        .map(|(index, case)| {
            let bare = cases
                .iter()
                .position(|bare| bare.is_bare() && bare.message == case.message);
            Figures {
                // What disturbs one thread only ever adds; two that disturb each other are what is measured.
                over_bare: one[index].least - bare.map_or(0.0, |bare| one[bare].least),
                millions: case.shared.then(|| 1e3 / two[index].middle),
                allocations: allocations[index],
            }
        })
        .collect();
    for (index, case) in cases.iter().enumerate() {
        println!(
            "{case:?}: {} ns; on two threads {} ns",
            one[index], two[index]
        );
        if !case.is_bare() {
            let row = [case.what.to_owned(), case.who.to_owned()]
                .into_iter()
                .chain(figures[index].cells());
            table.row(row.map(|cell| match case.is_ours() {
                true => format!("**{cell}**"),
                false => cell,
            }));
        }
    }
    beside(cases, &figures);
    if let Some(others) = others {
        println!(
            "other processes used {:.0} % of the cores meanwhile",
            others * 100.0
        );
    }
    table
}

/// The program of a benchmark of cases: `run` measures those that are wanted. `--only NAME` wants only those whose name
/// contains that (`$` is the end of a name); `--drive THREADS CALLS` makes so many calls of each, for a profiler to watch, and
/// measures nothing.
#[must_use]
pub fn main(mut cases: Vec<Case>, run: impl FnOnce(&[Case]) -> ExitCode) -> ExitCode {
    let only = argument("--only", 1).unwrap_or_default();
    cases.retain(|case| case.is_bare() || format!("{case:?}$").contains(&only));
    let (Some(threads), Some(calls)) = (argument("--drive", 1), argument("--drive", 2)) else {
        return run(&cases);
    };
    let (Ok(threads), Ok(calls)) = (threads.parse(), calls.parse()) else {
        eprintln!("--drive takes two numbers: threads and calls");
        return ExitCode::FAILURE;
    };
    for case in cases.iter().filter(|case| !case.is_bare()) {
        let runtime = runtime(threads);
        case.build(&runtime).drive(&runtime, calls);
    }
    ExitCode::SUCCESS
}

/// What follows a name in the arguments, at this distance.
fn argument(name: &str, distance: usize) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(distance)
}

// ===== impl Figures =====

impl Figures {
    fn cells(&self) -> [String; 3] {
        [
            format!("{:.0}", self.over_bare),
            self.millions
                .map_or_else(|| "–".to_owned(), |millions| format!("{millions:.1}")),
            format!("{:.2}", self.allocations)
                .trim_end_matches(".00")
                .to_owned(),
        ]
    }
}

/// Prints each of ours beside the fastest peer that does the same.
fn beside(cases: &[Case], figures: &[Figures]) {
    for (case, ours) in cases.iter().zip(figures) {
        let peers = || {
            let all = cases.iter().zip(figures);
            all.filter(|(peer, _)| peer.what == case.what && !peer.is_ours())
        };
        let least = peers().min_by(|a, b| a.1.over_bare.total_cmp(&b.1.over_bare));
        let most = peers().max_by(|a, b| {
            let millions = |figures: &Figures| figures.millions.unwrap_or(0.0);
            millions(a.1).total_cmp(&millions(b.1))
        });
        if let (true, Some((least, ns)), Some((most, calls))) = (case.is_ours(), least, most) {
            println!(
                "{case:?}: {:.2} of {}'s time on one thread, {:.2} times {}'s calls on two",
                ours.over_bare / ns.over_bare,
                least.who,
                ours.millions.unwrap_or(f64::NAN) / calls.millions.unwrap_or(f64::NAN),
                most.who,
            );
        }
    }
}

/// Heap allocations a call.
fn allocations(cases: &[Case], between: &dyn Fn()) -> Vec<f64> {
    cases
        .iter()
        .map(|case| {
            let runtime = runtime(1);
            between();
            case.build(&runtime).allocations(&runtime, 10_000)
        })
        .collect()
}

/// Nanoseconds a call on so many threads. Each has a runtime of its own: some keep a task running in it.
fn measure(cases: &[Case], threads: usize, between: &dyn Fn()) -> Vec<Spread> {
    let built: Vec<(Runtime, Box<dyn Subject>, usize)> = cases
        .iter()
        .map(|case| {
            let runtime = runtime(threads);
            let subject = case.build(&runtime);
            subject.drive(&runtime, 10_000);
            let ns = subject.drive(&runtime, 10_000);
            (runtime, subject, (SAMPLE_NS / ns) as usize)
        })
        .collect();
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..ROUNDS {
        for ((runtime, subject, calls), samples) in built.iter().zip(&mut samples) {
            samples.push(subject.drive(runtime, *calls));
            between();
        }
    }
    samples.into_iter().map(Spread::of).collect()
}

/// The least and the middle of several measurements, and the quartiles, which tell what they are worth.
struct Spread {
    least: f64,
    lower: f64,
    middle: f64,
    upper: f64,
}

// ===== impl Spread =====

impl Spread {
    fn of(mut samples: Vec<f64>) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |part: usize| samples[(samples.len() - 1) * part / 4];
        Self {
            least: at(0),
            lower: at(1),
            middle: at(2),
            upper: at(3),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            least,
            lower,
            middle,
            upper,
        } = self;
        write!(f, "{least:.1}, {middle:.1} ({lower:.1} to {upper:.1})")
    }
}
