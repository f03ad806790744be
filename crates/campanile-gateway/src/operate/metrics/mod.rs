//! `/metrics`: what `campanile::metrics` tells, and what is the gateway's own.
//!
//! | family | kind | what |
//! |---|---|---|
//! | `campanile_usage_attempts_total`, `campanile_usage_failed_attempts_total`, `campanile_usage_unpriced_attempts_total` by `provider`, `model` | counter | attempts that are over; those that failed, were throttled or overloaded; those whose model has no price |
//! | `campanile_usage_tokens_total` by `provider`, `model`, `kind` (`input`, `cached_input`, `output`, `reasoning`) | counter | `cached_input` is a part of `input`, `reasoning` of `output` |
//! | `campanile_usage_dollars_total` by `provider`, `model` | counter | |
//! | `campanile_tenant_attempts_total`, `campanile_tenant_tokens_total` by `kind` (`input`, `output`), `campanile_tenant_dollars_total`, by `tenant` | counter | the same by tenant |
//! | `campanile_tenant_budget_limit`, `..._spent`, `..._reserved`, `..._left` by `tenant`, `budget`, `unit` | gauge | in dollars or tokens, as `unit` says |
//! | `campanile_key_rate_limit_left` by `key`, `unit`; `campanile_key_concurrency_in_use`, `campanile_key_concurrency_limit` by `key` | gauge | what keys have left of their limits |
//! | `campanile_stage_ready` by `stage` | gauge | 1 while its pool can serve |
//! | `campanile_config_reloads_total` by `result` (`applied`, `refused`) | counter | changes of the settings |
//! | `campanile_config_last_reload_successful`, `campanile_config_warnings` | gauge | |
//! | `campanile_error_answers_total` by `key`, `status`, `error` | counter | what callers were answered with that was an error; `key` is empty where the caller is not known |
//! | `campanile_connections_open`, `campanile_connections_accepted_total` | gauge, counter | of clients |
//! | `campanile_stopping`, `campanile_build_info` by `version` | gauge | |
//! | `process_*` | | what the process takes |
//!
//! Models and tenants may be what clients write: the first 200 of each have series of their own for as long as the process
//! lives, and the others are told together, as `(other)`.

use std::collections::BTreeMap;

use axum::{body::Body, extract::State};
use campanile::metrics::Format;
use campanile_llm::account::Report;
use http::{HeaderMap, Response, header::ACCEPT};

use super::{
    admin::admit_reader,
    answer::text,
    health,
    standing::Standing,
    status::{self, Used},
};
use crate::gateway::Gateway;

mod families;
mod process;

use families::{Families, Kind};
use process::Process;

/// As Prometheus text, or as OpenMetrics where that is accepted.
pub(super) async fn scrape(State(gateway): State<Gateway>, headers: HeaderMap) -> Response<Body> {
    if let Err(refusal) = admit_reader(&gateway, &headers) {
        return refusal;
    }
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    text(format.content_type(), whole(&gateway, format))
}

/// Everything.
pub(super) fn whole(gateway: &Gateway, format: Format) -> String {
    let kept = gateway.kept();
    let standing = &kept.standing;
    let mut families = Families::after(kept.metrics.text(format), format);
    usage(&mut families, standing, &kept.ledger.report());
    callers(&mut families, gateway);
    config(&mut families, gateway);
    let mut single = |name, help, kind, value| families.single(name, help, kind, value);
    #[allow(clippy::cast_precision_loss)] // counts stay below 2^53
    {
        let (open, accepted) = (standing.connections.open(), standing.connections.accepted());
        let help = "Connections of clients that are open.";
        single("campanile_connections_open", help, Kind::Gauge, open as f64);
        let help = "Connections of clients that were accepted.";
        single(
            "campanile_connections_accepted",
            help,
            Kind::Counter,
            accepted as f64,
        );
    }
    errors(&mut families, standing);
    let mut single = |name, help, kind, value| families.single(name, help, kind, value);
    let stopping = f64::from(u8::from(gateway.stopping()));
    let help = "Whether it takes no new calls any more.";
    single("campanile_stopping", help, Kind::Gauge, stopping);
    let help = "Start time of the process since unix epoch in seconds.";
    let started = status::unix(standing.started());
    single("process_start_time_seconds", help, Kind::Gauge, started);
    families.family("campanile_build", "What was built.", Kind::Info);
    families.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1.0);
    if let Some(process) = Process::read() {
        process.write(&mut families);
    }
    families.finish()
}

