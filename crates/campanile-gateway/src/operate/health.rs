//! Whether it lives, and whether it can serve.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    extract::{Query, State},
};
use campanile::{
    endpoint::{Endpoint, Reason},
    time::Timestamp,
};
use http::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    admin::admit_reader,
    answer::{error, json, text},
};
use crate::{build::Live, gateway::Gateway};

/// Which stage is asked about.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    stage: Option<String>,
}

/// Whether it can serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Readiness {
    /// Whether it can: at least one stage can, and it is not stopping.
    ready: bool,
    /// Whether it takes no new calls any more.
    stopping: bool,
    /// Each stage, or the one that was asked about; for those who may read `/status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stages: Option<BTreeMap<String, StageReadiness>>,
}

/// Whether the pool of a stage can serve.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct StageReadiness {
    /// Whether some member can.
    pub(super) ready: bool,
    /// The pool.
    pub(super) pool: String,
    /// How many members there are.
    pub(super) members: usize,
    /// How many of them can serve: they may be picked now, or have merely as many calls as they get at once.
    pub(super) able: usize,
    /// Seconds until the next one can, where none can now and it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reopens_in: Option<f64>,
}

/// The process answers: `ok`.
pub(super) async fn live() -> Response<Body> {
    text("text/plain; charset=utf-8", "ok\n")
}

/// 200 while some stage can serve, and 503 otherwise, and while it stops.
pub(super) async fn ready(
    State(gateway): State<Gateway>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response<Body> {
    let is_reader = admit_reader(&gateway, &headers).is_ok();
    let mut stages = stages(&gateway.live());
    if let Some(name) = asked.stage {
        let Some(stage) = stages.remove(&name) else {
            let known: Vec<_> = stages.keys().map(String::as_str).collect();
            let message = match is_reader {
                true => format!("no such stage; there are: {}", known.join(", ")),
                false => "no such stage".to_owned(),
            };
            return error(StatusCode::NOT_FOUND, message);
        };
        stages = BTreeMap::from([(name, stage)]);
    }
    let stopping = gateway.stopping();
    let ready = !stopping && stages.values().any(|stage| stage.ready);
    let status = match ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    json(
        status,
        &Readiness {
            ready,
            stopping,
            stages: is_reader.then_some(stages),
        },
    )
}

/// Whether each stage can serve.
pub(super) fn stages(live: &Live) -> BTreeMap<String, StageReadiness> {
    let now = Timestamp::now();
    let stages = live.config.stages.iter();
    stages
        .map(|(name, stage)| {
            let pool = stage.pool.as_deref().unwrap_or(name);
            let members = live.pools.get(pool).map(crate::build::Pool::members);
            let members = members.unwrap_or_default();
            let able = members
                .iter()
                .filter(|member| is_able(&member.endpoint, now));
            let able = able.count();
            let reopens = members
                .iter()
                .filter_map(|member| member.endpoint.gate().reopens_at(now))
                .filter(|at| *at != Timestamp::MAX)
                .min();
            let stage = StageReadiness {
                ready: able > 0,
                pool: pool.to_owned(),
                members: members.len(),
                able,
                reopens_in: reopens
                    .filter(|_| able == 0)
                    .map(|at| at.since(now).as_secs_f64()),
            };
            (name.clone(), stage)
        })
        .collect()
}

/// Whether a member serves calls. One that has as many as it gets at once does: to say no then would send the load that this
/// gateway bears to the next one, until none is left.
fn is_able(endpoint: &Endpoint, now: Timestamp) -> bool {
    endpoint
        .gate()
        .reasons(now)
        .all(|(reason, _)| reason == Reason::Concurrency)
}
