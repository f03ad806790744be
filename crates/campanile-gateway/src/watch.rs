//! Picks up edits of the file with the settings.

use std::{path::PathBuf, time::Duration};

use tokio::time::MissedTickBehavior;

use crate::{Gateway, config};

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Follows a file for as long as it is polled: an edit is put into force, a broken one is refused and logged.
pub async fn follow(gateway: Gateway, path: PathBuf) {
    let mut known = tokio::fs::read(&path).await.ok();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let now = tokio::fs::read(&path).await.ok();
        if now.is_none() || now == known {
            continue;
        }
        known = now;
        match config::read(&path) {
            Ok(loaded) => match gateway.reload(loaded.config) {
                Ok(reloaded) => tracing::info!(?reloaded, "the settings were changed"),
                Err(error) => tracing::error!(%error, "the settings are as before"),
            },
            Err(error) => tracing::error!(%error, "the settings are as before"),
        }
    }
}
