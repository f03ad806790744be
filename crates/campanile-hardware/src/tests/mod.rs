use std::time::Duration;

use campanile::time::Timestamp;

use crate::*;

mod parsing;
#[cfg(feature = "health")]
mod probing;
mod readings;
mod sampling;
mod trees;

const SEC: Duration = Duration::from_secs(1);

/// A machine of eight cores and 16 GiB, a quarter of which is in use.
fn machine() -> Hardware {
    Hardware {
        cores: Cores {
            machine: 8,
            allowed: 8,
            quota: None,
        },
        memory: Memory {
            machine: 16 << 30,
            limit: None,
            available: 12 << 30,
        },
        ..Hardware::default()
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1).after(SEC * u32::try_from(seconds).unwrap())
}
