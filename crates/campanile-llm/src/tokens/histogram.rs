use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};

/// How long answers are: counts by a logarithmic scale of four steps to the double, the older ones fading, and two quantiles of
/// them ready to be read.
///
/// Whoever learns moves the quantiles by what it counted: mostly not at all. Loads and stores are relaxed, and no more than
/// that; what two do at once may be off by a count, in an estimate, until all is added up anew.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: [AtomicU16; STEPS],
    /// [`Seen`], in one word.
    seen: AtomicU64,
}

/// What is known of the counts.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    samples: u16,
    median: Quantile,
    most: Quantile,
}

/// In which step a quantile is, and how many answers are in those before it.
#[derive(Debug, Clone, Copy, Default)]
struct Quantile {
    step: u8,
    below: u16,
}

/// Four to the double: to a million tokens and more.
const STEPS: usize = 84;
/// At so many all are halved.
const FADE: u16 = 1_024;
/// After so many all are added up anew.
const ANEW: u16 = 64;

/// The longest of each step: two to the power of a quarter of its number, rounded down.
const TOPS: [u32; STEPS] = {
    /// The powers of two of no, one, two and three quarters, times two to the power of 40.
    const QUARTERS: [u64; 4] = [
        1_099_511_627_776,
        1_307_547_050_779,
        1_554_944_255_987,
        1_849_150_772_653,
    ];
    let mut tops = [0; STEPS];
    let mut step = 0;
    while step < STEPS {
        tops[step] = ((QUARTERS[step % 4] << (step / 4)) >> 40) as u32;
        step += 1;
    }
    tops
};

// ===== impl Histogram =====

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [const { AtomicU16::new(0) }; STEPS],
            seen: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(super) fn learn(&self, tokens: u64) {
        let step = step(tokens);
        let count = &self.counts[step];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        let mut seen = Seen::unpack(self.seen.load(Ordering::Relaxed));
        seen.samples += 1;
        if seen.samples >= FADE || seen.samples.is_multiple_of(ANEW) {
            seen = self.anew(seen.samples >= FADE);
        } else {
            let (half, most) = wanted(seen.samples);
            self.follow(&mut seen.median, step, half);
            self.follow(&mut seen.most, step, most);
        }
        self.seen.store(seen.pack(), Ordering::Relaxed);
    }

    /// How many answers it remembers.
    pub(super) fn samples(&self) -> u32 {
        Seen::unpack(self.seen.load(Ordering::Relaxed))
            .samples
            .into()
    }

    /// The median and the ninth decile, each not more than a fifth too high, and never too low.
    pub(super) fn quantiles(&self) -> (u32, u32) {
        let seen = Seen::unpack(self.seen.load(Ordering::Relaxed));
        (seen.median.top(), seen.most.top())
    }

    fn count(&self, step: u8) -> u16 {
        let count = self.counts.get(usize::from(step));
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Moves a quantile to where so many answers are, now that one more has been counted in `step`.
    fn follow(&self, quantile: &mut Quantile, step: usize, wanted: u16) {
        let Quantile { step: at, below } = quantile;
        *below += u16::from(step < usize::from(*at));
        while *below >= wanted && *at > 0 {
            *at -= 1;
            *below = below.saturating_sub(self.count(*at));
        }
        while *below + self.count(*at) < wanted && usize::from(*at) < STEPS - 1 {
            *below += self.count(*at);
            *at += 1;
        }
    }

    /// Adds all counts up, after halving them if they are to fade.
    #[cold]
    fn anew(&self, fades: bool) -> Seen {
        let mut samples = 0;
        for count in &self.counts {
            let mut number = count.load(Ordering::Relaxed);
            if fades {
                number /= 2;
                count.store(number, Ordering::Relaxed);
            }
            samples += number;
        }
        let (half, most) = wanted(samples);
        let mut seen = Seen {
            samples,
            ..Seen::default()
        };
        self.follow(&mut seen.median, STEPS, half);
        self.follow(&mut seen.most, STEPS, most);
        seen
    }
}

/// How many answers are at most as long as the median, and as the ninth decile.
const fn wanted(samples: u16) -> (u16, u16) {
    (samples.div_ceil(2), (samples * 9).div_ceil(10))
}

/// The step of a length: the first whose longest is not shorter.
fn step(tokens: u64) -> usize {
    let tokens = u32::try_from(tokens.max(1)).unwrap_or(u32::MAX);
    let double = tokens.ilog2() as usize * 4;
    match TOPS.get(double..double + 4) {
        Some(tops) => {
            let shorter = tops.iter().map(|&top| usize::from(top < tokens));
            (double + shorter.sum::<usize>()).min(STEPS - 1)
        }
        None => STEPS - 1,
    }
}

// ===== impl Seen =====

impl Seen {
    const fn pack(self) -> u64 {
        self.samples as u64
            | (self.median.below as u64) << 16
            | (self.most.below as u64) << 32
            | (self.median.step as u64) << 48
            | (self.most.step as u64) << 56
    }

    const fn unpack(word: u64) -> Self {
        Self {
            samples: word as u16,
            median: Quantile {
                below: (word >> 16) as u16,
                step: (word >> 48) as u8,
            },
            most: Quantile {
                below: (word >> 32) as u16,
                step: (word >> 56) as u8,
            },
        }
    }
}

// ===== impl Quantile =====

impl Quantile {
    /// The longest of its step; 0 where nothing has been counted.
    fn top(self) -> u32 {
        TOPS.get(usize::from(self.step)).copied().unwrap_or(0)
    }
}
