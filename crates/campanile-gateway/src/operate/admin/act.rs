//! What is done to a member.

use std::time::Duration;

use campanile::config::seconds;
use http::StatusCode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::build::{Live, Member, MemberSnapshot};

/// The target of what is logged of operators.
pub(super) const TARGET: &str = "campanile::operator";

/// How long the body of an action may be, in bytes.
pub(super) const MOST: usize = 4096;

/// What is done to a member.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    Disable,
    Enable,
    Drain(Drain),
    Weight(Weight),
    ResetBreaker,
}

/// How a member is drained.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Drain {
    /// How long calls under way have. 30 s by default, and an hour at most.
    #[serde(with = "seconds")]
    within: Duration,
}

/// A member's share of the traffic.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Weight {
    weight: f64,
}

/// Nothing more is said.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Nothing {}

/// What was done.
#[derive(Debug, Serialize)]
pub(super) struct Done<'a> {
    pub(super) pool: &'a str,
    /// After a drain: how many calls were not over in time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) left: Option<u32>,
    /// The member as it is now.
    pub(super) member: MemberSnapshot,
}

/// The longest drain that is waited for.
const LONGEST: Duration = Duration::from_secs(3600);

const ACTIONS: &str = "disable, enable, drain, weight, reset-breaker";

/// A member by name, or what there is instead.
pub(super) fn find(live: &Live, pool: &str, member: &str) -> Result<Member, String> {
    let Some(found) = live.pools.get(pool) else {
        let pools: Vec<&str> = live.pools.keys().map(String::as_str).collect();
        return Err(format!("no such pool; there are: {}", pools.join(", ")));
    };
    let members = found.members();
    let names: Vec<String> = members
        .iter()
        .map(|member| member.name().to_owned())
        .collect();
    let found = members.into_iter().find(|other| other.name() == member);
    found.ok_or_else(|| format!("no such member; there are: {}", names.join(", ")))
}

// ===== impl Action =====

impl Action {
    pub(super) fn read(name: &str, body: &[u8]) -> Result<Self, (StatusCode, String)> {
        Ok(match name {
            "disable" => parse(name, body).map(|Nothing {}| Self::Disable)?,
            "enable" => parse(name, body).map(|Nothing {}| Self::Enable)?,
            "reset-breaker" => parse(name, body).map(|Nothing {}| Self::ResetBreaker)?,
            "drain" => {
                let drain: Drain = parse(name, body)?;
                if drain.within > LONGEST {
                    let message = "within: it must be at most an hour";
                    return Err((StatusCode::BAD_REQUEST, message.to_owned()));
                }
                Self::Drain(drain)
            }
            "weight" => Self::Weight(parse(name, body)?),
            _ => {
                let message = format!("no such action; there are: {ACTIONS}");
                return Err((StatusCode::NOT_FOUND, message));
            }
        })
    }

    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::Drain(_) => "drain",
            Self::Weight(_) => "weight",
            Self::ResetBreaker => "reset-breaker",
        }
    }

    /// Does it. After a drain it says how many calls were not over.
    pub(super) async fn apply(&self, member: &Member) -> Result<Option<u32>, String> {
        match self {
            Self::Disable => member.disable(),
            Self::Enable => member.enable(),
            Self::Drain(drain) => return Ok(Some(member.drain(drain.within).await)),
            Self::Weight(to) => member
                .set_weight(to.weight)
                .map_err(|error| format!("weight: {error}"))?,
            Self::ResetBreaker => member.reset(),
        }
        Ok(None)
    }
}

/// A body of JSON; no body is an empty object.
fn parse<T: DeserializeOwned>(name: &str, body: &[u8]) -> Result<T, (StatusCode, String)> {
    let body = if body.trim_ascii().is_empty() {
        b"{}"
    } else {
        body
    };
    serde_json::from_slice(body).map_err(|error| {
        let example = match name {
            "drain" => r#"{"within": "30s"}"#,
            "weight" => r#"{"weight": 2}"#,
            _ => "{}, or nothing",
        };
        let message = format!("the body is not what {name} takes: {error}; an example: {example}");
        (StatusCode::BAD_REQUEST, message)
    })
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            within: Duration::from_secs(30),
        }
    }
}
