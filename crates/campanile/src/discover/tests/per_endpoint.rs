use std::collections::VecDeque;

use futures_core::Stream;
use tower::ServiceBuilder;
use tower::discover::{Discover, ServiceList};
use tower_layer::Layer;

use super::*;

/// A discovery that says what it was told to.
struct Script<K, S>(VecDeque<Result<Change<K, S>, &'static str>>);

impl<K: Unpin, S: Unpin> Stream for Script<K, S> {
    type Item = Result<Change<K, S>, &'static str>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front())
    }
}

type Told<D> =
    Result<Change<<D as Discover>::Key, <D as Discover>::Service>, <D as Discover>::Error>;

fn next<D: Discover + Unpin>(discover: &mut D) -> Option<Told<D>> {
    let mut context = Context::from_waker(std::task::Waker::noop());
    match Pin::new(discover).poll_discover(&mut context) {
        Poll::Ready(change) => change,
        Poll::Pending => panic!("nothing to say"),
    }
}

#[test]
fn a_stack_is_built_with_the_rosters_endpoint() {
    let roster = Roster::new();
    let endpoint = roster
        .insert(Endpoint::builder("a").label("zone", "eu"), 7)
        .unwrap();
    let layer = PerEndpointLayer::new(|endpoint: &Endpoint, target: i32| {
        endpoint.gate().close(Reason::Custom);
        (endpoint.label("zone").map(str::to_owned), target * 2)
    });
    let mut members = ServiceBuilder::new().layer(layer).service(roster.changes());
    let Some(Ok(Change::Insert(key, service))) = next(&mut members) else {
        panic!("an insertion");
    };
    assert!(key.is(&endpoint));
    assert_eq!(service, (Some("eu".to_owned()), 14));
    assert!(!is_open(&endpoint), "the stack has its endpoint's gate");

    roster.remove("a").unwrap();
    assert!(matches!(next(&mut members), Some(Ok(Change::Remove(gone))) if gone.is(&endpoint)));
}

#[test]
fn plain_keys_become_endpoints_of_their_name() {
    // As of `ServiceList`, whose keys are numbers; it takes services, so a script stands in.
    let script = Script(VecDeque::from([
        Ok(Change::Insert(0_usize, "x")),
        Ok(Change::Insert(1, "y")),
        Ok(Change::Remove(0)),
        Err("gone"),
        Ok(Change::Insert(0, "z")),
    ]));
    let mut built = 0;
    let mut members = PerEndpointLayer::new(move |_: &Endpoint, target: &'static str| {
        built += 1;
        format!("{target}{built}")
    })
    .layer(script);
    let mut told = Vec::new();
    while let Some(change) = next(&mut members) {
        told.push(match change {
            Ok(Change::Insert(key, service)) => format!("+{key}={service}"),
            Ok(Change::Remove(key)) => format!("-{key}"),
            Err(error) => error.to_owned(),
        });
    }
    assert_eq!(told, ["+0=x1", "+1=y2", "-0", "gone", "+0=z3"]);
}

#[test]
fn a_list_of_services_is_a_source_of_members() {
    let service = |n: u32| tower::service_fn(move |()| async move { Ok::<_, crate::BoxError>(n) });
    let list = ServiceList::new::<()>(vec![service(1), service(2)]);
    let mut members = PerEndpointLayer::new(|_: &Endpoint, service| {
        ServiceBuilder::new().concurrency_limit(1).service(service)
    })
    .layer(list);
    for name in ["0", "1"] {
        let Some(Ok(Change::Insert(key, mut service))) = next(&mut members) else {
            panic!("an insertion");
        };
        assert_eq!(key.key(), name);
        let ready = tower::ServiceExt::<()>::ready(&mut service);
        assert!(ready.now_or_never().is_some());
    }
    assert!(next(&mut members).is_none());
}

#[test]
fn a_key_is_its_endpoint_if_it_is_one() {
    let endpoint = Endpoint::new("a");
    assert!(Key::endpoint(&endpoint).is_some_and(|same| same.is(&endpoint)));
    assert!(Key::endpoint(&7_u32).is_none());
    assert!(Key::endpoint(&"a".to_owned()).is_none());
}
