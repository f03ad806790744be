use std::{fmt, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};

use crate::client::Vector;

/// How many call at once.
const AT_ONCE: usize = 64;

/// What came of a caller for each of the texts.
#[derive(Debug)]
pub(crate) struct Callers {
    /// In the order of the texts.
    pub(crate) ends: Vec<End>,
    /// How long it took until the last was answered.
    pub(crate) took: Duration,
}

/// What came of one caller.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum End {
    Answered(Vector),
    Failed(String),
    /// It did not wait for its answer.
    Left,
}

/// Whether callers leave before they are answered.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Leave {
    Never,
    /// One in ten at once, one in ten after a while.
    Some,
}

// ===== impl Callers =====

impl Callers {
    /// One caller for each text.
    pub(crate) async fn call<S>(service: S, texts: &[String], leave: Leave) -> Self
    where
        S: Service<String, Response = Vector, Error: fmt::Display> + Clone,
    {
        let begin = Instant::now();
        let calls = texts.iter().enumerate().map(|(place, text)| {
            let call = service.clone().oneshot(text.clone());
            let patience = leave.patience(place);
            async move {
                let end = match timeout(patience, call).await {
                    Ok(Ok(vector)) => End::Answered(vector),
                    Ok(Err(error)) => End::Failed(error.to_string()),
                    Err(_) => End::Left,
                };
                (place, end)
            }
        });
        let mut ends: Vec<_> = stream::iter(calls)
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        ends.sort_by_key(|(place, _)| *place);
        Self {
            ends: ends.into_iter().map(|(_, end)| end).collect(),
            took: Instant::now() - begin,
        }
    }

    /// How many were answered.
    pub(crate) fn answered(&self) -> usize {
        let answered = |end: &&End| matches!(end, End::Answered(_));
        self.ends.iter().filter(answered).count()
    }

    /// How many left.
    pub(crate) fn left(&self) -> usize {
        self.ends.iter().filter(|end| **end == End::Left).count()
    }
}

// ===== impl Leave =====

impl Leave {
    /// How long the caller of a text waits.
    const fn patience(self, place: usize) -> Duration {
        match (self, place % 10) {
            (Self::Some, 3) => Duration::ZERO,
            (Self::Some, 7) => Duration::from_millis(12),
            _ => Duration::from_secs(60),
        }
    }
}

/// Texts, each another.
pub(crate) fn texts(number: usize) -> Vec<String> {
    const WHO: [&str; 5] = ["A cat", "The postman", "My sister", "Nobody", "An engineer"];
    const DOES: [&str; 4] = ["likes", "never saw", "waits for", "paints"];
    const WHAT: [&str; 4] = ["the sea", "a red bicycle", "the last train", "old maps"];
    (0..number)
        .map(|place| {
            let (who, does) = (WHO[place % 5], DOES[place / 5 % 4]);
            let what = WHAT[place / 20 % 4];
            format!("{who} {does} {what}, {} times.", place / 80 + 1)
        })
        .collect()
}
