//! What the system tells the process.

use std::path::{Path, PathBuf};

use campanile_gateway::{Gateway, config};

use crate::cli::exit;

/// Ready when the process is to stop. A second signal ends it at once.
pub(crate) async fn stop() {
    told_to_stop().await;
    tracing::info!("stopping: calls under way end first; once more to stop at once");
    tokio::spawn(async {
        told_to_stop().await;
        tracing::warn!("stopped at once");
        std::process::exit(exit::AT_ONCE.into());
    });
}

#[cfg(unix)]
async fn told_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};

    let interrupted = tokio::signal::ctrl_c();
    match signal(SignalKind::terminate()) {
        Ok(mut terminated) => {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
        }
        Err(_) => {
            let _ = interrupted.await;
        }
    }
}

#[cfg(not(unix))]
async fn told_to_stop() {
    let _ = tokio::signal::ctrl_c().await;
}

/// Reads the file again whenever the process gets SIGHUP.
#[cfg(unix)]
pub(crate) async fn reload(gateway: Gateway, path: PathBuf) {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut hung_up) = signal(SignalKind::hangup()) else {
        return;
    };
    while hung_up.recv().await.is_some() {
        again(&gateway, &path);
    }
}

#[cfg(not(unix))]
pub(crate) async fn reload(_: Gateway, _: PathBuf) {}

#[cfg(unix)]
fn again(gateway: &Gateway, path: &Path) {
    let loaded = match config::read(path) {
        Ok(loaded) => loaded,
        Err(error) => return tracing::error!(%error, "the settings are as before"),
    };
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    match gateway.reload(loaded.config) {
        Ok(reloaded) => tracing::info!(?reloaded, "the settings were read again"),
        Err(error) => tracing::error!(%error, "the settings are as before"),
    }
}
