//! Where ids come from, and that they stay the same.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use proptest::prelude::*;

use super::*;
use crate::trace::id::new_id;

type Seen = Arc<Mutex<Vec<Option<Arc<str>>>>>;

/// A service that notes the ids of its calls.
fn noting(
    seen: &Seen,
) -> impl Service<Call<()>, Response = (), Error = BoxError, Future: Send> + Clone + use<> {
    let seen = Arc::clone(seen);
    tower::service_fn(move |call: Call<()>| {
        seen.lock().unwrap().push(call.context.id);
        async { Ok::<_, BoxError>(()) }
    })
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_id_gets_one_that_all_further_in_share() {
    for (level, only) in [
        (LevelFilter::INFO, "campanile::call"),
        (LevelFilter::TRACE, "campanile::attempt"),
        (LevelFilter::TRACE, "campanile::endpoint"),
        (LevelFilter::TRACE, "campanile::"),
    ] {
        let (capture, _guard) = Capture::of(level, only);
        let seen = Seen::default();
        let service = ServiceBuilder::new()
            .layer(TraceLayer::stage("chat").calls())
            .layer(TraceLayer::attempt().calls())
            .layer(TraceLayer::endpoint(&Endpoint::new("a")).calls())
            .service(noting(&seen));
        service.oneshot(Call::new(())).await.unwrap();
        let id = seen.lock().unwrap()[0].clone().expect("an id");
        assert!(id.len() == 32 && is_id(&id), "{id}");
        for name in ["call", "attempt", "endpoint"] {
            for span in capture.spans(name) {
                assert_eq!(span.get("id"), &*id, "{only}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn where_no_span_is_on_no_id_is_made() {
    let (capture, _guard) = Capture::of(LevelFilter::WARN, "campanile::");
    let seen = Seen::default();
    let service = TraceLayer::stage("chat").calls().layer(noting(&seen));
    service.oneshot(Call::new(())).await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [None]);
    assert!(stage(&down()).oneshot(Call::new(())).await.is_err());
    assert!(is_id(capture.line().get("id")), "the line has one");
}

#[tokio::test(start_paused = true)]
async fn requests_that_carry_no_context_have_one_id_and_not_several() {
    let (capture, _guard) = Capture::all();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::stage("chat"))
        .layer(TraceLayer::attempt())
        .service(down().service());
    assert!(service.oneshot(()).await.is_err());
    assert!(is_id(capture.span("call").get("id")));
    assert_eq!(capture.line().get("id"), capture.span("call").get("id"));
    let attempt = capture.span("attempt");
    assert_eq!(
        (attempt.get("id"), capture.parent(&attempt)),
        ("", Some("call"))
    );
}

#[test]
fn ids_are_random_and_serve_as_trace_ids() {
    let ids: HashSet<_> = (0..1_000).map(|_| new_id()).collect();
    assert_eq!(ids.len(), 1_000);
    for id in ids {
        assert_eq!(
            trace_id(&format!("00-{id}-00f067aa0ba902b7-01")),
            Some(&*id)
        );
    }
}

#[test]
fn a_traceparent_is_read_as_its_standard_says() {
    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    for good in [
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-the-future-brings",
    ] {
        assert_eq!(trace_id(good), Some(ID), "{good}");
    }
    for bad in [
        "",
        "00",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
    ] {
        assert_eq!(trace_id(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn an_id_from_outside_breaks_no_line(text in "\\PC{0,140}|[ -~\\n\\t]{0,140}") {
        let sound = !text.is_empty() && text.len() <= 128 && text.chars().all(|char| ('!'..='~').contains(&char));
        prop_assert_eq!(is_id(&text), sound);
    }

    #[test]
    fn whatever_a_traceparent_holds_its_id_is_one(text in "[0-9a-f-]{0,60}") {
        if let Some(id) = trace_id(&text) {
            prop_assert!(is_id(id) && id.len() == 32);
        }
    }
}
