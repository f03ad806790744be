//! Picks up edits of the file with the settings.
//!
//! The file is looked at every second: at its time, size and inode, those of the file that a symlink leads to, so editors that
//! write another file and rename it are noticed, and so are the links that Kubernetes swaps. What has changed is read once it
//! has stayed the same from one look to the next, as somebody may be at writing it. If its content is that which was read last,
//! nothing is done. The file with prices is looked at together with it.
//!
//! Settings that cannot be are told of once, in the log and by `Gateway::last_reload`, and not again until something else is wrong
//! with them; the gateway goes on as before. So it does while there is no file. They are tried again every ten seconds, since
//! what is missing may be another file that they name. SIGHUP has the file read whether or not it has changed: for secrets in
//! files of their own.

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::time::MissedTickBehavior;

use crate::{
    Gateway, Reloaded,
    config::{self, Digest},
};

#[cfg(test)]
mod tests;

/// How often the file is looked at.
const EVERY: Duration = Duration::from_secs(1);

/// After how many looks settings are tried again that were refused.
const AGAIN: u32 = 10;

/// Follows the file, which the gateway's settings were read from, for as long as it is polled.
pub async fn follow(gateway: Gateway, path: PathBuf) {
    let mut follower = Follower::new(gateway, path);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut signal = Signal::new();
    loop {
        tokio::select! {
            _ = ticks.tick() => follower.look().await,
            () = signal.received() => {
                tracing::info!("SIGHUP: the settings are read");
                follower.read().await;
            }
        }
    }
}

/// What is known of the file.
struct Follower {
    gateway: Gateway,
    path: PathBuf,
    /// The files as they were when they were read last.
    known: Marks,
    /// The files as they were at the last look, if they have changed since.
    changing: Option<Marks>,
    /// Why the settings were refused that were read last, if they were, and how often they were looked at since.
    refused: Option<(String, u32)>,
    missing: bool,
}

/// The file with the settings, and that with the prices.
type Marks = [Option<Mark>; 2];

/// By what one state of a file is told from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    modified: Option<SystemTime>,
    size: u64,
    inode: u64,
}

// ===== impl Follower =====

impl Follower {
    fn new(gateway: Gateway, path: PathBuf) -> Self {
        let mut follower = Self {
            gateway,
            path,
            known: [None; 2],
            changing: None,
            refused: None,
            missing: false,
        };
        // What was read is known, and what the files are like is not: they may have been edited since.
        if follower.gateway.digest().is_none() {
            follower.known = follower.marks();
            if let Some(digest) = follower.content() {
                follower.gateway.note(digest);
            }
        }
        follower
    }

    /// Reads the file if it has changed, and has stayed the same since the last look.
    async fn look(&mut self) {
        let marks = self.marks();
        self.tell_missing(marks[0].is_none());
        if marks == self.known || marks[0].is_none() {
            self.changing = None;
            self.try_again().await;
        } else if self.changing != Some(marks) {
            self.changing = Some(marks);
        } else {
            self.changing = None;
            let content = self.content();
            if content.is_none() {
                return;
            }
            self.known = marks;
            if content != self.gateway.digest() {
                self.read().await;
            }
        }
    }

    /// Reads settings again now and then that were refused.
    async fn try_again(&mut self) {
        let Some((_, looks)) = &mut self.refused else {
            return;
        };
        *looks += 1;
        if *looks >= AGAIN && !self.missing {
            self.read().await;
        }
    }

    /// Reads the file, and puts it into force.
    async fn read(&mut self) {
        let (gateway, path) = (self.gateway.clone(), self.path.clone());
        let known = self.refused.take().map(|(why, _)| why);
        let told = known.clone();
        // Files are read, and keys are hashed.
        let applied =
            tokio::task::spawn_blocking(move || put_into_force(&gateway, &path, told.as_deref()))
                .await;
        match applied {
            Ok(Ok(told)) => {
                let Reloaded {
                    pools,
                    members,
                    stages,
                    keys,
                    anew,
                    ignored,
                } = told;
                for what in anew.iter().chain(&ignored) {
                    tracing::warn!("the settings were changed: {what}");
                }
                tracing::info!(
                    %pools,
                    %members,
                    %stages,
                    %keys,
                    "the settings were changed"
                );
            }
            Ok(Err(why)) => {
                if known.as_deref() != Some(&*why) {
                    tracing::error!("the settings stay as they were: {why}");
                }
                self.refused = Some((why, 0));
            }
            Err(panic) => tracing::error!("the settings stay as they were: {panic}"),
        }
    }

    fn tell_missing(&mut self, missing: bool) {
        if missing && !self.missing && self.changing.is_none() {
            let path = self.path.display();
            tracing::warn!("{path} is not there: the settings stay as they were");
        }
        self.missing = missing;
    }

    fn marks(&self) -> Marks {
        [
            Mark::of(&self.path),
            self.prices().as_deref().and_then(Mark::of),
        ]
    }

    /// The file with prices, of the settings that were read last.
    fn prices(&self) -> Option<PathBuf> {
        match self.gateway.digest() {
            Some(digest) => digest.prices.map(|(path, _)| path),
            None => self.gateway.live().config.prices.clone(),
        }
    }

    /// The content of both files.
    fn content(&self) -> Option<Digest> {
        let text = std::fs::read_to_string(&self.path).ok()?;
        Some(Digest::of(&text, self.prices().as_deref()))
    }
}

/// Reads the file, and puts it into force. It blocks.
pub(crate) fn apply(gateway: &Gateway, path: &Path) -> Result<Reloaded, String> {
    put_into_force(gateway, path, None)
}

/// The same; a refusal that is `known` is not noted once more.
fn put_into_force(gateway: &Gateway, path: &Path, known: Option<&str>) -> Result<Reloaded, String> {
    let refused = |why: String| {
        if known != Some(&*why) {
            gateway.refuse(&why);
        }
        why
    };
    // Before it is read: an edit in between is seen at the next look.
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let loaded = config::read(path).map_err(|error| {
        let prices = gateway.digest().and_then(|digest| digest.prices);
        let text = Digest::of(&text, None);
        gateway.note(Digest { prices, ..text });
        refused(error.to_string())
    })?;
    gateway.note(loaded.digest);
    let told = gateway
        .try_reload(loaded.config)
        .map_err(|error| refused(error.to_string()))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    gateway.kept().standing.warn(loaded.warnings);
    Ok(told)
}

// ===== impl Mark =====

impl Mark {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            size: metadata.len(),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
            #[cfg(not(unix))]
            inode: 0,
        })
    }
}

/// SIGHUP, where there is such a thing.
struct Signal {
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

// ===== impl Signal =====

impl Signal {
    fn new() -> Self {
        Self {
            #[cfg(unix)]
            hangup: tokio::signal::unix::signal(tokio::signal::unix::SignalKind::hangup()).ok(),
        }
    }

    async fn received(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.hangup
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending().await
    }
}
