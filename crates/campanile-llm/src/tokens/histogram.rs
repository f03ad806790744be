use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// How long answers are: counts by a logarithmic scale of four steps to the double, the older ones fading, and two quantiles of
/// them ready to be read.
///
/// Whoever learns counts with relaxed atomics and publishes; what two do at once may be off by a count, in an estimate.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU32; STEPS],
    samples: AtomicU32,
    /// The median and the ninth decile.
    published: AtomicU64,
}

/// Four to the double: to a million tokens and more.
const STEPS: usize = 84;
/// At so many all are halved.
const FADE: u32 = 1_024;

// ===== impl Histogram =====

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU32::new(0) }; STEPS],
            samples: AtomicU32::new(0),
            published: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(super) fn learn(&self, tokens: u64) {
        self.counts[step(tokens)].fetch_add(1, Ordering::Relaxed);
        if self.samples.fetch_add(1, Ordering::Relaxed) + 1 >= FADE {
            self.fade();
        }
        let median = u64::from(self.find(0.5));
        let most = u64::from(self.find(0.9));
        self.published.store(median << 32 | most, Ordering::Relaxed);
    }

    /// How many answers it remembers.
    pub(super) fn samples(&self) -> u32 {
        self.samples.load(Ordering::Relaxed)
    }

    /// The median and the ninth decile, each not more than a fifth too high, and never too low.
    pub(super) fn quantiles(&self) -> (u32, u32) {
        let published = self.published.load(Ordering::Relaxed);
        ((published >> 32) as u32, published as u32)
    }

    fn fade(&self) {
        let mut left = 0;
        for count in &self.counts {
            let half = count.load(Ordering::Relaxed) / 2;
            count.store(half, Ordering::Relaxed);
            left += half;
        }
        self.samples.store(left, Ordering::Relaxed);
    }

    fn find(&self, share: f64) -> u32 {
        let counts = || {
            self.counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
        };
        let wanted = (f64::from(counts().sum::<u32>()) * share).ceil() as u32;
        let mut seen = 0;
        let place = counts().position(|count| {
            seen += count;
            seen >= wanted
        });
        top(place.unwrap_or(STEPS - 1))
    }
}

/// The step of a length.
fn step(tokens: u64) -> usize {
    let step = (tokens.max(1) as f64).log2() * 4.0;
    (step.ceil() as usize).min(STEPS - 1)
}

/// The longest of a step.
fn top(step: usize) -> u32 {
    2f64.powf(step as f64 / 4.0) as u32
}
