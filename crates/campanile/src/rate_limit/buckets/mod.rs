//! Where a limiter keeps its buckets: one for all, or one for each key.

use super::state::{Cells, Dials, Gauges, Line, Order};
use crate::time::Timestamp;

mod keyed;
mod single;

pub use keyed::Keyed;
pub use single::Single;

/// The calls that wait for a bucket. Boxed, since few buckets have any.
pub(super) type Queue = Option<Box<Line>>;

/// Which bucket a call was counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Its key's own.
    Own,
    /// That of the keys beyond the most that are told apart.
    Shared,
}

/// The state of the meters at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    pub(in super::super) gauges: Gauges,
    pub(in super::super) now: Timestamp,
}

/// Buckets by key.
pub trait Store: Send + Sync + 'static {
    /// What they are told apart by.
    type Key: Clone + Send + Sync + 'static;

    /// No buckets, or one; `keys` are told apart at most.
    fn make(keys: usize) -> Self;

    /// Takes what a call takes, unless others wait; says whether the bucket is empty then.
    fn take(&self, key: &Self::Key, dials: &impl Dials, order: &Order<'_>)
    -> Option<(Place, bool)>;

    /// Looks at a bucket and its queue, undisturbed by others that do. A bucket that is not there is made.
    fn visit<R>(
        &self,
        key: &Self::Key,
        place: Option<Place>,
        moment: &Moment,
        look: impl FnOnce(Place, &dyn Cells, &mut Queue) -> R,
    ) -> R;

    /// Changes a bucket, which is made if `moment` is there for it.
    fn touch(
        &self,
        key: &Self::Key,
        place: Place,
        moment: Option<&Moment>,
        change: impl FnOnce(&dyn Cells),
    );

    /// Wakes the first of a queue, who may go earlier than it thinks.
    fn wake(&self, key: &Self::Key, place: Place);

    /// Wakes the first of every queue.
    fn wake_all(&self);

    /// How many wait.
    fn waiting(&self) -> usize;

    /// How many keys are told apart, if any are.
    fn keys(&self) -> Option<usize>;

    /// The one bucket, if there is but one.
    fn whole(&self) -> Option<&dyn Cells>;
}
