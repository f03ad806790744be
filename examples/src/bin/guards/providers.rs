//! The providers, each with a trouble of its own.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use campanile::{
    BoxError, Call,
    outcome::{FailureKind, Outcome, classify_error},
};
use tokio::time::{Instant, sleep};
use tower::{Service, service_fn};

/// A provider that answers a number with its double.
#[derive(Debug, Clone)]
pub(crate) struct Provider {
    pub(crate) name: &'static str,
    latency: Duration,
    trouble: Trouble,
    began: Instant,
}

#[derive(Debug, Clone)]
enum Trouble {
    /// Fails at once between these two times.
    Breaks(Duration, Duration),
    /// Refuses more than so many calls a second.
    Refuses(u32, Arc<Mutex<Second>>),
    /// Takes so long for this share of the calls.
    Stalls(f64, Duration),
}

/// The calls of the present second.
#[derive(Debug, Default)]
pub(crate) struct Second {
    number: u64,
    calls: u32,
}

#[derive(Debug)]
enum ProviderError {
    Broken,
    TooMany(Duration),
}

/// Says what a result means, which only the program that knows its errors can.
pub(crate) type Classifier = fn(Result<&u64, &BoxError>) -> Outcome;

pub(crate) fn classify(result: Result<&u64, &BoxError>) -> Outcome {
    let Err(error) = result else {
        return Outcome::Success;
    };
    match error.downcast_ref() {
        Some(ProviderError::Broken) => Outcome::Failure(FailureKind::Server),
        Some(ProviderError::TooMany(after)) => Outcome::Throttled {
            retry_after: Some(*after),
        },
        // Time-outs, and refusals of the guards.
        None => classify_error(error),
    }
}

// ===== impl Provider =====

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Provider {
    /// The three of them, whose troubles fit a run of this length.
    pub(crate) fn all(length: Duration) -> [Self; 3] {
        let began = Instant::now();
        let provider = |name, millis, trouble| Self {
            name,
            latency: Duration::from_millis(millis),
            trouble,
            began,
        };
        [
            provider(
                "swift",
                20,
                Trouble::Breaks(length.mul_f64(0.25), length.mul_f64(0.6)),
            ),
            provider("frugal", 30, Trouble::Refuses(25, Arc::default())),
            provider("moody", 40, Trouble::Stalls(0.03, Duration::from_secs(2))),
        ]
    }

    pub(crate) fn service(
        self,
    ) -> impl Service<Call<u64>, Response = u64, Error = BoxError, Future: Send + 'static>
    + Clone
    + Send
    + 'static {
        service_fn(move |call: Call<u64>| {
            let provider = self.clone();
            async move { provider.answer(call.message).await }
        })
    }

    async fn answer(self, number: u64) -> Result<u64, BoxError> {
        let since = Instant::now() - self.began;
        match &self.trouble {
            Trouble::Breaks(from, to) if (*from..*to).contains(&since) => {
                sleep(Duration::from_millis(2)).await;
                return Err(ProviderError::Broken.into());
            }
            Trouble::Refuses(most, second) => {
                if !second
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .admits(*most, since)
                {
                    let next = Duration::from_secs(since.as_secs() + 1);
                    return Err(ProviderError::TooMany(next - since).into());
                }
            }
            Trouble::Stalls(share, time) if fastrand::f64() < *share => sleep(*time).await,
            Trouble::Breaks(..) | Trouble::Stalls(..) => {}
        }
        sleep(self.latency).await;
        Ok(2 * number)
    }
}

impl Second {
    fn admits(&mut self, most: u32, since: Duration) -> bool {
        if self.number != since.as_secs() {
            *self = Self {
                number: since.as_secs(),
                calls: 0,
            };
        }
        self.calls += 1;
        self.calls <= most
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broken => f.write_str("out of order"),
            Self::TooMany(after) => write!(f, "too many calls; again in {after:?}"),
        }
    }
}

impl std::error::Error for ProviderError {}
