//! The contracts of the pool. Each is a test, by subject.
#![cfg(feature = "testing")]

use crate::protocol::Unary;
use std::time::Duration;

use tower::{Service, ServiceExt};
use tower_layer::Layer;

use super::*;
use crate::{
    BoxError, Rejection,
    cost::Cost,
    rejection::RejectionKind,
    testing::{DiscoverHandle, MockDiscover, Script, Scripted, Step, discovery},
};

#[cfg(feature = "http")]
mod bodies;
mod cancellation;
mod discovery;
mod errors;
mod explained;
mod readiness;
mod refusal;
mod removal;
mod roster;
mod streaming;

const MS: Duration = Duration::from_millis(1);
const SEC: Duration = Duration::from_secs(1);

type Pool<S, St = First> = Balance<S, St, Unary>;
type Members<S> = DiscoverHandle<&'static str, S>;

/// Picks the first member that may be picked, so that a test knows where calls go. Members stand in no order that a test
/// knows, so the first by key.
#[derive(Debug, Default)]
struct First;

impl Strategy for First {
    type State = ();
}

impl<Req> Pick<Req> for First {
    fn pick<V: View<()>>(&self, view: &V, _request: &Req) -> Option<usize> {
        (0..view.len())
            .filter(|index| view.load(*index).is_some())
            .min_by(|a, b| view.endpoint(*a).key().cmp(view.endpoint(*b).key()))
    }
}

/// A pool by [`First`], with the handle of its members.
fn pool<S>() -> (Members<S>, Pool<S>)
where
    S: Clone + Send + 'static,
{
    let (members, discover) = discovery();
    (members, BalanceLayer::bare(First).layer(discover))
}

/// A pool of scripted members.
async fn scripted<const N: usize>(scripts: [(&'static str, &Script<&'static str>); N]) -> Scene {
    let (members, pool) = pool();
    for (key, script) in scripts {
        members.insert(key, script.service());
    }
    settle().await;
    Scene { members, pool }
}

struct Scene {
    members: Members<Scripted<&'static str>>,
    pool: Pool<Scripted<&'static str>>,
}

impl Scene {
    /// One call by a clone of its own.
    fn call(&self) -> impl Future<Output = Result<&'static str, BoxError>> + Send + 'static {
        self.pool.clone().oneshot(())
    }
}

/// Lets every task that can go on go on, without time passing.
async fn settle() {
    for _ in 0..32 {
        tokio::task::yield_now().await;
    }
}

/// A readied pool.
async fn ready<S: Service<()>>(service: &mut S) -> Result<&mut S, S::Error> {
    service.ready().await
}

/// The member of this key.
fn member<S, St: Strategy, P>(
    pool: &Balance<S, St, P>,
    key: &str,
) -> crate::endpoint::EndpointSnapshot {
    let snapshot = pool.snapshot();
    let mut found = snapshot
        .members
        .into_iter()
        .filter(|member| member.endpoint.key == key);
    let member = found.next().expect("no such member");
    assert!(found.next().is_none(), "two members of one key");
    member.endpoint
}

/// Nothing is in flight, nothing reserved, and nobody waits.
#[track_caller]
fn assert_at_rest<S, St: Strategy, P>(pool: &Balance<S, St, P>) {
    for member in pool.snapshot().members {
        let endpoint = member.endpoint;
        assert_eq!(endpoint.in_flight, 0, "{}", endpoint.key);
        assert_eq!(endpoint.outstanding, Cost::ZERO, "{}", endpoint.key);
    }
    assert_eq!(pool.waiting(), (0, 0));
}

#[track_caller]
fn rejection(error: &BoxError) -> Rejection {
    *Rejection::find(&**error).unwrap_or_else(|| panic!("no rejection: {error}"))
}

#[track_caller]
fn assert_rejected<T: std::fmt::Debug>(
    result: Result<T, BoxError>,
    kind: RejectionKind,
) -> Rejection {
    let rejection = rejection(&result.expect_err("not refused"));
    assert_eq!((rejection.kind(), rejection.layer()), (kind, "balance"));
    rejection
}

fn slow(answer: &'static str, latency: Duration) -> Script<&'static str> {
    Script::new(Step::answer(answer).after(latency))
}