/// Tokens and money.
fn usage(families: &mut Families, standing: &Standing, report: &Report) {
    let mut by_model: BTreeMap<(&str, String), Used> = BTreeMap::new();
    for account in &report.accounts {
        // Providers are in the settings.
        let model = standing.name("model", &account.model);
        let sum = by_model.entry((&account.provider, model)).or_default();
        sum.add(&Used::of(&account.counts));
    }
    let mut by_tenant: BTreeMap<String, Used> = BTreeMap::new();
    for (tenant, counts) in &report.by_tenant {
        let sum = by_tenant
            .entry(standing.name("tenant", tenant))
            .or_default();
        sum.add(&Used::of(counts));
    }
    let by_model: Vec<_> = by_model
        .iter()
        .map(|((provider, model), used)| {
            (
                vec![("provider", *provider), ("model", model.as_str())],
                *used,
            )
        })
        .collect();
    let by_tenant: Vec<_> = by_tenant
        .iter()
        .map(|(tenant, used)| (vec![("tenant", tenant.as_str())], *used))
        .collect();
    told(
        families,
        "campanile_usage",
        "by provider and model",
        &by_model,
    );
    told(families, "campanile_tenant", "by tenant", &by_tenant);
}

type Labelled<'a> = (Vec<(&'a str, &'a str)>, Used);

