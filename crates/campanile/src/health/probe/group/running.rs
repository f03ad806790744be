use std::{
    borrow::Cow,
    panic::{self, AssertUnwindSafe},
    task::{Context, Poll},
};

use super::super::{MESSAGE, Report, Verdict, boxed::BoxReport, text};

/// A member's check.
pub(super) struct Running {
    name: Cow<'static, str>,
    state: State,
}

enum State {
    Looking(BoxReport),
    Done(Report),
}

// ===== impl Running =====

impl Running {
    pub(super) fn new(name: Cow<'static, str>, checking: BoxReport) -> Self {
        Self {
            name,
            state: State::Looking(checking),
        }
    }

    /// The verdict, once there is one.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Option<Verdict> {
        if let State::Looking(checking) = &mut self.state {
            // One that panics must not take the others' findings with it. It is dropped and never polled again.
            let polled = panic::catch_unwind(AssertUnwindSafe(|| checking.as_mut().poll(cx)));
            self.state = State::Done(match polled {
                Ok(Poll::Pending) => return None,
                Ok(Poll::Ready(report)) => report,
                Err(_) => Report::unhealthy("panicked"),
            });
        }
        match &self.state {
            State::Looking(_) => None,
            State::Done(report) => Some(report.verdict),
        }
    }
}

/// One report of those that are there. `one` is the verdict for which one member is enough, `rest` that for which there must
/// be one, and none of the former.
pub(super) fn merge(running: &mut Vec<Running>, one: Verdict, rest: Verdict) -> Report {
    let mut message = String::new();
    let mut metrics = Vec::new();
    let mut verdict = Verdict::Unknown;
    let nobody = running.is_empty();
    for Running { name, state } in running.drain(..) {
        let State::Done(report) = state else {
            continue;
        };
        if report.verdict == one || (report.verdict == rest && verdict != one) {
            verdict = report.verdict;
        }
        if let Some(said) = said(&report) {
            let separator = if message.is_empty() { "" } else { "; " };
            message.extend([separator, &name, ": ", said]);
        }
        let named = |(metric, value): (Cow<'_, str>, f64)| (text::named(&name, &metric), value);
        metrics.extend(report.metrics.into_iter().map(named));
    }
    if nobody {
        message.push_str("there is no probe");
    }
    Report {
        verdict,
        message: text::bound(message, MESSAGE).into(),
        metrics,
    }
}

/// What a member says, if it says anything.
fn said(report: &Report) -> Option<&str> {
    match report.verdict {
        _ if !report.message.is_empty() => Some(&report.message),
        Verdict::Healthy => None,
        Verdict::Unhealthy => Some("unhealthy"),
        Verdict::Unknown => Some("cannot tell"),
    }
}
