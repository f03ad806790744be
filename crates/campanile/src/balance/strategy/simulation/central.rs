use super::{replica::Replica, workload::Arrival};

/// A dispatcher that knows every replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Central {
    /// The shortest queue for its speed.
    Queue,
    /// The least work left for its speed.
    Work,
    /// The earliest end of this call.
    End,
}

// ===== impl Central =====

impl Central {
    pub(super) const ALL: [Self; 3] = [Self::Queue, Self::Work, Self::End];

    pub(super) fn pick(self, replicas: &[Replica], arrival: &Arrival) -> usize {
        let score = |replica: &Replica| match self {
            Self::Queue => (replica.calls() + 1) as f64 / replica.speed(),
            Self::Work => {
                (replica.left(arrival.at) + arrival.work) / replica.throughput(replica.calls() + 1)
            }
            Self::End => replica.projected(arrival.at, arrival.work),
        };
        replicas
            .iter()
            .map(score)
            .enumerate()
            .min_by(|one, other| one.1.total_cmp(&other.1))
            .map_or(0, |best| best.0)
    }
}
