//! A pool of five HTTP upstreams on loopback that looks after itself: `/health` of each is asked four times a second, and
//! what becomes of calls is watched. One upstream says that it is unwell, one answers its probes and fails its calls, one
//! is switched off by an operator; then all are well again, and come back by degrees. Shows the table of their health at
//! each step; checks itself, and exits with 1 if anything is wrong.
//!
//! ```text
//! cargo run -p campanile-examples --bin health      # about 10 s
//! ```

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use axum::body::Body;
use campanile::{
    BoxError, Endpoint,
    balance::{BalanceLayer, LeastLoaded, SlowStart, SlowStartConfig},
    discover::{PerEndpointLayer, Roster},
    health::{Check, HealthConfig, HealthHandle, HealthLayer, HttpProbe, OutlierConfig},
    protocol::Http,
};
use campanile_examples::http::{Client, client, to};
use tower::{ServiceBuilder, ServiceExt, util::BoxCloneSyncService};

mod story;
mod table;
mod traffic;
mod upstream;

use traffic::Traffic;
use upstream::Upstream;

/// How often an upstream is asked; a server would take a minute.
const INTERVAL: Duration = Duration::from_millis(250);

type Pool = BoxCloneSyncService<http::Request<Body>, http::Response<Body>, BoxError>;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let roster = Roster::new();
    let mut upstreams = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        let upstream = Upstream::start(name).await?;
        roster.insert(name, upstream.address())?;
        upstreams.push(upstream);
    }
    let (pool, health) = pool(&roster, client())?;
    let traffic = Traffic::start(pool);
    let told = story::tell(&roster, &upstreams, &health, &traffic).await;
    traffic.stop();
    match told {
        Ok(()) => {
            println!("everything went as it should");
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            println!("WRONG: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Below the layer that builds services, the probe is given what the roster holds: an address.
fn pool(roster: &Roster<SocketAddr>, client: Client) -> anyhow::Result<(Pool, HealthHandle)> {
    let probe = HttpProbe::new(client.clone(), |check: &Check<SocketAddr>| {
        format!("http://{}/health", check.target)
    });
    let config = HealthConfig::default()
        .with_interval(INTERVAL)
        .with_unhealthy_interval(INTERVAL)
        .with_timeout(Duration::from_millis(200))
        .with_healthy_after(2);
    let outliers = OutlierConfig::default()
        .with_eject_for(Duration::from_secs(2))
        .with_max_ejected(0.2);
    let checks =
        HealthLayer::<HttpProbe<_, _, Body>, _>::with_config(probe, config)?.outliers(outliers)?;
    let health = checks.handle();

    let mut ramp = SlowStartConfig::default();
    ramp.window = Duration::from_secs(2);
    let strategy = SlowStart::new(LeastLoaded::default()).config(ramp)?;
    let pool = ServiceBuilder::new()
        .layer(BalanceLayer::bare(strategy).protocol(Http::default()))
        .layer(PerEndpointLayer::new(
            move |_: &Endpoint, address: SocketAddr| {
                ServiceBuilder::new()
                    .map_err(BoxError::from)
                    .map_request(move |request| to(address, request))
                    .service(client.clone())
            },
        ))
        .layer(checks)
        .service(roster.changes());
    let pool = pool.map_response(|response| response.map(Body::new));
    Ok((BoxCloneSyncService::new(pool), health))
}
