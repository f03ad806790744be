//! Members that come back, from either reason, in a pool that starts them slowly.

use tower::{Service, ServiceBuilder, ServiceExt};

use super::*;
use crate::{
    BoxError,
    balance::{BalanceLayer, LeastLoaded, Pick, SlowStart, Weighted},
    discover::{PerEndpointLayer, Roster},
    testing::{Script, Step},
};

const MS: Duration = Duration::from_millis(1);

/// Scripted members, the first of which is ejected or unhealthy for a while.
struct Returning<S> {
    pool: S,
    scripts: Vec<Script<()>>,
    probe: Scripted,
    first: Endpoint,
    health: HealthHandle,
}

fn returning<St: Pick<()>>(
    members: usize,
    strategy: St,
) -> Returning<impl Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send> {
    let scripts: Vec<_> = (0..members)
        .map(|_| Script::new(Step::answer(()).after(MS)))
        .collect();
    let roster = Roster::new();
    let mut endpoints = Vec::new();
    for index in 0..members {
        let target = u32::try_from(index).unwrap();
        endpoints.push(roster.insert(format!("{index:03}"), target).unwrap());
    }
    let probe = Scripted::default();
    let layer = HealthLayer::with_config(probe.clone(), exact().with_unhealthy_after(1)).unwrap();
    let layer = layer
        .outliers(OutlierConfig::default().with_jitter(0.0))
        .unwrap();
    let health = layer.handle();
    let targets = scripts.clone();
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(SlowStart::new(strategy)).seed(7))
        .layer(PerEndpointLayer::new(move |_: &Endpoint, target: u32| {
            targets[target as usize].service()
        }))
        .layer(layer)
        .service(roster.changes());
    Returning {
        pool,
        scripts,
        probe,
        first: endpoints.swap_remove(0),
        health,
    }
}

impl<S> Returning<S>
where
    S: Service<(), Response = (), Error = BoxError, Future: Send> + Clone + Send + 'static,
{
    /// What share of so many calls goes to the first member, as many at once as there are members.
    async fn share(&self, rounds: usize) -> f64 {
        let before = self.scripts[0].counts().calls;
        let members = self.scripts.len();
        for _ in 0..rounds {
            let calls: Vec<_> = (0..members)
                .map(|_| tokio::spawn(self.pool.clone().oneshot(())))
                .collect();
            for call in calls {
                let _ = call.await.unwrap();
            }
        }
        (self.scripts[0].counts().calls - before) as f64 / (rounds * members) as f64
    }

    /// The first member is out, and long after it has come back no call has come.
    async fn comes_back(&self, reason: Reason) {
        // The members have ramped up since they joined.
        self.share(10).await;
        pass(60 * SEC).await;
        match reason {
            Reason::Outlier => {
                self.scripts[0].set(Step::error("sick").after(MS));
                while self.first.gate().is_open(Timestamp::now()) {
                    self.share(1).await;
                }
                self.scripts[0].set(Step::answer(()).after(MS));
            }
            _ => {
                self.probe.set_healthy("000", false);
                self.health.check_now("000").await.unwrap();
                self.probe.set_healthy("000", true);
            }
        }
        // The time alone: nobody looks at the gate meanwhile.
        assert!(self.first.gate().is_closed_for(reason, Timestamp::now()));
        pass(1_000 * SEC).await;
        assert!(!self.first.gate().is_closed_for(reason, Timestamp::now()));
    }

    /// It ramps from the first pick on.
    async fn ramps(&self) {
        let fair = 1.0 / self.scripts.len() as f64;
        // Some tenths of a second.
        let slow = self.share(100).await;
        assert!(slow < 0.4 * fair, "{slow} of {fair}");
        pass(15 * SEC).await;
        let halfway = self.share(100).await;
        assert!(halfway > slow && halfway < 0.9 * fair, "{halfway}, {slow}");
        pass(15 * SEC).await;
        let whole = self.share(100).await;
        assert!((whole / fair - 1.0).abs() < 0.2, "{whole} of {fair}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ejected_member_ramps_up_when_it_comes_back() {
    let scene = returning(10, Weighted::new());
    scene.comes_back(Reason::Outlier).await;
    scene.ramps().await;
}

#[tokio::test(start_paused = true)]
async fn an_unhealthy_member_ramps_up_when_it_comes_back() {
    let scene = returning(10, Weighted::new());
    scene.comes_back(Reason::Health).await;
    scene.ramps().await;
}

#[tokio::test(start_paused = true)]
async fn so_they_do_where_picks_sample() {
    for reason in [Reason::Outlier, Reason::Health] {
        let scene = returning(30, LeastLoaded::default());
        scene.comes_back(reason).await;
        let fair = 1.0 / 30.0;
        let slow = scene.share(100).await;
        assert!(slow < 0.75 * fair, "{reason:?}: {slow} of {fair}");
        pass(30 * SEC).await;
        let whole = scene.share(100).await;
        assert!(whole > 0.9 * fair, "{reason:?}: {whole} of {fair}");
    }
}
