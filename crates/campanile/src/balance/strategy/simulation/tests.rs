use super::{
    super::{Ebw, EbwConfig, LeastLoaded, PeakEwma, Pick, Random, RoundRobin},
    replica::{Replica, Step},
    run::limit,
    *,
};

fn scenario(kind: Kind, fleet: Fleet, load: f64, seed: u64, calls: usize) -> Scenario {
    Scenario {
        kind,
        fleet,
        load,
        seed,
        calls,
    }
}

/// EBW as one of so many clients that do not see each other: it believes in the load that Little's law gives the others.
fn ebw(scenario: &Scenario, clients: usize) -> Ebw {
    let others = (clients - 1) as f64 / clients as f64;
    let each = scenario.load * scenario.capacity() * scenario.mean_call() / 50.0;
    Ebw::new(EbwConfig {
        hidden_load: each * others,
        ..EbwConfig::default()
    })
    .unwrap()
}

fn ratio<St: Pick<()>>(
    scenario: Scenario,
    limit: &Figures,
    clients: usize,
    strategy: impl Fn() -> St,
) -> Figures
where
    St::State: Default,
{
    let mut clients = Clients::new(clients, scenario.seed, strategy);
    simulate(scenario, &mut clients).with(limit, |figure, limit| figure / limit)
}

type Rule = (&'static str, fn(Scenario, &Figures, usize) -> Figures);

const RULES: [Rule; 7] = [
    ("random", |scenario, limit, clients| {
        ratio(scenario, limit, clients, || Random)
    }),
    ("round robin", |scenario, limit, clients| {
        ratio(scenario, limit, clients, RoundRobin::default)
    }),
    ("tower's peak EWMA", |scenario, limit, clients| {
        ratio(scenario, limit, clients, || TowerPeakEwma)
    }),
    ("peak EWMA", |scenario, limit, clients| {
        ratio(scenario, limit, clients, PeakEwma::default)
    }),
    ("least loaded, two choices", |scenario, limit, clients| {
        ratio(scenario, limit, clients, LeastLoaded::default)
    }),
    ("least loaded, full scan", |scenario, limit, clients| {
        ratio(scenario, limit, clients, LeastLoaded::full_scan)
    }),
    ("EBW", |scenario, limit, clients| {
        ratio(scenario, limit, clients, || ebw(&scenario, clients))
    }),
];

fn grid(calls: usize, seeds: u64) -> Vec<Scenario> {
    let mut grid = Vec::new();
    for kind in [Kind::Rpc, Kind::Llm] {
        for fleet in [Fleet::Equal, Fleet::Mixed, Fleet::Disturbed] {
            for load in [0.7, 0.9] {
                for seed in 1..=seeds {
                    grid.push(scenario(kind, fleet, load, seed, calls));
                }
            }
        }
    }
    grid
}

fn geometric_mean(figures: &[Figures]) -> Figures {
    figures
        .iter()
        .map(|figures| figures.map(f64::ln))
        .reduce(|one, other| one.with(&other, |one, other| one + other))
        .expect("there are figures")
        .map(|sum| (sum / figures.len() as f64).exp())
}

#[test]
#[ignore = "minutes: the whole grid, in release"]
fn fleet_grid() {
    let grid = grid(40_000, 2);
    let limits: Vec<Figures> = grid.iter().map(|scenario| limit(*scenario)).collect();
    println!("| strategy | clients | p50 | p99 | p99 slowdown | p99 first token |");
    println!("|---|---|---|---|---|---|");
    for (name, rule) in RULES {
        for clients in [1, 64] {
            let ratios: Vec<Figures> = grid
                .iter()
                .zip(&limits)
                .map(|(scenario, limit)| rule(*scenario, limit, clients))
                .collect();
            let mean = geometric_mean(&ratios);
            // Of the streamed kind alone, which is the second half of the grid.
            let streamed = geometric_mean(&ratios[grid.len() / 2..]);
            println!(
                "| {name} | {clients} | {:.2} | {:.2} | {:.2} | {:.2} |",
                mean.p50, mean.p99, mean.slowdown, streamed.first
            );
            if name == "EBW" && clients == 1 {
                assert!(mean.p99 < 1.37 && mean.slowdown < 1.32, "{mean:?}");
            }
        }
    }
}

/// A part of the grid that is small enough for every run. So short a run is in good part the time that EBW learns in,
/// for which the bounds leave room.
#[test]
fn ebw_is_near_the_limit_and_far_ahead_of_towers_rule() {
    let mut ours = Vec::new();
    let mut towers = Vec::new();
    for scenario in grid(4_000, 1).into_iter().filter(|cell| cell.load < 0.8) {
        let limit = limit(scenario);
        ours.push(ratio(scenario, &limit, 1, || ebw(&scenario, 1)));
        towers.push(ratio(scenario, &limit, 1, || TowerPeakEwma));
    }
    let (ours, towers) = (geometric_mean(&ours), geometric_mean(&towers));
    assert!(ours.p99 < 1.5 && ours.slowdown < 1.7, "{ours:?}");
    assert!(ours.p99 < 0.85 * towers.p99, "{ours:?} {towers:?}");
    assert!(ours.slowdown < 0.7 * towers.slowdown, "{ours:?} {towers:?}");
}

#[test]
fn the_same_seed_is_the_same_run() {
    let scenario = scenario(Kind::Llm, Fleet::Disturbed, 0.9, 3, 300);
    let run = || {
        let mut clients = Clients::new(4, 1, || ebw(&scenario, 4));
        simulate(scenario, &mut clients).p99.to_bits()
    };
    assert_eq!(run(), run());
}

#[test]
fn a_replica_shares_its_processor() {
    let mut replica = Replica::new(Kind::Llm, 2.0);
    replica.push(0, 1.0, 10.0);
    let beside_another = 10.0 * 0.011 / 2.0;
    assert!((replica.projected(0.0, 10.0) - beside_another).abs() < 1e-9);
    let mut ended = Vec::new();
    while let Some(now) = replica.next() {
        replica.advance(now, |step| ended.push((step, now)));
    }
    let alone = 10.0 * 0.010_5 / 2.0;
    assert_eq!(ended[0].0, Step::Tokens(0, 0), "its first token");
    assert!((ended[0].1 - alone / 10.0).abs() < 1e-9, "{ended:?}");
    assert_eq!(ended.last().unwrap().0, Step::Ended(0));
    assert!((ended.last().unwrap().1 - alone).abs() < 1e-9, "{ended:?}");

    // Beyond the batch calls wait in line, and a cancelled one makes room.
    let mut replica = Replica::new(Kind::Llm, 1.0);
    for call in 0..34 {
        replica.push(call, 1.0, 10.0);
    }
    assert_eq!(replica.calls(), 34);
    replica.cancel(0);
    replica.cancel(32);
    assert_eq!(replica.calls(), 32);
    assert!((replica.left(0.0) - 320.0).abs() < 1e-9);
}
