//! Everything that is known, at one moment.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    body::Body,
    extract::{Query, State},
};
use campanile::{
    concurrency_limit::ConcurrencyLimitSnapshot,
    metrics::MetricsSnapshot,
    rate_limit::RateLimitSnapshot,
    spend_limit::{SpendSnapshot, SpendUnit},
};
use campanile_llm::account::{Counts, Report};
use http::{HeaderMap, Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::{
    admin::admit_reader,
    answer::{error, json, text},
    health::{self, StageReadiness},
};
use crate::{
    access::KeySnapshot,
    build::{Live, MemberSnapshot},
    gateway::Gateway,
};

mod table;

/// In which form it is told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    format: Option<String>,
}

/// Everything that is known. Names are stable: others may come, and none changes its meaning. Times are in seconds, money in
/// dollars.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Status {
    /// The version of the program.
    pub(super) version: &'static str,
    /// When it was started, in seconds since 1970.
    pub(super) started_at: f64,
    /// For how long it has run.
    pub(super) uptime: f64,
    /// Whether it takes no new calls any more.
    pub(super) stopping: bool,
    /// The settings.
    pub(super) config: ConfigStatus,
    /// Whether each stage can serve, and what it has left of its limits and budgets.
    pub(super) stages: BTreeMap<String, StageStatus>,
    /// The pools, and of each its members: gates and why they are closed, breakers, limits, calls in flight, weights.
    pub(super) pools: BTreeMap<String, PoolStatus>,
    /// Calls by stage and endpoint: how many, how they ended, how long they took.
    pub(super) calls: MetricsSnapshot,
    /// Tokens and money, of attempts that are over.
    pub(super) usage: UsageStatus,
    /// Of each tenant that has budgets, what is left of them.
    pub(super) budgets: BTreeMap<String, Vec<BudgetStatus>>,
    /// The keys of callers, with what they have left of their limits.
    pub(super) keys: Vec<KeySnapshot>,
    /// Connections of clients.
    pub(super) connections: ConnectionStatus,
}

/// The settings in force.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ConfigStatus {
    /// Where it listens, whether the settings say so or the command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// The file that they were read from.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// What is accepted in them, though it does nothing or may not be meant so.
    pub(super) warnings: Vec<String>,
    /// How often they were changed while it ran.
    reloads: u64,
    /// How often a change was refused.
    refused: u64,
    /// How the latest change went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) last_reload: Option<ReloadStatus>,
}

/// How a change of the settings went.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ReloadStatus {
    /// Whether it was put into force.
    pub(super) ok: bool,
    /// When that was, in seconds since 1970.
    at: f64,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<String>,
    /// What was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<crate::build::Reloaded>,
}

/// A stage.
#[derive(Debug, Clone, Serialize)]
pub(super) struct StageStatus {
    #[serde(flatten)]
    pub(super) readiness: StageReadiness,
    /// How much it is asked for in a time, if that is limited.
    rate: Option<RateLimitSnapshot>,
    /// How many calls it has at once, if that is limited.
    concurrency: Option<ConcurrencyLimitSnapshot>,
    /// Of all callers together.
    budgets: Vec<BudgetStatus>,
}

/// A pool.
#[derive(Debug, Clone, Serialize)]
pub(super) struct PoolStatus {
    pub(super) members: Vec<MemberSnapshot>,
}

/// Tokens and money.
#[derive(Debug, Clone, Serialize)]
pub(super) struct UsageStatus {
    pub(super) total: Used,
    pub(super) by_provider: BTreeMap<String, Used>,
    /// The 100 that took most, and the others together.
    pub(super) by_model: BTreeMap<String, Used>,
    /// The 100 that took most, and the others together.
    pub(super) by_tenant: BTreeMap<String, Used>,
}

