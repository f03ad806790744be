use std::f64::consts::TAU;

/// What a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rpc,
    Llm,
}

/// What the replicas are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fleet {
    Equal,
    /// Every other one is four times as fast.
    Mixed,
    /// A random half is three times slower, another half after a while.
    Disturbed,
}

/// One cell of the grid.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scenario {
    pub(super) kind: Kind,
    pub(super) fleet: Fleet,
    pub(super) load: f64,
    pub(super) seed: u64,
    /// Calls that are measured; a third as many go before.
    pub(super) calls: usize,
}

/// One call, before anybody has picked for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: f64,
    pub(super) client: usize,
    /// Steps before the first token.
    pub(super) prefill: f64,
    /// Steps in all.
    pub(super) work: f64,
}

pub(super) const REPLICAS: usize = 50;

// ===== impl Scenario =====

impl Scenario {
    /// Calls a second that the fleet can do.
    pub(super) fn capacity(&self) -> f64 {
        let each = match self.kind {
            Kind::Rpc => 4.0,
            Kind::Llm => 3.86,
        };
        let share = match self.fleet {
            Fleet::Disturbed => (1.0 + 1.0 / 3.0) / 2.0,
            Fleet::Equal | Fleet::Mixed => 1.0,
        };
        each * share * REPLICAS as f64
    }

    /// Seconds that a call takes on average, more or less.
    pub(super) fn mean_call(&self) -> f64 {
        match self.kind {
            Kind::Rpc => 1.0,
            Kind::Llm => 5.0,
        }
    }

    pub(super) fn timeout(&self) -> f64 {
        match self.kind {
            Kind::Rpc => 20.0,
            Kind::Llm => 120.0,
        }
    }

    /// Seconds between one disturbed half and the next.
    pub(super) fn period(&self) -> f64 {
        self.mean_call()
            * match self.kind {
                Kind::Rpc => 20.0,
                Kind::Llm => 8.0,
            }
    }

    /// Seconds that a call takes alone on a replica of speed 1.
    pub(super) fn alone(&self, work: f64) -> f64 {
        work / self.kind.rate(1)
    }

    pub(super) fn speed(&self, replica: usize) -> f64 {
        match self.fleet {
            Fleet::Mixed if replica.is_multiple_of(2) => 0.4,
            Fleet::Mixed => 1.6,
            Fleet::Equal | Fleet::Disturbed => 1.0,
        }
    }

    /// Calls before the measured ones.
    pub(super) fn warm_up(&self) -> usize {
        self.calls / 3
    }

    /// The same for every strategy.
    pub(super) fn arrivals(&self, clients: usize) -> Vec<Arrival> {
        let mut rng = fastrand::Rng::with_seed(self.seed);
        let mut at = 0.0;
        (0..self.calls + self.warm_up())
            .map(|_| {
                at -= (1.0 - rng.f64()).ln() / (self.load * self.capacity());
                let (prefill, answer) = match self.kind {
                    Kind::Rpc => (0.0, one_second(&mut rng)),
                    Kind::Llm => (0.012 * prompt(&mut rng), answer(&mut rng)),
                };
                Arrival {
                    at,
                    client: rng.usize(..clients),
                    prefill,
                    work: prefill + answer,
                }
            })
            .collect()
    }
}

impl Kind {
    /// Steps a second for each of `calls` calls.
    pub(super) fn rate(self, calls: usize) -> f64 {
        let calls = calls as f64;
        match self {
            Self::Rpc => (4.0 / calls).min(1.0),
            Self::Llm => 1.0 / (0.010 + 0.000_5 * calls),
        }
    }

    /// How many calls a replica works on at once.
    pub(super) fn batch(self) -> usize {
        match self {
            Self::Rpc => usize::MAX,
            Self::Llm => 32,
        }
    }
}

fn normal(rng: &mut fastrand::Rng) -> f64 {
    (-2.0 * (1.0 - rng.f64()).ln()).sqrt() * (TAU * rng.f64()).cos()
}

/// Normal of mean and deviation 1, above 0.05, scaled back to a mean of 1.
fn one_second(rng: &mut fastrand::Rng) -> f64 {
    const MEAN_ABOVE: f64 = 1.306;
    loop {
        let work = 1.0 + normal(rng);
        if work > 0.05 {
            return work / MEAN_ABOVE;
        }
    }
}

fn prompt(rng: &mut fastrand::Rng) -> f64 {
    (600.0 * (1.2 * normal(rng)).exp()).min(32_000.0)
}

fn answer(rng: &mut fastrand::Rng) -> f64 {
    let tokens = if rng.f64() < 0.9 {
        150.0 * (0.9 * normal(rng)).exp()
    } else {
        400.0 / (1.0 - rng.f64()).powf(1.0 / 1.5)
    };
    tokens.clamp(1.0, 8_192.0).round()
}
