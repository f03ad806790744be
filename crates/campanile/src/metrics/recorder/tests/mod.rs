use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::{
    Completion,
    completion::Observe,
    context::{Context, Repeat},
    cost::Usage,
    metrics::Histogram,
    outcome::{FailureKind, Outcome},
    rejection::{Rejection, RejectionKind},
    time::nanos,
};

mod counts;
mod memory;
mod record_words;
mod threads;
mod times;
mod windows;

const MS: Duration = Duration::from_millis(1);
const FAILED: Outcome = Outcome::Failure(FailureKind::Error);

/// A recorder, and a moment after it was made.
fn recorder() -> (Recorder, Timestamp) {
    (Recorder::new(), Timestamp::now())
}

/// Records a call that begins at `now` and takes that long.
fn call(recorder: &Recorder, now: Timestamp, takes: Duration, outcome: Outcome) {
    recorder.begin(now).end(now.after(takes), outcome);
}

/// Whether that is told of that.
fn near(told: Option<Duration>, exact: Duration) -> bool {
    let Some(told) = told else {
        return false;
    };
    told.abs_diff(exact)
        <= exact
            .mul_f64(Histogram::ERROR)
            .max(Duration::from_nanos(32))
}