/// What attempts took.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct Used {
    /// Attempts.
    pub(super) calls: u64,
    /// Those that did not go well: failed, throttled, overloaded.
    pub(super) failed: u64,
    /// Of the failures, those whose answer broke off.
    pub(super) interrupted: u64,
    /// Those whose model has no price.
    pub(super) unpriced: u64,
    pub(super) input_tokens: u64,
    /// Of the input, those that came from a provider's cache.
    pub(super) cached_tokens: u64,
    pub(super) output_tokens: u64,
    /// Of the output, those that were thought and not said.
    pub(super) reasoning_tokens: u64,
    pub(super) dollars: f64,
    /// Of the tokens, those that were estimated, since nobody reported them.
    pub(super) estimated_tokens: u64,
    /// Of the dollars, the same.
    pub(super) estimated_dollars: f64,
}

/// A budget: tokens, or dollars.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct BudgetStatus {
    /// What it is called.
    pub(super) budget: &'static str,
    /// `tokens` or `dollars`.
    pub(super) unit: &'static str,
    pub(super) limit: f64,
    /// By calls that are over, in the present period.
    pub(super) spent: f64,
    /// For calls under way.
    pub(super) reserved: f64,
    pub(super) left: f64,
    /// Seconds until the period ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ends_in: Option<f64>,
}

/// Connections of clients.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ConnectionStatus {
    pub(super) open: u64,
    pub(super) accepted: u64,
}

/// How many names are told one by one.
const NAMED: usize = 100;

