use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::Sleep;

use super::Probed;

/// One probe. Boxed: the sources' futures have any type.
pub(super) type Probe = Pin<Box<dyn Future<Output = Option<Probed>> + Send>>;

/// Resolves to the answers as soon as there are enough, or all have answered, or time is over. Probes without an answer
/// are dropped with it.
#[must_use = "futures do nothing unless polled"]
pub(in super::super) struct Race {
    probes: Vec<Probe>,
    answers: Vec<Probed>,
    enough: usize,
    timeout: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

// ===== impl Race =====

impl Race {
    pub(super) fn new(probes: Vec<Probe>, enough: usize, timeout: Duration) -> Self {
        Self {
            probes,
            answers: Vec::new(),
            enough,
            timeout,
            sleep: None,
        }
    }
}

impl Future for Race {
    type Output = Vec<Probed>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<Probed>> {
        let this = &mut *self;
        this.probes
            .retain_mut(|probe| match probe.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(answer) => {
                    this.answers.extend(answer);
                    false
                }
            });
        let mut over = this.probes.is_empty() || this.answers.len() >= this.enough;
        if !over {
            let timeout = this.timeout;
            let sleep = this
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(timeout)));
            over = sleep.as_mut().poll(cx).is_ready();
        }
        if over {
            this.probes.clear();
            return Poll::Ready(std::mem::take(&mut this.answers));
        }
        Poll::Pending
    }
}
