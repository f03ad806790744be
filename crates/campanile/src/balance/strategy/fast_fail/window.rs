use crate::time::Timestamp;

const BUCKETS: usize = 10;

/// Failures and successes of the latest ten buckets of time, counted exactly.
///
/// Successes are not told one by one: the endpoint counts them anyway, and each bucket remembers that count as it was
/// when the bucket began.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    buckets: [Bucket; BUCKETS],
    /// The number, since the origin of time, of the newest bucket.
    newest: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    failures: u32,
    successes_before: u64,
}

// ===== impl Window =====

impl Window {
    /// Moves on to `now`. `successes` is the endpoint's count before the event that is being told. Returns when the
    /// next bucket begins.
    pub(super) fn roll(&mut self, now: Timestamp, bucket_nanos: u64, successes: u64) -> Timestamp {
        let number = now.as_nanos() / bucket_nanos;
        // Time may seem to step back between two processors; then the event belongs to the newest bucket.
        let passed = number.saturating_sub(self.newest).min(BUCKETS as u64);
        for _ in 0..passed {
            self.buckets.rotate_left(1);
            self.buckets[BUCKETS - 1] = Bucket {
                failures: 0,
                successes_before: successes,
            };
        }
        self.newest = self.newest.max(number);
        Timestamp::from_nanos((self.newest + 1).saturating_mul(bucket_nanos))
    }

    /// Counts a failure in the newest bucket.
    pub(super) fn fail(&mut self) {
        let newest = &mut self.buckets[BUCKETS - 1];
        newest.failures = newest.failures.saturating_add(1);
    }

    /// Failures and successes in the window.
    pub(super) fn counts(&self, successes: u64) -> (u64, u64) {
        let failures = self
            .buckets
            .iter()
            .map(|bucket| u64::from(bucket.failures))
            .sum();
        (
            failures,
            successes.saturating_sub(self.buckets[0].successes_before),
        )
    }

    /// Forgets everything up to now.
    pub(super) fn clear(&mut self, successes: u64) {
        self.buckets = [Bucket {
            failures: 0,
            successes_before: successes,
        }; BUCKETS];
    }
}
