use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

/// An `f64` that threads share, for estimates; 0 at first. Plain loads and stores: of two at once, one is lost.
#[derive(Default)]
pub(super) struct Number(AtomicU64);

impl Number {
    #[inline]
    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    #[inline]
    pub(super) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Relaxed);
    }
}

impl fmt::Debug for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}
