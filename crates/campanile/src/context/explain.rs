//! Why attempts went where they went, for trails that are asked to keep it.

use std::{sync::Arc, time::Duration};

use super::Repeat;
use crate::{
    cost::Cost,
    endpoint::{Closed, Endpoint},
    sync::Mutex,
    time::Timestamp,
};

/// How many attempts of a call are explained. Further ones are kept as without.
pub(super) const EXPLAINED: usize = 32;
/// How many refusals are kept.
pub(super) const REFUSALS: usize = 8;
/// How many places a call is said to be in at once.
pub(super) const PLACES: usize = 8;
/// How many members that are closed are named, of each look at a pool.
#[cfg(feature = "balance")]
pub(crate) const CLOSED: usize = 16;
/// How many members are looked at.
#[cfg(feature = "balance")]
pub(crate) const LOOKED_AT: usize = 1_000;

/// What a trail that explains keeps besides.
#[derive(Debug)]
pub(super) struct Explaining {
    pub(super) began: Timestamp,
    pub(super) notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Where the call is now.
    pub(super) places: Vec<Place>,
    pub(super) refusals: Vec<Refused>,
}

/// Where in a program an attempt is made: by what (`stage`, `pool`), and by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// What it is.
    pub what: &'static str,
    /// Its name.
    pub name: Arc<str>,
}

/// Why an attempt went where it went, and what it has come to so far. Times are exact to what its clock tells.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Explained {
    /// Where it was made, as [noted](super::Trail::at) further out.
    pub places: Vec<Place>,
    /// Why there is another attempt; `None` for the first.
    pub repeat: Option<Repeat>,
    /// When it began, since the trail did.
    pub began: Duration,
    /// How long it waited in queues before it began; where the context says since when.
    pub waited: Option<Duration>,
    /// From its begin to its head.
    pub head: Option<Duration>,
    /// From its begin to its first data.
    pub first_data: Option<Duration>,
    /// What it was estimated to take.
    pub estimated: Option<Cost>,
    /// What it has been [charged](super::Trail::charge): tokens and money, as far as somebody accounts for them.
    pub charged: Cost,
    /// Among whom it was picked.
    pub candidates: Candidates,
}

/// The members of a pool, as one pick found them.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Candidates {
    /// How many there were. Of more than 1,000 the others are not looked at.
    pub members: usize,
    /// How many of them could be picked.
    pub open: usize,
    /// To how many of them attempts of this call had gone before.
    pub tried: usize,
    /// Those that could not, 16 at most.
    pub closed: Vec<ClosedMember>,
}

/// A member that could not be picked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ClosedMember {
    /// The member.
    pub endpoint: Endpoint,
    /// Why, and for how long.
    pub reasons: Vec<Closed>,
}

/// A pool that had nobody for a call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refused {
    /// Which pool, as [noted](super::Trail::at) further out.
    pub places: Vec<Place>,
    /// When it gave up, since the trail began.
    pub at: Duration,
    /// Whom it had.
    pub candidates: Candidates,
}

// ===== impl Explaining =====

impl Explaining {
    pub(super) fn new() -> Self {
        Self {
            began: Timestamp::now(),
            notes: Mutex::default(),
        }
    }
}
