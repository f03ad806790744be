use super::{Best, Case, Phase, Report, Scenario, run, sweep};

/// Runs all cases of the scenario of that name and prints what they did.
///
/// # Panics
///
/// When a bound is not kept: the message names all of those, with the figures measured.
pub fn check(name: &str) {
    let scenario = Scenario::read(name);
    let best = Best::read(name);
    println!("{name}: {}", scenario.about);
    let broken: Vec<String> = scenario
        .cases
        .iter()
        .flat_map(|case| check_case(&scenario, &best, case))
        .collect();
    assert!(broken.is_empty(), "{name}:\n{}", broken.join("\n"));
}

/// Finds the best static limits of the scenario of that name.
#[must_use]
pub fn find(name: &str) -> Vec<Vec<Best>> {
    let scenario = Scenario::read(name);
    let phases = 0..scenario.states().len();
    let at = |phase| {
        let loads = scenario.loads().into_iter();
        loads.map(|load| sweep(&scenario, phase, load)).collect()
    };
    phases.map(at).collect()
}

/// What was measured, and the bounds that were not kept.
#[derive(Debug)]
struct Verdicts {
    who: String,
    broken: Vec<String>,
}

// ===== impl Verdicts =====

impl Verdicts {
    fn least(&mut self, what: &str, value: f64, bound: Option<f64>) {
        self.within(what, value, bound.map(|bound| (bound, f64::INFINITY)));
    }

    fn most(&mut self, what: &str, value: f64, bound: Option<f64>) {
        self.within(what, value, bound.map(|bound| (0.0, bound)));
    }

    fn within(&mut self, what: &str, value: f64, bound: Option<(f64, f64)>) {
        if let Some((from, to)) = bound
            && !(from..=to).contains(&value)
        {
            let who = &self.who;
            let text = format!("{who}: {what} is {value:.3}, and must be from {from} to {to}");
            self.broken.push(text);
        }
    }
}

fn check_case(scenario: &Scenario, best: &[Vec<Best>], case: &Case) -> Vec<String> {
    let bounds = &case.bounds;
    let loads = scenario.loads();
    let mut broken = Vec::new();
    for (index, &load) in loads.iter().enumerate() {
        let reports: Vec<Report> = (0..scenario.seeds)
            .map(|seed| run(scenario, load, &case.algorithm, case.signal, case.cap, seed))
            .collect();
        let report = Report::mean(&reports);
        let best: Vec<Best> = best.iter().map(|phase| phase[index]).collect();
        let name = serde_json::to_value(case.algorithm)
            .ok()
            .and_then(|value| value.as_object()?.keys().next().cloned())
            .unwrap_or_default();
        let mut verdicts = Verdicts {
            who: format!("{name} at {load} of capacity"),
            broken: Vec::new(),
        };
        let goodput = report.goodput / best[0].goodput;
        println!(
            "  {}: goodput {goodput:.3}, {:.1} calls/s, limit {:.1} from {}, p50 {:.2}, p99 {:.2}",
            verdicts.who,
            report.calls,
            report.limit,
            report.least_limit,
            report.p50 / best[0].p50,
            report.p99 / best[0].p99,
        );
        let bound = bounds.goodput.get(index).or(bounds.goodput.last());
        verdicts.least("goodput", goodput, bound.copied());
        verdicts.least("the least limit", report.least_limit, bounds.least_limit);
        if index + 1 == loads.len() {
            verdicts.least("calls per second", report.calls, bounds.calls);
            verdicts.within("the mean limit", report.limit, bounds.limit);
            verdicts.most("p50", report.p50 / best[0].p50, bounds.p50);
            verdicts.most("p99", report.p99 / best[0].p99, bounds.p99);
        }
        let phases = phases(scenario, &best);
        for (change, phase) in phases.iter().skip(1).enumerate() {
            let recovery = report.recovery(phase, scenario.bin);
            let work = report.work_between(phase, scenario.bin) / phase.best;
            println!(
                "    from {:?} on: recovers in {recovery} s, work {work:.3}",
                phase.from
            );
            let bound = bounds.recovers.get(change).copied().flatten();
            verdicts.most("recovery in seconds", recovery, bound);
        }
        broken.extend(verdicts.broken);
    }
    broken
}

/// The time between changes, with what the best static limit does in each.
fn phases(scenario: &Scenario, best: &[Best]) -> Vec<Phase> {
    let states = scenario.states();
    let ends = states.iter().skip(1).map(|(at, _)| *at);
    states
        .iter()
        .zip(ends.chain([scenario.lasts]))
        .zip(best)
        .map(|(((from, _), to), best)| Phase {
            from: *from,
            to,
            best: best.work,
        })
        .collect()
}
