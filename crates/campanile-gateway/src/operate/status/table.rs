//! The status for people.

use std::fmt;

use campanile::metrics::Window;

use super::{Status, Used};

/// The status as plain text for a terminal.
pub(super) struct Table<'a>(pub(super) &'a Status);

// ===== impl Table =====

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let stopping = if status.stopping { ", stopping" } else { "" };
        writeln!(
            f,
            "campanile-gateway {}, up {:.0} s, {} connections{stopping}",
            status.version, status.uptime, status.connections.open
        )?;
        for warning in &status.config.warnings {
            writeln!(f, "warning: {warning}")?;
        }
        if let Some(error) = status
            .config
            .last_reload
            .as_ref()
            .and_then(|last| last.error.as_ref())
        {
            writeln!(f, "the latest change of the settings was refused: {error}")?;
        }
        for (name, stage) in &status.stages {
            let stage = &stage.readiness;
            let ready = if stage.ready { "ready" } else { "NOT READY" };
            writeln!(
                f,
                "stage {name}: {ready}, {} of {} members of pool {}",
                stage.able, stage.members, stage.pool
            )?;
        }
        writeln!(f, "\n{}", status.calls.table(Window::Minute))?;
        self.members(f)?;
        self.usage(f)?;
        self.budgets(f)
    }
}

impl Table<'_> {
    fn members(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<34} {:>6} {:>9} {:>11} closed for",
            "pool / member", "weight", "in flight", "breaker"
        )?;
        for (pool, members) in &self.0.pools {
            for member in &members.members {
                let name = format!("{pool} / {}", member.endpoint.key);
                let breaker = member
                    .breaker
                    .as_ref()
                    .map_or("-", |breaker| breaker.state.as_str());
                write!(
                    f,
                    "{name:<34} {:>6} {:>9} {breaker:>11}",
                    member.endpoint.weight.get(),
                    member.endpoint.in_flight
                )?;
                for (place, closed) in member.endpoint.closed.iter().enumerate() {
                    let comma = if place == 0 { " " } else { ", " };
                    write!(f, "{comma}{}", closed.reason.name())?;
                    if let Some(left) = closed.reopens_in {
                        write!(f, " ({left:.0} s)")?;
                    }
                }
                writeln!(f)?;
            }
        }
        Ok(())
    }

    fn usage(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usage = &self.0.usage;
        writeln!(
            f,
            "\n{:<34} {:>9} {:>8} {:>12} {:>12} {:>14}",
            "tokens and money", "calls", "failed", "input", "output", "dollars"
        )?;
        let groups = [
            ("provider", &usage.by_provider),
            ("model", &usage.by_model),
            ("tenant", &usage.by_tenant),
        ];
        for (kind, group) in groups {
            for (name, used) in group {
                row(f, &format!("{kind} {name}"), used)?;
            }
        }
        row(f, "all", &usage.total)
    }

    fn budgets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.budgets.is_empty() {
            return Ok(());
        }
        writeln!(
            f,
            "\n{:<34} {:>14} {:>14} {:>14} {:>14}",
            "budgets", "limit", "spent", "reserved", "left"
        )?;
        for (tenant, budgets) in &self.0.budgets {
            for budget in budgets {
                let name = format!("{tenant} / {} ({})", budget.budget, budget.unit);
                writeln!(
                    f,
                    "{name:<34} {:>14} {:>14} {:>14} {:>14}",
                    budget.limit, budget.spent, budget.reserved, budget.left
                )?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, name: &str, used: &Used) -> fmt::Result {
    writeln!(
        f,
        "{name:<34} {:>9} {:>8} {:>12} {:>12} {:>14.6}",
        used.calls, used.failed, used.input_tokens, used.output_tokens, used.dollars
    )
}
