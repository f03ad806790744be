use crate::replay::Replay;

/// Batches that fail are not split, and no request is kept. The default.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSplit;

// ===== impl NoSplit =====

impl<Req> Replay<Req> for NoSplit {
    type Request = Req;
    type Kept = ();

    fn keep(&self, request: Req) -> (Req, ()) {
        (request, ())
    }

    fn is_whole(&self, (): &()) -> bool {
        false
    }

    fn again(&self, (): &mut ()) -> Option<Req> {
        None
    }
}
