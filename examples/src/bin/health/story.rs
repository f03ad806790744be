//! What happens to the upstreams, and what must become of it.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, bail, ensure};
use campanile::{
    discover::Roster,
    endpoint::Reason,
    health::{HealthHandle, HealthState},
    time::Timestamp,
};
use tokio::time::{sleep, timeout};

use crate::{table, traffic::Traffic, upstream::Upstream};

/// How long anything may take; far more than it does.
const BOUND: Duration = Duration::from_secs(20);

pub(crate) async fn tell(
    roster: &Roster<SocketAddr>,
    upstreams: &[Upstream],
    health: &HealthHandle,
    traffic: &Traffic,
) -> anyhow::Result<()> {
    let [_, two, three, _, _] = upstreams else {
        bail!("there are five upstreams");
    };
    let show = async |what: &str| {
        // What was under way has ended, and a while of the new order is seen.
        sleep(Duration::from_millis(100)).await;
        traffic.take();
        sleep(Duration::from_millis(500)).await;
        let tally = traffic.take();
        println!("{what}\n{}", table::draw(roster, upstreams, health, &tally));
        tally
    };

    until("all are found healthy", || health.summary().healthy == 5).await?;
    let calm = show("all are well").await;
    ensure!(
        calm.answered.len() == 5 && calm.failed.is_empty(),
        "everyone answers: {calm:?}"
    );

    two.set_unwell(true);
    three.set_failing(true);
    roster.disable("four")?;
    until("two is found unhealthy", || {
        is(health, "two", HealthState::Unhealthy)
    })
    .await?;
    until("three is ejected", || {
        is_closed(roster, "three", Reason::Outlier)
    })
    .await?;
    let trouble = show("two is unwell, three fails its calls, four is switched off").await;
    for gone in ["two", "three", "four"] {
        ensure!(
            !trouble.answered.contains_key(gone),
            "{gone} gets no calls: {trouble:?}"
        );
    }
    ensure!(
        is(health, "four", HealthState::Healthy) && is_closed(roster, "four", Reason::Disabled),
        "who is switched off is not unhealthy"
    );
    ensure!(
        !health.is_panicking(),
        "three of four that are in service are left"
    );

    two.set_unwell(false);
    three.set_failing(false);
    roster.enable("four")?;
    until("two is found healthy", || {
        is(health, "two", HealthState::Healthy)
    })
    .await?;
    traffic.take();
    sleep(Duration::from_millis(300)).await;
    let ramp = traffic.take();
    println!("two has just come back: {:?}\n", ramp.answered);
    let calls = |name: &str| ramp.answered.get(name).copied().unwrap_or(0);
    ensure!(
        calls("two") * 2 < calls("one"),
        "who comes back ramps up: {ramp:?}"
    );

    until("three is back", || {
        !is_closed(roster, "three", Reason::Outlier)
    })
    .await?;
    // The ramp of the last one.
    sleep(Duration::from_secs(2)).await;
    let calm = show("all are well again").await;
    ensure!(
        calm.answered.len() == 5 && calm.failed.is_empty(),
        "everyone answers: {calm:?}"
    );
    Ok(())
}

fn is(health: &HealthHandle, name: &str, state: HealthState) -> bool {
    health
        .status(name)
        .is_some_and(|status| status.state == state)
}

fn is_closed(roster: &Roster<SocketAddr>, name: &str, reason: Reason) -> bool {
    let endpoint = roster.get(name);
    endpoint.is_some_and(|endpoint| endpoint.gate().is_closed_for(reason, Timestamp::now()))
}

async fn until(what: &'static str, holds: impl Fn() -> bool) -> anyhow::Result<()> {
    let waiting = async {
        while !holds() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(BOUND, waiting)
        .await
        .with_context(|| format!("it did not come to be that {what}"))
}
