//! The calls of one batch, and who gets what of their answers.

use std::sync::Arc;

use tower_service::Service;

use super::{
    driver::Driver,
    groups::{Sealed, refusal},
    kind::Kind,
};
use crate::{
    outcome::{FailureKind, Outcome},
    rejection::{Rejection, RejectionKind},
    sync::lock,
    time::Timestamp,
};

/// What is to be sent, or sent again.
struct Part<Kept> {
    places: Vec<u32>,
    /// Of each; empty where it is not to be sent again.
    kept: Vec<Kept>,
}

/// A call to be made.
type Next<K> = (
    <K as Kind>::Service,
    Vec<<K as Kind>::Request>,
    Part<<K as Kind>::Kept>,
);

// ===== impl Driver =====

impl<K: Kind> Driver<K> {
    /// Sends a batch, and what it is split into if it fails.
    pub(super) async fn send(
        &mut self,
        service: K::Service,
        sealed: Sealed<K::Request>,
        number: u64,
    ) {
        let groups = Arc::clone(&self.groups);
        let (kind, control) = (&groups.kind, &groups.control);
        let Sealed {
            places,
            requests,
            full,
        } = sealed;
        let mut extra = match kind.splits() {
            true => control.config.extra_calls,
            false => 0,
        };
        let (requests, kept) = if extra >= 2 && places.len() > 1 {
            let kept = requests.into_iter().map(|request| kind.keep(request));
            kept.unzip()
        } else {
            (requests, Vec::new())
        };
        let mut parts = Vec::new();
        let mut whole = full;
        let mut next: Option<Next<K>> = Some((service, requests, Part { places, kept }));
        while let Some((mut service, requests, part)) = next.take() {
            let begun = control.learns().then(Timestamp::now);
            let call = service.call(requests);
            drop(service);
            if let Some(result) = self.while_wanted(call, true).await {
                let outcome = kind.classify(result.as_ref());
                if let Some(begun) = begun
                    && is_timed(&outcome)
                {
                    control.learn(number, whole, Timestamp::now().since(begun));
                }
                self.conclude(result, &outcome, part, &mut extra, &mut parts);
            }
            whole = false;
            next = self.next(&mut parts).await;
        }
    }

    /// What becomes of a call's answer: it is handed out, or the part is split.
    fn conclude(
        &self,
        result: Result<K::Response, K::Error>,
        outcome: &Outcome,
        mut part: Part<K::Kept>,
        extra: &mut u32,
        parts: &mut Vec<Part<K::Kept>>,
    ) {
        let kind = &self.groups.kind;
        let items = part.places.len();
        if outcome.is_success()
            && let Some(budget) = kind.budget()
        {
            budget.deposit(1);
        }
        if is_splittable(&result, outcome) && self.may_split(&part, extra) {
            tracing::debug!(?outcome, items, "a batch failed and is split");
            self.groups.control.failed();
            self.groups.control.split();
            self.keep_wanted(&mut part);
            let half = part.places.len() / 2;
            let later = Part {
                places: part.places.split_off(half),
                kept: part.kept.split_off(half),
            };
            // The last one is taken first.
            parts.extend([later, part]);
            return;
        }
        let response = match result {
            Ok(response) => response,
            Err(error) => return self.fail(&part.places, error),
        };
        let answers = kind.answers(response, items);
        if answers.len() == items {
            self.cell.answer(&part.places, answers);
        } else {
            let found = answers.len();
            tracing::warn!(items, found, "the answer to a batch does not fit it");
            self.groups.control.failed();
            self.cell
                .refuse(&part.places, refusal(RejectionKind::Mismatched));
        }
    }

    /// Whether there may be two calls more for this part, which are taken.
    fn may_split(&self, part: &Part<K::Kept>, extra: &mut u32) -> bool {
        let kind = &self.groups.kind;
        // Nothing is kept of a part that is not to be split, and what only one still wants has no halves.
        if *extra < 2 || part.kept.is_empty() || lock(&self.cell.slots).wanted() < 2 {
            return false;
        }
        if !part.kept.iter().all(|kept| kind.is_whole(kept)) {
            return false;
        }
        if !kind.budget().is_none_or(|budget| budget.withdraw(2)) {
            return false;
        }
        *extra -= 2;
        true
    }

    /// The next part that somebody still wants, with a service for it.
    async fn next(&mut self, parts: &mut Vec<Part<K::Kept>>) -> Option<Next<K>> {
        while let Some(mut part) = parts.pop() {
            lock(&self.cell.slots).again(&part.places);
            let service = match self.ready().await {
                None => continue,
                Some(Ok(service)) => service,
                Some(Err(error)) => {
                    self.fail(&part.places, error);
                    continue;
                }
            };
            self.expire(None);
            self.keep_wanted(&mut part);
            let kept = part.kept.iter_mut();
            let requests: Option<Vec<_>> = kept.map(|kept| self.groups.kind.again(kept)).collect();
            let Some(requests) = requests else {
                let why = refusal(RejectionKind::Aborted);
                self.cell.refuse(&part.places, why);
                continue;
            };
            if !requests.is_empty() {
                return Some((service, requests, part));
            }
        }
        None
    }

    /// Leaves those out whose callers are gone.
    fn keep_wanted(&self, part: &mut Part<K::Kept>) {
        let places = std::mem::take(&mut part.places);
        let kept = std::mem::take(&mut part.kept);
        let mut unwanted = Vec::new();
        let slots = lock(&self.cell.slots);
        for (place, kept) in places.into_iter().zip(kept) {
            if slots.is_wanted(place) {
                part.places.push(place);
                part.kept.push(kept);
            } else {
                unwanted.push(kept);
            }
        }
        drop(slots);
    }

    /// A call failed as a whole.
    pub(super) fn fail(&self, places: &[u32], error: K::Error) {
        tracing::debug!(items = places.len(), "a batch failed");
        self.groups.control.failed();
        let errors = self.groups.kind.share(error, places.len());
        self.cell
            .answer(places, errors.into_iter().map(Err).collect());
    }
}

/// Whether a call that went so may be made again in parts: the endpoint failed, or some request was at fault. One that
/// asks for less load gets it, and what a layer further in refused would be refused again.
fn is_splittable<T, E: 'static>(result: &Result<T, E>, outcome: &Outcome) -> bool {
    let refused = || {
        result
            .as_ref()
            .is_err_and(|error| Rejection::within(error).is_some())
    };
    match outcome {
        Outcome::Failure(_) => true,
        Outcome::Ignored => !refused(),
        _ => false,
    }
}

/// Whether it says how long a batch takes.
fn is_timed(outcome: &Outcome) -> bool {
    outcome.is_timed() || matches!(outcome, Outcome::Failure(FailureKind::Timeout))
}
