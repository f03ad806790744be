use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::Duration,
};

use campanile::{Endpoint, time::Timestamp};

use crate::route::number::Number;

/// The weight of the newest sample in an average.
const NEWEST: f64 = 0.1;

/// What [`Cheapest`](super::Cheapest) keeps of an endpoint.
#[derive(Debug, Default)]
pub struct CheapestState {
    /// The number in its label, one more than that; 0 where there is none.
    price: Number,
    samples: AtomicU32,
    /// Seconds.
    mean: Number,
    /// How far samples are from the mean, on the average.
    deviation: Number,
    /// The calls in flight beside the one that was measured, on the average.
    load: Number,
    /// When the last sample was taken.
    sampled: AtomicU64,
    /// Calls of which nothing has come yet.
    waiting: AtomicU32,
    /// Since when nothing has come of any.
    since: AtomicU64,
    /// Seconds spent in calls that were given up since one was answered.
    given_up: Number,
    /// It has missed the goal, and is not back yet.
    pub(super) out: AtomicBool,
}

// ===== impl CheapestState =====

impl CheapestState {
    pub(super) fn set_price(&self, endpoint: &Endpoint) {
        let price: Option<f64> = endpoint
            .label("price")
            .and_then(|label| label.trim().parse().ok());
        let known = price.filter(|price| *price >= 0.0 && price.is_finite());
        self.price.set(known.map_or(0.0, |price| price + 1.0));
    }

    pub(super) fn price(&self) -> Option<f64> {
        let price = self.price.get();
        (price > 0.0).then_some(price - 1.0)
    }

    pub(super) fn begin(&self, now: Timestamp) {
        if self.waiting.fetch_add(1, Ordering::Relaxed) == 0 {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// What is measured of a call was there.
    pub(super) fn answered(&self, now: Timestamp) {
        if self.given_up.get() > 0.0 {
            self.given_up.set(0.0);
        }
        self.left(now);
        self.since.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// A call waits no more.
    pub(super) fn left(&self, now: Timestamp) {
        if self.waiting.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.since.store(now.as_nanos(), Ordering::Relaxed);
        }
    }

    /// A call was given up after so many seconds; how many it is of all since one was answered.
    pub(super) fn give_up(&self, seconds: f64) -> f64 {
        let all = self.given_up.get() + seconds;
        self.given_up.set(all);
        all
    }

    /// For how many seconds nothing has come of the calls that wait.
    pub(super) fn silent(&self, now: Timestamp) -> Option<f64> {
        (self.waiting.load(Ordering::Relaxed) > 0).then(|| {
            let since = Timestamp::from_nanos(self.since.load(Ordering::Relaxed));
            now.since(since).as_secs_f64()
        })
    }

    /// Takes a sample, at a load of so many other calls. After a pause it weighs as much as the others have faded.
    pub(super) fn add(&self, sample: f64, load: u32, now: Timestamp, fade: Duration) {
        let samples = self.samples.load(Ordering::Relaxed);
        let paused = 1.0 - (-self.age(now) / fade.as_secs_f64()).exp();
        let weight = (1.0 / (f64::from(samples) + 1.0)).max(NEWEST).max(paused);
        let before = self.mean.get();
        let mean = before + weight * (sample - before);
        self.mean.set(mean);
        if samples > 0 {
            let deviation = self.deviation.get();
            // From the mean with this sample in it: one after a pause, when the mean was another, is no deviation.
            let off = (sample - mean).abs();
            self.deviation.set(deviation + weight * (off - deviation));
        }
        let before = self.load.get();
        self.load.set(before + weight * (f64::from(load) - before));
        self.samples
            .store(samples.saturating_add(1), Ordering::Relaxed);
        self.sampled.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// Seconds since the last sample.
    fn age(&self, now: Timestamp) -> f64 {
        let sampled = Timestamp::from_nanos(self.sampled.load(Ordering::Relaxed));
        now.since(sampled).as_secs_f64()
    }

    pub(super) fn mean(&self) -> f64 {
        self.mean.get()
    }

    pub(super) fn load(&self) -> f64 {
        self.load.get()
    }

    /// The quantile, or the mean, in seconds; `None` before the first sample.
    pub(super) fn value(&self, quantile: Option<f64>) -> Option<f64> {
        if self.samples.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let above = quantile.map_or(0.0, |quantile| (0.5 / (1.0 - quantile)).ln());
        Some(self.mean.get() + above * self.deviation.get())
    }

    /// What `known` has faded to since the last sample, on its way to `least`.
    pub(super) fn faded(&self, known: f64, least: f64, now: Timestamp, fade: Duration) -> f64 {
        if known <= least {
            return known;
        }
        let kept = (-self.age(now) / fade.as_secs_f64()).exp();
        least + kept * (known - least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FADE: Duration = Duration::from_secs(10);

    fn at(seconds: f64) -> Timestamp {
        Timestamp::from_nanos(1_000_000_000).after(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_quantile_is_above_the_mean_by_the_deviation() {
        let state = CheapestState::default();
        assert_eq!(state.value(None), None);
        for nth in 0..1_000 {
            let sample = if nth % 2 == 0 { 1.0 } else { 3.0 };
            state.add(sample, 4, at(f64::from(nth) * 0.01), FADE);
        }
        let mean = state.value(None).unwrap();
        assert!((mean - 2.0).abs() < 0.2, "{mean}");
        assert_eq!(state.value(Some(0.5)), Some(mean));
        let high = state.value(Some(0.9)).unwrap();
        assert!((high - mean - 1.61).abs() < 0.2, "{high}");
        assert!((state.load() - 4.0).abs() < 1e-6);
    }

    #[test]
    fn after_a_pause_the_newest_counts_most() {
        let state = CheapestState::default();
        for nth in 0..50 {
            state.add(20.0, 0, at(f64::from(nth)), FADE);
        }
        let known = state.value(None).unwrap();
        assert!(state.faded(known, 1.0, at(99.0), FADE) < 1.2);
        state.add(0.5, 0, at(99.0), FADE);
        assert!(state.value(None).unwrap() < 0.7);
    }

    #[test]
    fn silence_is_told_while_somebody_waits() {
        let state = CheapestState::default();
        assert_eq!(state.silent(at(5.0)), None);
        state.begin(at(1.0));
        state.begin(at(3.0));
        assert_eq!(state.silent(at(5.0)), Some(4.0));
        state.answered(at(5.0));
        assert_eq!(state.silent(at(7.0)), Some(2.0));
        state.left(at(7.0));
        assert_eq!(state.silent(at(9.0)), None);
    }

    #[test]
    fn a_price_is_a_number() {
        for (label, price) in [
            (" 0.5 ", Some(0.5)),
            ("0", Some(0.0)),
            ("-1", None),
            ("free", None),
        ] {
            let state = CheapestState::default();
            state.set_price(
                &Endpoint::builder("a")
                    .label("price", label)
                    .build()
                    .unwrap(),
            );
            assert_eq!(state.price(), price, "{label}");
        }
    }
}
