use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use campanile::{
    Call, Rejection,
    context::{Repeat, Trail},
    cost::Cost,
    rejection::RejectionKind,
};
use futures_util::{FutureExt, future::BoxFuture};
use tower::{Service, ServiceExt, util::BoxCloneSyncService};

use super::*;
use crate::{
    chat::ChatRequest,
    error::{Class, Error},
};

mod attempts;
mod by_model;
mod changes;
mod embeddings;
mod fallbacks;
mod filtered;
mod peers;
#[cfg(feature = "pool")]
mod picks;
#[cfg(feature = "pool")]
mod pools;

type Group = BoxCloneSyncService<Call<ChatRequest>, String, Error>;
type Seen = Arc<Mutex<Vec<(String, Call<ChatRequest>)>>>;

/// A group that notes its calls, and answers them by a function: with its name and the model, or with an error.
fn group(
    name: &'static str,
    seen: &Seen,
    answer: impl Fn() -> Result<(), Error> + Clone + Send + Sync + 'static,
) -> (&'static str, Group) {
    let seen = Arc::clone(seen);
    let service = tower::service_fn(move |call: Call<ChatRequest>| {
        let result = answer().map(|()| format!("{name}/{}", call.message.model()));
        seen.lock().unwrap().push((name.to_owned(), call));
        async move { result }
    });
    (name, BoxCloneSyncService::new(service))
}

fn well(name: &'static str, seen: &Seen) -> (&'static str, Group) {
    group(name, seen, || Ok(()))
}

fn failing(name: &'static str, seen: &Seen, class: Class) -> (&'static str, Group) {
    group(name, seen, move || Err(Error::new(class, name)))
}

fn ask(model: &str) -> Call<ChatRequest> {
    Call::new(ChatRequest::new(model).user("hi"))
}

fn config(json: serde_json::Value) -> RouterConfig {
    serde_json::from_value(json).unwrap()
}

async fn answer(router: &Router<Group>, call: Call<ChatRequest>) -> Result<String, Error> {
    let mut router = router.clone();
    router.ready().await.unwrap().call(call).await
}

#[test]
fn a_router_is_shared_by_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<Router<Group>>();
    is_shared::<RouterHandle<Group>>();
}
