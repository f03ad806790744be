use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::{Counts, ledger::Key};
use crate::price::Dollars;

/// What calls took: altogether, and by provider, model and tenant. Printed it is a table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Report {
    /// How long the ledger has been kept.
    #[serde(with = "campanile::time::human")]
    pub elapsed: Duration,
    /// All calls.
    pub total: Counts,
    /// By provider.
    pub by_provider: BTreeMap<String, Counts>,
    /// By the provider's name of the model; of calls without an answer by that of the request.
    pub by_model: BTreeMap<String, Counts>,
    /// By tenant, of the calls that have one. Those for which the ledger had no account left are together as `(other)`.
    pub by_tenant: BTreeMap<String, Counts>,
    /// By all three.
    pub accounts: Vec<AccountReport>,
}

/// What calls of one tenant to one model of one provider took.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AccountReport {
    /// The provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// The tenant, if the calls have one.
    pub tenant: Option<String>,
    /// What they took.
    pub counts: Counts,
}

// ===== impl Report =====

impl Report {
    pub(super) fn new(elapsed: Duration) -> Self {
        Self {
            elapsed,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, key: &Key, counts: &Counts) {
        let merge = |group: &mut BTreeMap<String, Counts>, name: &str| match group.get_mut(name) {
            Some(sum) => sum.merge(counts),
            None => {
                group.insert(name.to_owned(), *counts);
            }
        };
        self.total.merge(counts);
        merge(&mut self.by_provider, &key.provider);
        merge(&mut self.by_model, &key.model);
        if let Some(tenant) = &key.tenant {
            merge(&mut self.by_tenant, tenant);
        }
        self.accounts.push(AccountReport {
            provider: (*key.provider).to_owned(),
            model: (*key.model).to_owned(),
            tenant: key.tenant.as_deref().map(str::to_owned),
            counts: *counts,
        });
    }
}

impl fmt::Display for Report {
    /// A table, in exact dollars. `~` stands before what is estimated in part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rows = vec![
            [
                "", "calls", "ok", "cut", "given up", "input", "cached", "output", "dollars",
            ]
            .map(str::to_owned),
        ];
        let groups = [
            ("provider", &self.by_provider),
            ("model", &self.by_model),
            ("tenant", &self.by_tenant),
        ];
        for (group, names) in groups {
            let name = |name: &str| format!("{group} {}", printable(name));
            rows.extend(names.iter().map(|(key, counts)| row(name(key), counts)));
        }
        rows.push(row("total".to_owned(), &self.total));
        let mut widths = [0; COLUMNS];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        for row in &rows {
            let [name, cells @ ..] = row;
            write!(f, "{name:<0$}", widths[0])?;
            for (cell, width) in cells.iter().zip(&widths[1..]) {
                write!(f, "  {cell:>width$}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

const COLUMNS: usize = 9;

fn row(name: String, counts: &Counts) -> [String; COLUMNS] {
    let taken = counts.taken();
    let about = |number: u64, estimated: u64| match estimated {
        0 => number.to_string(),
        _ => format!("~{number}"),
    };
    let estimated = &counts.estimated;
    let money = Dollars::from_nanos(taken.nano_dollars).to_string();
    [
        name,
        counts.calls.to_string(),
        counts.outcomes.success.to_string(),
        counts.interrupted.to_string(),
        counts.outcomes.cancelled.to_string(),
        about(taken.input_tokens, estimated.input_tokens),
        about(taken.cached_tokens, estimated.cached_tokens),
        about(taken.output_tokens, estimated.output_tokens),
        match (estimated.nano_dollars, counts.unpriced) {
            (0, 0) => money,
            (_, 0) => format!("~{money}"),
            // And what nobody knows the price of.
            (_, _) => format!("~{money}+?"),
        },
    ]
}

/// A name that a client may have written, without what would break a line or a terminal.
fn printable(name: &str) -> String {
    let shown = name.chars().take(40);
    shown
        .map(|character| {
            if character.is_control() {
                '?'
            } else {
                character
            }
        })
        .collect()
}
