//! Three acts: all is well; one upstream is killed; it comes back.

use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use anyhow::ensure;
use campanile::{discover::Roster, endpoint::EndpointSnapshot};
use campanile_examples::http::{Caller, Upstream};
use tokio::{task::JoinSet, time::MissedTickBehavior};

use crate::tally::{Counts, Tally};

/// Callers, each with one request at a time.
const CALLERS: usize = 24;

/// The upstream that is killed.
pub(crate) const VICTIM: &str = "two";

/// The requests of an act. The last one goes on, as far as this times four, until the victim carries its part again.
const ACT: u64 = 1200;

/// How many answers of the victim's show that it is back.
const BACK: u64 = 100;

/// What happened.
#[derive(Debug)]
pub(crate) struct Story {
    /// What the callers saw in each act.
    pub(crate) acts: [Counts; 3],
    /// The calls that the victim's endpoint was given in each act.
    pub(crate) victim: [u64; 3],
    /// The members at the end.
    pub(crate) members: Vec<EndpointSnapshot>,
}

/// Drives requests through the three acts, and prints a line each second.
pub(crate) async fn drive(
    caller: &Caller,
    roster: &Roster<SocketAddr>,
    upstreams: &mut [Upstream],
) -> anyhow::Result<Story> {
    let tally = Arc::new(Tally::default());
    let printer = tokio::spawn(print(Arc::clone(&tally), roster.clone()));
    let victim = upstreams
        .iter_mut()
        .find(|upstream| upstream.name() == VICTIM);
    let Some(victim) = victim else {
        anyhow::bail!("there is no upstream {VICTIM}");
    };
    let mut marks = vec![(Counts::default(), 0)];
    let mark = || (tally.read(), given(roster));

    println!("--- all three are up");
    let callers = Callers::start(caller, &tally);
    callers.reach(ACT).await;
    marks.push(mark());
    victim.kill().await;
    println!("--- {VICTIM} is killed, with its connections");
    callers.reach(2 * ACT).await;
    marks.push(mark());
    victim.restart().await?;
    println!("--- {VICTIM} is back, on the same port");
    let before = tally.read().whole(VICTIM);
    let limit = 6 * ACT;
    while tally.read().whole(VICTIM) < before + BACK && callers.made() < limit {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    callers.finish().await?;
    printer.abort();
    settle(roster).await?;
    marks.push(mark());

    let act = |n: usize| marks[n + 1].0.since(&marks[n].0);
    let given = |n: usize| marks[n + 1].1 - marks[n].1;
    Ok(Story {
        acts: [act(0), act(1), act(2)],
        victim: [given(0), given(1), given(2)],
        members: roster.snapshot(),
    })
}

/// The calls that the victim's endpoint was given so far.
fn given(roster: &Roster<SocketAddr>) -> u64 {
    roster.get(VICTIM).map_or(0, |endpoint| {
        let of = endpoint.outcomes();
        of.success + of.failure + of.overloaded + of.throttled + of.ignored + of.cancelled
    })
}

/// A caller may see the end of an answer a moment before the front has counted it.
async fn settle(roster: &Roster<SocketAddr>) -> anyhow::Result<()> {
    let settled = async {
        while roster
            .endpoints()
            .iter()
            .any(|endpoint| endpoint.in_flight() > 0)
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let settled = tokio::time::timeout(Duration::from_secs(5), settled).await;
    ensure!(
        settled.is_ok(),
        "calls are still in flight five seconds after the last answer"
    );
    Ok(())
}

/// A line a second: the share of each upstream, and what went wrong.
async fn print(tally: Arc<Tally>, roster: Roster<SocketAddr>) {
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let mut before = tally.read();
    for second in 1.. {
        ticks.tick().await;
        let now = tally.read();
        println!("{}", line(second, &now.since(&before), &roster.snapshot()));
        before = now;
    }
}

pub(crate) fn line(second: u32, counts: &Counts, members: &[EndpointSnapshot]) -> String {
    let total = counts.total();
    let shares: String = members
        .iter()
        .map(|member| {
            let share = counts.whole(&member.key) as f64 / total.max(1) as f64 * 100.0;
            let gate = if member.closed.is_empty() { ' ' } else { '*' };
            format!("  {:<5}{gate}{share:>3.0} %", member.key)
        })
        .collect();
    format!(
        "{second:>3} s  {total:>5} requests {shares}   cut {:>2}  failed {:>2}  refused {:>2}",
        counts.cut, counts.failed, counts.refused
    )
}

/// Callers at work.
struct Callers {
    set: JoinSet<anyhow::Result<()>>,
    made: Arc<AtomicU64>,
    /// The callers rest when they have made so many requests.
    limit: Arc<AtomicU64>,
}

// ===== impl Callers =====

impl Callers {
    fn start(caller: &Caller, tally: &Arc<Tally>) -> Self {
        let made = Arc::new(AtomicU64::new(0));
        let limit = Arc::new(AtomicU64::new(u64::MAX));
        let mut set = JoinSet::new();
        for _ in 0..CALLERS {
            let (caller, tally) = (caller.clone(), Arc::clone(tally));
            let (made, limit) = (Arc::clone(&made), Arc::clone(&limit));
            set.spawn(async move {
                while made.fetch_add(1, Ordering::Relaxed) < limit.load(Ordering::Relaxed) {
                    tally.count(caller.get().await?);
                }
                Ok(())
            });
        }
        Self { set, made, limit }
    }

    fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    async fn reach(&self, requests: u64) {
        while self.made() < requests {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn finish(mut self) -> anyhow::Result<()> {
        self.limit.store(0, Ordering::Relaxed);
        while let Some(ended) = self.set.join_next().await {
            ended??;
        }
        Ok(())
    }
}