#[allow(clippy::cast_precision_loss)] // counts stay below 2^53
fn told(families: &mut Families, scope: &str, by: &str, groups: &[Labelled<'_>]) {
    #[allow(clippy::type_complexity)] // a table
    let counters: [(&str, &str, fn(&Used) -> f64); 4] = [
        ("attempts", "Attempts that are over", |used| {
            used.calls as f64
        }),
        (
            "failed_attempts",
            "Attempts that failed, were throttled or overloaded",
            |used| used.failed as f64,
        ),
        (
            "unpriced_attempts",
            "Attempts that were answered by a model without a price",
            |used| used.unpriced as f64,
        ),
        ("dollars", "Money that attempts took, in dollars", |used| {
            used.dollars
        }),
    ];
    for (name, help, value) in counters {
        families.family(
            &format!("{scope}_{name}"),
            &format!("{help}, {by}."),
            Kind::Counter,
        );
        for (labels, used) in groups {
            families.sample(labels, value(used));
        }
    }
    let help = format!("Tokens that attempts took, {by}.");
    families.family(&format!("{scope}_tokens"), &help, Kind::Counter);
    for (labels, used) in groups {
        let kinds = [
            ("input", used.input_tokens),
            ("cached_input", used.cached_tokens),
            ("output", used.output_tokens),
            ("reasoning", used.reasoning_tokens),
        ];
        for (kind, tokens) in kinds {
            let mut labels = labels.clone();
            labels.push(("kind", kind));
            families.sample(&labels, tokens as f64);
        }
    }
}

/// What tenants and keys have left.
fn callers(families: &mut Families, gateway: &Gateway) {
    let live = gateway.live();
    let budgets = status::budgets(&live);
    #[allow(clippy::type_complexity)] // a table
    let amounts: [(&str, &str, fn(&status::BudgetStatus) -> f64); 4] = [
        ("limit", "The limit of a tenant's budget.", |budget| {
            budget.limit
        }),
        (
            "spent",
            "What calls that are over have used of a tenant's budget in its present period.",
            |budget| budget.spent,
        ),
        (
            "reserved",
            "What is reserved of a tenant's budget for calls under way.",
            |budget| budget.reserved,
        ),
        ("left", "What is left of a tenant's budget.", |budget| {
            budget.left
        }),
    ];
    for (name, help, value) in amounts {
        families.family(
            &format!("campanile_tenant_budget_{name}"),
            help,
            Kind::Gauge,
        );
        for (tenant, budgets) in &budgets {
            for budget in budgets {
                let labels = [
                    ("tenant", tenant.as_str()),
                    ("budget", budget.budget),
                    ("unit", budget.unit),
                ];
                families.sample(&labels, value(budget));
            }
        }
    }
    let keys = live.access.keys();
    let help = "What is left of a key's rate limit.";
    families.family("campanile_key_rate_limit_left", help, Kind::Gauge);
    for key in &keys {
        for unit in key.rate.iter().flat_map(|rate| &rate.units) {
            if let Some(left) = unit.left {
                let labels = [("key", &*key.name), ("unit", unit.unit.name())];
                families.sample(&labels, left);
            }
        }
    }
    #[allow(clippy::type_complexity)] // a table
    let limits: [(&str, &str, fn(u32, u32) -> u32); 2] = [
        (
            "limit",
            "How many calls a key has at once at most.",
            |limit, _| limit,
        ),
        (
            "in_use",
            "How many calls a key has now, of those that are limited.",
            |_, used| used,
        ),
    ];
    for (name, help, value) in limits {
        families.family(
            &format!("campanile_key_concurrency_{name}"),
            help,
            Kind::Gauge,
        );
        for key in &keys {
            if let Some(seen) = &key.concurrency {
                let value = value(seen.limit, seen.in_use);
                families.sample(&[("key", &*key.name)], value.into());
            }
        }
    }
    families.family(
        "campanile_stage_ready",
        "Whether the pool of a stage can serve.",
        Kind::Gauge,
    );
    for (name, stage) in health::stages(&live) {
        families.sample(&[("stage", &name)], u8::from(stage.ready).into());
    }
}

/// What callers were answered with that was an error.
#[allow(clippy::cast_precision_loss)] // counts stay below 2^53
fn errors(families: &mut Families, standing: &Standing) {
    let help = "Answers that were errors, by key, status and class of error.";
    families.family("campanile_error_answers", help, Kind::Counter);
    let mut sums: BTreeMap<(String, String, &str), u64> = BTreeMap::new();
    for (kind, count) in standing.refusals.counts() {
        let key = standing.name("key", &kind.key);
        let labels = (key, kind.status.to_string(), kind.class.name());
        *sums.entry(labels).or_default() += count;
    }
    for ((key, status, error), count) in &sums {
        let labels = [("key", key.as_str()), ("status", status), ("error", error)];
        families.sample(&labels, *count as f64);
    }
}

/// Changes of the settings.
#[allow(clippy::cast_precision_loss)] // counts stay below 2^53
fn config(families: &mut Families, gateway: &Gateway) {
    let (applied, refused) = gateway.reloads();
    let help = "Changes of the settings, by what became of them.";
    families.family("campanile_config_reloads", help, Kind::Counter);
    families.sample(&[("result", "applied")], applied as f64);
    families.sample(&[("result", "refused")], refused as f64);
    let well = gateway.last_reload().is_none_or(|last| last.result.is_ok());
    let help =
        "Whether the latest change of the settings was put into force; 1 before there was one.";
    let well = u8::from(well).into();
    families.single(
        "campanile_config_last_reload_successful",
        help,
        Kind::Gauge,
        well,
    );
    let warnings = gateway.kept().standing.warnings().len() as f64;
    let help = "What is to be said of the settings in force: see /status.";
    families.single("campanile_config_warnings", help, Kind::Gauge, warnings);
}
