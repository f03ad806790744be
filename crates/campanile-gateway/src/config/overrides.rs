//! Environment variables that change settings.

use std::net::SocketAddr;

use super::{
    Config, LogFormat,
    listen::address,
    read::{
        expand::Env,
        problem::{Problem, quoted},
        tree::Place,
    },
};

/// The environment variables that change settings of a file: each with the setting, and what it says. A flag of the command
/// line comes before them.
pub const OVERRIDES: [(&str, &str, &str); 6] = [
    (
        "CAMPANILE_LISTEN",
        "listen",
        "where it listens: 127.0.0.1:8080",
    ),
    (
        "CAMPANILE_ADMIN_TOKEN",
        "admin.token",
        "what operators send as their token",
    ),
    (
        "CAMPANILE_LOG",
        "log.filter",
        "what is logged: info, warn,campanile_gateway=debug",
    ),
    ("CAMPANILE_LOG_FORMAT", "log.format", "text or json"),
    (
        "MAX_CONCURRENT_BRANCHES",
        "limits.concurrent",
        "how many calls at once, all together",
    ),
    (
        "BRANCH_PROCESSING_TIMEOUT_SECS",
        "deadline",
        "how long a call may take, in seconds, where its stage does not say",
    ),
];

/// A setting that the environment has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Override {
    /// The variable.
    pub variable: &'static str,
    /// The setting.
    pub setting: &'static str,
    /// What it was set to; `***` for a secret.
    pub value: String,
}

/// Changes the settings as the environment says. An empty variable is none.
pub(super) fn apply(config: &mut Config, env: Env<'_>) -> Result<Vec<Override>, Problem> {
    let mut applied = Vec::new();
    for (variable, setting, _) in OVERRIDES {
        let Some(value) = env(variable) else { continue };
        let value = value.trim();
        if value.is_empty() {
            continue;
        }
        if let Err(rule) = set(config, setting, value) {
            let shown = match setting {
                "admin.token" => "***".to_owned(),
                _ => quoted(value),
            };
            let message = format!("the environment variable {variable} is {shown}: {rule}");
            return Err(Problem::new(setting, Place::default(), message));
        }
        let value = match setting {
            "admin.token" => "***".to_owned(),
            _ => value.to_owned(),
        };
        applied.push(Override {
            variable,
            setting,
            value,
        });
    }
    Ok(applied)
}

/// Sets one.
fn set(config: &mut Config, setting: &str, value: &str) -> Result<(), String> {
    match setting {
        "listen" => config.listen = listen(value)?,
        "admin.token" => config.admin.token = Some(value.into()),
        "log.filter" => config.log.filter = value.to_owned(),
        "log.format" => {
            config.log.format = match value {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => return Err("it must be text or json".to_owned()),
            };
        }
        "limits.concurrent" => {
            let calls = value.parse().ok().filter(|calls| *calls > 0);
            let rule = "it must be a whole number of calls, at least 1";
            config.limits.concurrent = Some(calls.ok_or(rule)?);
        }
        _ => {
            let seconds = value.parse().ok().filter(|seconds| *seconds > 0.0);
            let time =
                seconds.and_then(|seconds| std::time::Duration::try_from_secs_f64(seconds).ok());
            let time = time.filter(|time| *time <= campanile::time::human::MOST);
            let rule = "it must be a number of seconds above 0, and at most 100 years";
            config.deadline = Some(time.ok_or(rule)?);
        }
    }
    Ok(())
}

fn listen(value: &str) -> Result<SocketAddr, String> {
    address(value)
        .ok_or_else(|| "it must be an address with a port, such as 127.0.0.1:8080".to_owned())
}
