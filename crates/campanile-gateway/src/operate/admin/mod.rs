//! What operators do, behind their token.
//!
//! | request | what |
//! |---|---|
//! | `GET /admin/members` | all members of all pools |
//! | `POST /admin/pools/{pool}/members/{member}/disable` | no new calls; those under way go on |
//! | `POST .../enable` | takes it back into service, also after a drain |
//! | `POST .../drain`, `{"within": "30s"}` | no new calls; answers when those under way are over, or that time is |
//! | `POST .../weight`, `{"weight": 2}` | its share of the traffic, until the settings say another |
//! | `POST .../reset-breaker` | closes its breaker and forgets what that has counted, and takes the member back that is left alone |
//! | `POST /admin/reload` | reads the file with the settings, and puts it into force |
//! | `GET /admin/config` | the settings in force, without secrets |
//!
//! Each needs `authorization: Bearer TOKEN`; without a token in the settings there are no actions. A member's snapshot
//! afterwards is the answer to what was done to it. Every action is logged, by the target `campanile::operator`: what, to whom,
//! from which address.

use std::net::SocketAddr;

use axum::{
    body::{Body, Bytes},
    extract::{ConnectInfo, FromRequestParts, Path, Request, State},
    routing::{MethodRouter, get, post},
};
use http::{Response, StatusCode, header::CONTENT_LENGTH, request::Parts};

use super::answer::{error, json};
use crate::{gateway::Gateway, serve::read_short, watch};

mod act;
mod token;

use act::Action;
pub(super) use token::{Token, admit, admit_reader};

/// The routes, each behind the token.
pub(super) fn routes() -> axum::Router<Gateway> {
    axum::Router::new()
        .route("/admin/members", only(get(members)))
        .route("/admin/config", only(get(config)))
        .route("/admin/reload", only(post(reload)))
        .route(
            "/admin/pools/{pool}/members/{member}/{action}",
            only(post(act)),
        )
        .route("/admin", only(get(list)))
        .route("/admin/{*rest}", axum::routing::any(list))
}

fn only(method: MethodRouter<Gateway>) -> MethodRouter<Gateway> {
    method.fallback(async |_: Operator| {
        error(
            StatusCode::METHOD_NOT_ALLOWED,
            "it is asked for by another method: actions are POST, and what is shown is GET",
        )
    })
}

/// An operator, who has the token. A handler that takes one first is reached by nobody else, whatever the path.
struct Operator {
    /// The address, as far as the server tells it: there is one token, so it says most of who it is.
    from: String,
}

impl FromRequestParts<Gateway> for Operator {
    type Rejection = Response<Body>;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Gateway,
    ) -> Result<Self, Response<Body>> {
        admit(gateway, &parts.headers)?;
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self {
            from: peer.map_or_else(|| "unknown".to_owned(), |peer| peer.0.to_string()),
        })
    }
}

async fn list(_: Operator) -> Response<Body> {
    error(
        StatusCode::NOT_FOUND,
        "there are: GET /admin/members, GET /admin/config, POST /admin/reload, and POST \
         /admin/pools/{pool}/members/{member}/ with disable, enable, drain, weight or reset-breaker",
    )
}

async fn members(_: Operator, State(gateway): State<Gateway>) -> Response<Body> {
    json(StatusCode::OK, &super::status::pools(&gateway.live()))
}

async fn config(_: Operator, State(gateway): State<Gateway>) -> Response<Body> {
    // Secrets hide themselves when they are written.
    let mut config = serde_json::to_value(&*gateway.live().config).unwrap_or_default();
    // A command line may have said otherwise.
    if let Some(address) = gateway.kept().standing.address() {
        config["listen"] = address.to_string().into();
    }
    json(StatusCode::OK, &config)
}

async fn reload(Operator { from }: Operator, State(gateway): State<Gateway>) -> Response<Body> {
    let Some(file) = gateway.kept().standing.file() else {
        let message = "it was started without a file: there is nothing to read";
        return error(StatusCode::CONFLICT, message);
    };
    let reading = {
        let gateway = gateway.clone();
        // Files are read by calls that block.
        tokio::task::spawn_blocking(move || watch::apply(&gateway, &file))
    };
    let done = match reading.await {
        Ok(done) => done,
        Err(_) => Err("reading the settings panicked".to_owned()),
    };
    match done {
        Ok(told) => {
            tracing::info!(target: act::TARGET, action = "reload", from, "an operator reloaded the settings");
            json(StatusCode::OK, &told)
        }
        Err(why) => {
            tracing::warn!(target: act::TARGET, action = "reload", from, why, "an operator could not reload the settings");
            error(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("the settings are as before: {why}"),
            )
        }
    }
}

async fn act(
    Operator { from }: Operator,
    State(gateway): State<Gateway>,
    Path((pool, member, action)): Path<(String, String, String)>,
    request: Request,
) -> Response<Body> {
    let member = match act::find(&gateway.live(), &pool, &member) {
        Ok(member) => member,
        Err(message) => return error(StatusCode::NOT_FOUND, message),
    };
    let within = gateway.live().config.server.body_timeout;
    let (parts, body) = request.into_parts();
    let length = parts.headers.get(CONTENT_LENGTH);
    let body: Bytes = match read_short(body, length, act::MOST, within).await {
        Ok(body) => body,
        Err(wrong) => {
            let status = StatusCode::from_u16(wrong.answer_status());
            let status = status.unwrap_or(StatusCode::BAD_REQUEST);
            return error(status, wrong.message());
        }
    };
    let action = match Action::read(&action, &body) {
        Ok(action) => action,
        Err((status, message)) => return error(status, message),
    };
    let name = member.name().to_owned();
    tracing::info!(target: act::TARGET, action = action.name(), how = ?action, pool, member = name, from, "an operator acts on a member");
    // In a task: an operator that hangs up has started what goes on.
    let acting = tokio::spawn(async move {
        let left = action.apply(&member).await?;
        Ok::<_, String>((member.snapshot(), left))
    });
    match acting.await {
        Ok(Ok((snapshot, left))) => json(
            StatusCode::OK,
            &act::Done {
                pool: &pool,
                left,
                member: snapshot,
            },
        ),
        Ok(Err(message)) => error(StatusCode::BAD_REQUEST, message),
        Err(_) => error(StatusCode::INTERNAL_SERVER_ERROR, "the action panicked"),
    }
}
