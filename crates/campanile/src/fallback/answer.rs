use std::{future::Future, pin::Pin, sync::Arc};

use super::{Backup, Failed, Keep, When};

/// The answer from elsewhere. Boxed, since few calls fail and all would carry its size.
pub(super) type BoxFuture<Res, Err> = Pin<Box<dyn Future<Output = Result<Res, Err>> + Send>>;

/// What answers, and when. Its types are erased, so that a service over it has no bound that relates its error to that of
/// another service: such a bound is asked for each lifetime anew, and an async block over a boxed error would not be `Send`.
pub(super) type Elsewhere<Kept, Res, Err> = Arc<dyn Answer<Kept, Res, Err>>;

pub(super) trait Answer<Kept, Res, Err>: Send + Sync {
    /// Answers a call that failed, or gives its own answer back.
    fn answer(
        &self,
        kept: Kept,
        failed: Failed<Res, Err>,
    ) -> Result<BoxFuture<Res, Err>, Result<Res, Err>>;
}

pub(super) struct Rule<B, W, Req> {
    pub(super) backup: B,
    pub(super) when: W,
    pub(super) request: std::marker::PhantomData<fn(Req)>,
}

impl<B, W, Req, Res, Err> Answer<<B as Keep<Req>>::Kept, Res, Err> for Rule<B, W, Req>
where
    B: Backup<Req, Res, Err> + Send + Sync,
    B::Future: Send + 'static,
    W: When<Res, Err> + Send + Sync,
    Err: 'static,
{
    fn answer(
        &self,
        kept: B::Kept,
        failed: Failed<Res, Err>,
    ) -> Result<BoxFuture<Res, Err>, Result<Res, Err>> {
        if !self.when.falls_back(failed.outcome, failed.result.as_ref()) {
            return Err(failed.result);
        }
        Ok(Box::pin(self.backup.answer(kept, failed)))
    }
}