/// As JSON, or with `?format=table` as a table for a terminal.
pub(super) async fn status(
    State(gateway): State<Gateway>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response<Body> {
    if let Err(refusal) = admit_reader(&gateway, &headers) {
        return refusal;
    }
    match asked.format.as_deref() {
        None | Some("json") => json(StatusCode::OK, &Status::of(&gateway)),
        Some("table") => {
            let table = table::Table(&Status::of(&gateway)).to_string();
            text("text/plain; charset=utf-8", table)
        }
        Some(_) => error(StatusCode::BAD_REQUEST, "format: it must be json or table"),
    }
}

/// The pools and their members.
pub(super) fn pools(live: &Live) -> BTreeMap<String, PoolStatus> {
    let pools = live.pools.iter();
    pools
        .map(|(name, pool)| {
            let members = pool.members();
            let members = members.iter().map(crate::build::Member::snapshot).collect();
            (name.clone(), PoolStatus { members })
        })
        .collect()
}

/// The stages, with what they have left.
fn stages(live: &Live) -> BTreeMap<String, StageStatus> {
    let stages = health::stages(live).into_iter();
    stages
        .map(|(name, readiness)| {
            let snapshot = live.stages.get(&name).map(crate::build::Stage::snapshot);
            let status = match snapshot {
                Some(snapshot) => StageStatus {
                    readiness,
                    rate: snapshot.rate,
                    concurrency: snapshot.concurrency,
                    budgets: snapshot.budgets.iter().map(BudgetStatus::of).collect(),
                },
                None => StageStatus {
                    readiness,
                    rate: None,
                    concurrency: None,
                    budgets: Vec::new(),
                },
            };
            (name, status)
        })
        .collect()
}

/// Budgets by tenant.
pub(super) fn budgets(live: &Live) -> BTreeMap<String, Vec<BudgetStatus>> {
    let budgets = live.access.budgets().into_iter();
    budgets
        .map(|(tenant, budgets)| {
            let budgets = budgets.iter().map(BudgetStatus::of).collect();
            (tenant.to_string(), budgets)
        })
        .collect()
}

pub(super) fn unix(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

// ===== impl Status =====

impl Status {
    pub(super) fn of(gateway: &Gateway) -> Self {
        let live = gateway.live();
        let kept = gateway.kept();
        let standing = &kept.standing;
        let (reloads, refused) = gateway.reloads();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            started_at: unix(standing.started()),
            uptime: standing.uptime().as_secs_f64(),
            stopping: gateway.stopping(),
            config: ConfigStatus {
                listen: standing.address().map(|address| address.to_string()),
                file: standing.file().map(|file| file.display().to_string()),
                warnings: standing
                    .warnings()
                    .iter()
                    .map(ToString::to_string)
                    .collect(),
                reloads,
                refused,
                last_reload: gateway.last_reload().map(|last| ReloadStatus {
                    ok: last.result.is_ok(),
                    at: unix(last.at),
                    error: last.result.as_ref().err().cloned(),
                    changes: last.result.as_ref().ok().cloned(),
                }),
            },
            stages: stages(&live),
            pools: pools(&live),
            calls: kept.metrics.snapshot(),
            usage: UsageStatus::of(&kept.ledger.report()),
            budgets: budgets(&live),
            keys: live.access.keys(),
            connections: ConnectionStatus {
                open: standing.connections.open(),
                accepted: standing.connections.accepted(),
            },
        }
    }
}

// ===== impl UsageStatus =====

impl UsageStatus {
    fn of(report: &Report) -> Self {
        Self {
            total: Used::of(&report.total),
            by_provider: most(&report.by_provider),
            by_model: most(&report.by_model),
            by_tenant: most(&report.by_tenant),
        }
    }
}

/// Those that took most one by one, and the others together.
fn most(groups: &BTreeMap<String, Counts>) -> BTreeMap<String, Used> {
    let mut all: Vec<_> = groups.iter().collect();
    all.sort_by_key(|(_, counts)| {
        let taken = counts.taken();
        let tokens = taken.input_tokens.saturating_add(taken.output_tokens);
        std::cmp::Reverse((taken.nano_dollars, tokens, counts.calls))
    });
    let mut told = BTreeMap::new();
    let mut others: Option<Used> = None;
    for (place, (name, counts)) in all.into_iter().enumerate() {
        let used = Used::of(counts);
        if place < NAMED && name != "(other)" {
            told.insert(name.clone(), used);
        } else {
            others.get_or_insert_default().add(&used);
        }
    }
    if let Some(others) = others {
        told.insert("(other)".to_owned(), others);
    }
    told
}

// ===== impl Used =====

impl Used {
    pub(super) fn of(counts: &Counts) -> Self {
        let taken = counts.taken();
        let outcomes = counts.outcomes;
        Self {
            calls: counts.calls,
            failed: outcomes.failure + outcomes.throttled + outcomes.overloaded,
            interrupted: counts.interrupted,
            unpriced: counts.unpriced,
            input_tokens: taken.input_tokens,
            cached_tokens: taken.cached_tokens,
            output_tokens: taken.output_tokens,
            reasoning_tokens: taken.reasoning_tokens,
            dollars: dollars(taken.nano_dollars),
            estimated_tokens: counts
                .estimated
                .input_tokens
                .saturating_add(counts.estimated.output_tokens),
            estimated_dollars: dollars(counts.estimated.nano_dollars),
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.interrupted += other.interrupted;
        self.unpriced += other.unpriced;
        self.input_tokens = self.input_tokens.saturating_add(other.input_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.output_tokens = self.output_tokens.saturating_add(other.output_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(other.reasoning_tokens);
        self.dollars += other.dollars;
        self.estimated_tokens = self.estimated_tokens.saturating_add(other.estimated_tokens);
        self.estimated_dollars += other.estimated_dollars;
    }
}

#[allow(clippy::cast_precision_loss)] // 2^53 nano-dollars are nine million dollars
fn dollars(nano: u64) -> f64 {
    nano as f64 / 1e9
}

// ===== impl BudgetStatus =====

impl BudgetStatus {
    fn of(snapshot: &SpendSnapshot) -> Self {
        let (unit, amount): (_, fn(u64) -> f64) = match snapshot.unit {
            SpendUnit::Money => ("dollars", dollars),
            #[allow(clippy::cast_precision_loss)] // nobody budgets 2^53 tokens
            _ => ("tokens", |tokens| tokens as f64),
        };
        Self {
            budget: snapshot.budget,
            unit,
            limit: amount(snapshot.limit),
            spent: amount(snapshot.spent),
            reserved: amount(snapshot.reserved),
            left: amount(snapshot.left),
            ends_in: snapshot.ends_in.as_ref().map(Duration::as_secs_f64),
        }
    }
}
