//! The clock of the hot path.
//!
//! A call reads the clock once per event (begin, head, first data, end) and passes the reading down, so the clock must
//! be cheap: [`Timestamp::now`] reads the processor's time-stamp counter. With the feature `testing` it reads
//! [`tokio::time::Instant`] instead and so follows tokio's paused clock; enable it in `[dev-dependencies]`.

use std::{sync::OnceLock, time::Duration};

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

#[cfg(all(test, not(campanile_loom)))]
mod tests;

/// A point in time, in whole nanoseconds since an arbitrary origin of this process. Small enough for an atomic.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

/// How far before the first reading the origin lies, so that a clock which was paused earlier than that reading does
/// not fall before the origin.
#[cfg(feature = "testing")]
const HEADROOM: Duration = Duration::from_secs(24 * 60 * 60);

// ===== impl Timestamp =====

impl Timestamp {
    /// The origin; earlier than anything [`Timestamp::now`] returns.
    pub const ZERO: Self = Self(0);

    /// Later than anything [`Timestamp::now`] returns.
    pub const MAX: Self = Self(u64::MAX);

    /// Reads the clock.
    #[cfg(not(feature = "testing"))]
    #[inline]
    #[must_use]
    pub fn now() -> Self {
        static CLOCK: OnceLock<(quanta::Clock, u64)> = OnceLock::new();
        let (clock, origin) = CLOCK.get_or_init(|| {
            let clock = quanta::Clock::new();
            let origin = clock.raw();
            (clock, origin)
        });
        // One, not zero, at the origin: zero is the timestamp of what never happened.
        Self(clock.delta_as_nanos(*origin, clock.raw()) + 1)
    }

    /// Reads the clock.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn now() -> Self {
        static ORIGIN: OnceLock<Instant> = OnceLock::new();
        let now = Instant::now();
        let origin = *ORIGIN.get_or_init(|| now.checked_sub(HEADROOM).unwrap_or(now));
        Self(nanos(now.saturating_duration_since(origin)) + 1)
    }

    /// A timestamp from its nanoseconds since the origin.
    #[inline]
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the origin.
    #[inline]
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this, or zero when `earlier` is later.
    #[inline]
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This moved later by `duration`, [`Timestamp::MAX`] at most.
    #[inline]
    #[must_use]
    pub const fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The same moment on tokio's clock; `now` is the present. For arming a timer.
    #[must_use]
    pub fn to_instant(self, now: Self) -> Instant {
        // A far moment stays far without overflow: tokio itself caps timers at about 30 years.
        const FAR: Duration = Duration::from_secs(86_400 * 365 * 30);
        Instant::now() + self.since(now).min(FAR)
    }

    /// The moment of `instant` on this clock; `now` is the present.
    #[must_use]
    pub fn from_instant(instant: Instant, now: Self) -> Self {
        let present = Instant::now();
        if instant >= present {
            now.after(instant - present)
        } else {
            Self(now.0.saturating_sub(nanos(present - instant)))
        }
    }
}

/// Whole nanoseconds of a duration, capped at `u64::MAX` (584 years).
#[inline]
#[allow(clippy::cast_possible_truncation)] // capped in the line above the cast
pub(crate) const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 {
        u64::MAX
    } else {
        nanos as u64
    }
}

/// Durations as people write them, in configuration: `30s`, `250ms`, `1m 30s`. For `#[serde(with = "…")]`.
pub mod human {
    use std::{borrow::Cow, time::Duration};

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    /// Writes a duration as text.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&humantime::format_duration(*duration))
    }

    /// Reads a duration from text.
    ///
    /// # Errors
    ///
    /// When the text is no duration, or is beyond [`MOST`]; the error shows it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = Cow::<str>::deserialize(deserializer)?;
        // A number without a unit is one of seconds, as it is where it is no text.
        let seconds = text.trim().parse().ok();
        let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        let duration = seconds.map_or_else(|| humantime::parse_duration(&text), Ok);
        let duration = duration.map_err(|error| {
            D::Error::custom(format_args!(
                "{text:?} is no duration such as 30s or 250ms: {error}"
            ))
        })?;
        bounded(duration)
            .ok_or_else(|| D::Error::custom(format_args!("{text:?} is too long: {RULE}")))
    }

    /// The longest that a duration in settings may be: 100 years. Sums and small multiples of it are far from what clocks can
    /// tell.
    pub const MOST: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

    pub(crate) const RULE: &str = "the most are 100 years";

    pub(crate) fn bounded(duration: Duration) -> Option<Duration> {
        (duration <= MOST).then_some(duration)
    }
}

/// Durations as programs read them, in snapshots: a number of seconds. For `#[serde(serialize_with = "…")]`.
pub(crate) mod number {
    use std::time::Duration;

    use serde::{Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    #[cfg_attr(
        not(any(feature = "rate_limit", feature = "spend_limit")),
        allow(dead_code)
    )]
    pub(crate) fn optional<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let seconds = duration.map(|duration| duration.as_secs_f64());
        seconds.serialize(serializer)
    }
}
