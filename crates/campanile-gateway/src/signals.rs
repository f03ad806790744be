//! What the system tells the process.

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

/// Says of SIGHUP, as long as this is polled, that there is nothing to read again: by itself it would end the process.
#[cfg(unix)]
pub(crate) async fn ignore_hangups() {
    use tokio::signal::unix::{SignalKind, signal};

    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    while hangups.recv().await.is_some() {
        tracing::info!("SIGHUP does nothing: there is no file to read again");
    }
}

#[cfg(not(unix))]
pub(crate) async fn ignore_hangups() {}
