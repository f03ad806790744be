use std::fmt;

use crossbeam_utils::CachePadded;

use super::{Moment, Place, Queue, Store};
use crate::{
    rate_limit::state::{Cells, Dials, Order, Shared, bucket},
    sync::{AtomicUsize, Mutex, Ordering, lock},
};

/// One bucket for all calls. Without a lock, unless calls wait.
pub struct Single {
    cells: CachePadded<Shared>,
    /// How many wait. Set under the lock of the queue.
    ///
    /// # Correctness
    ///
    /// A call joins the queue, which sets this, then looks at the bucket. Whoever gives back changes the bucket, then
    /// looks at this. All four are sequentially consistent, so one of the two sees the other: no lost wake-up.
    waiting: AtomicUsize,
    queue: Mutex<Queue>,
}

// ===== impl Single =====

impl Single {
    pub(in crate::rate_limit) fn cells(&self) -> &Shared {
        &self.cells
    }

    #[cold]
    fn wake_first(&self) {
        let waker = lock(&self.queue).as_mut().and_then(|line| line.first());
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Store for Single {
    type Key = ();

    fn make(_keys: usize) -> Self {
        Self {
            cells: CachePadded::new(bucket::shared()),
            waiting: AtomicUsize::new(0),
            queue: Mutex::new(None),
        }
    }

    #[inline]
    fn take(&self, (): &(), dials: &impl Dials, order: &Order<'_>) -> Option<(Place, bool)> {
        if self.waiting.load(Ordering::Relaxed) != 0 {
            return None;
        }
        let empty = bucket::take(&*self.cells, dials, order)?;
        Some((Place::Own, empty))
    }

    fn visit<R>(
        &self,
        (): &(),
        _place: Option<Place>,
        _moment: &Moment,
        look: impl FnOnce(Place, &dyn Cells, &mut Queue) -> R,
    ) -> R {
        let mut queue = lock(&self.queue);
        let seen = look(Place::Own, &*self.cells, &mut queue);
        let waiting = queue.as_ref().map_or(0, |line| line.len());
        self.waiting.store(waiting, Ordering::SeqCst);
        seen
    }

    #[inline]
    fn touch(
        &self,
        (): &(),
        _place: Place,
        _moment: Option<&Moment>,
        change: impl FnOnce(&dyn Cells),
    ) {
        change(&*self.cells);
    }

    #[inline]
    fn wake(&self, (): &(), _place: Place) {
        if self.waiting.load(Ordering::SeqCst) != 0 {
            self.wake_first();
        }
    }

    fn wake_all(&self) {
        self.wake(&(), Place::Own);
    }

    fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    fn keys(&self) -> Option<usize> {
        None
    }

    fn whole(&self) -> Option<&dyn Cells> {
        Some(&*self.cells)
    }
}

impl fmt::Debug for Single {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Single")
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}
