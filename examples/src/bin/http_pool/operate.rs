//! The server as an operator sees it: it runs, and upstreams can be killed and started by hand.

use std::{net::SocketAddr, process::ExitCode, sync::Arc};

use axum::{
    Json, Router,
    extract::{Path, State},
    routing::{get, post},
};
use campanile::discover::Roster;
use campanile_examples::http::{Upstream, serve};
use http::StatusCode;
use tokio::sync::Mutex;

type Upstreams = Arc<Mutex<Vec<Upstream>>>;

/// Serves until ctrl-c.
pub(crate) async fn until_interrupted(
    app: Router,
    roster: Roster<SocketAddr>,
    upstreams: Vec<Upstream>,
) -> anyhow::Result<ExitCode> {
    let upstreams: Upstreams = Arc::new(Mutex::new(upstreams));
    let operator = Router::new()
        .route("/-/kill/{name}", post(kill))
        .route("/-/start/{name}", post(start))
        .with_state(upstreams)
        .route("/-/members", get(async move || Json(roster.snapshot())));
    let (address, server) = serve(operator.merge(app), 8080).await?;
    println!(
        "\n  curl -N http://{address}/                      an answer, as it comes\
         \n  curl -X POST http://{address}/-/kill/two       kills an upstream\
         \n  curl -X POST http://{address}/-/start/two      starts it again, on the same port\
         \n  curl http://{address}/-/members                what the pool knows of its members\
         \n  ctrl-c                                            ends\n"
    );
    tokio::signal::ctrl_c().await?;
    server.abort();
    Ok(ExitCode::SUCCESS)
}

async fn kill(State(upstreams): State<Upstreams>, Path(name): Path<String>) -> StatusCode {
    match upstreams
        .lock()
        .await
        .iter_mut()
        .find(|upstream| upstream.name() == name)
    {
        Some(upstream) => {
            upstream.kill().await;
            StatusCode::NO_CONTENT
        }
        None => StatusCode::NOT_FOUND,
    }
}

async fn start(
    State(upstreams): State<Upstreams>,
    Path(name): Path<String>,
) -> (StatusCode, String) {
    match upstreams
        .lock()
        .await
        .iter_mut()
        .find(|upstream| upstream.name() == name)
    {
        Some(upstream) => match upstream.restart().await {
            Ok(()) => (StatusCode::NO_CONTENT, String::new()),
            Err(error) => (StatusCode::CONFLICT, format!("{error:#}\n")),
        },
        None => (StatusCode::NOT_FOUND, String::new()),
    }
}
