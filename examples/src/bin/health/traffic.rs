//! Callers that never stop, and what became of their calls.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::body::Body;
use http::Request;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::Pool;

const CALLERS: usize = 8;

#[derive(Debug)]
pub(crate) struct Traffic {
    tally: Arc<Mutex<Tally>>,
    callers: JoinSet<()>,
}

/// Answers by upstream, since it was last asked.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    pub(crate) answered: BTreeMap<String, u32>,
    pub(crate) failed: BTreeMap<String, u32>,
}

// ===== impl Traffic =====

impl Traffic {
    pub(crate) fn start(pool: Pool) -> Self {
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (pool, tally) = (pool.clone(), Arc::clone(&tally));
            callers.spawn(async move {
                loop {
                    let whose = call(pool.clone()).await;
                    let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
                    let count = match whose {
                        Ok(name) => tally.answered.entry(name),
                        Err(name) => tally.failed.entry(name),
                    };
                    *count.or_default() += 1;
                }
            });
        }
        Self { tally, callers }
    }

    /// What became of the calls since it was last asked.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn stop(mut self) {
        self.callers.abort_all();
    }
}

/// Who answered, or who failed.
async fn call(pool: Pool) -> Result<String, String> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = http::Uri::from_static("/work");
    let response = pool
        .oneshot(request)
        .await
        .map_err(|error| error.to_string())?;
    let well = response.status().is_success();
    let body = response
        .into_body()
        .collect()
        .await
        .map_err(|error| error.to_string())?;
    let name = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if well { Ok(name) } else { Err(name) }
}
