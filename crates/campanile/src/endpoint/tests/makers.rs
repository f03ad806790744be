use std::collections::HashSet;

use super::*;

#[test]
fn an_endpoint_has_what_it_was_built_with() {
    let endpoint = Endpoint::builder("a")
        .weight(2.5)
        .label("zone", "us")
        .label("zone", "eu")
        .build()
        .unwrap();
    assert_eq!(endpoint.key(), "a");
    assert_eq!(endpoint.to_string(), "a");
    assert_eq!(endpoint.weight(), Weight::new(2.5).unwrap());
    assert_eq!(
        endpoint.label("zone"),
        Some("eu"),
        "the last one of a name counts"
    );
    assert_eq!(endpoint.label("tier"), None);
    assert_eq!(endpoint.labels().len(), 1);
    assert_eq!(Endpoint::new("b").weight(), Weight::ONE);
}

#[test]
fn a_mistake_is_named() {
    assert_eq!(
        Endpoint::builder("").build().unwrap_err().to_string(),
        r#"endpoint key is "": it must not be empty"#
    );
    for weight in [
        0.0,
        -1.0,
        1e-7,
        f64::MIN_POSITIVE,
        1_000_000.5,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
    ] {
        let error = Endpoint::builder("a").weight(weight).build().unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!(
                "endpoint \"a\": weight is {weight}: it must be from"
            )),
            "{text}"
        );
    }
}

#[test]
fn a_weight_is_checked_wherever_it_comes_from() {
    for good in [1e-6, 0.5, 1.0, 1e6] {
        assert_eq!(Weight::new(good).unwrap().get(), good);
        let text = serde_json::to_string(&Weight::new(good).unwrap()).unwrap();
        assert_eq!(
            serde_json::from_str::<Weight>(&text).unwrap().get(),
            good,
            "{text}"
        );
    }
    for bad in ["0", "1e-300", "-0.0", "-1", "1000001", "1e300"] {
        let error = serde_json::from_str::<Weight>(bad).unwrap_err().to_string();
        assert!(
            error.contains("it must be from 0.000001 to 1000000"),
            "{error}"
        );
    }
    assert_eq!(Weight::default(), Weight::ONE);
}

#[test]
fn the_smallest_weight_is_one_in_single_precision_too() {
    let endpoint = Endpoint::builder("a").weight(1e-6).build().unwrap();
    assert!(
        (f32::MAX / 1e9 / endpoint.cell().weight()).is_finite(),
        "loads are divided by it"
    );
}

#[test]
fn a_new_weight_is_seen_by_those_who_compute_from_it() {
    let endpoint = Endpoint::new("a");
    let watcher = Watcher::of(&endpoint);
    endpoint.set_weight(Weight::new(3.0).unwrap());
    assert_eq!(endpoint.weight().get(), 3.0);
    assert_eq!(endpoint.cell().weight(), 3.0);
    assert_eq!(watcher.listener.weights.load(Ordering::Acquire), 1);
}

#[test]
fn endpoints_are_equal_by_key_and_the_same_by_handle() {
    let (a, twin, b) = (Endpoint::new("a"), Endpoint::new("a"), Endpoint::new("b"));
    assert_eq!(a, twin);
    assert_ne!(a, b);
    assert!(a.is(&a.clone()) && !a.is(&twin));
    assert_eq!(HashSet::from([a, twin, b]).len(), 2);
}

#[test]
fn a_snapshot_shows_everything_and_survives_serialisation() {
    let endpoint = Endpoint::builder("a")
        .weight(2.0)
        .label("zone", "eu")
        .build()
        .unwrap();
    assert!(endpoint.enter());
    assert!(endpoint.enter());
    endpoint.leave(Outcome::Success);
    endpoint.measurements().begin(NOW, &Cost::tokens(12));
    endpoint
        .measurements()
        .sample(NOW, Some(at(10)), None, at(50));
    endpoint.gate().close(Reason::Disabled);
    endpoint.gate().close_until(Reason::Breaker, at(3_500));

    let snapshot = endpoint.snapshot(at(500));
    assert_eq!(snapshot.key, "a");
    assert_eq!(snapshot.weight.get(), 2.0);
    assert_eq!(snapshot.labels["zone"], "eu");
    assert_eq!(snapshot.in_flight, 1);
    assert_eq!(snapshot.outstanding.tokens, 12);
    assert_eq!(snapshot.outcomes.success, 1);
    assert_eq!(snapshot.latency.head, Some(0.01));
    assert_eq!(snapshot.latency.first_data, None);
    assert_eq!(snapshot.latency.total, Some(0.05));
    assert_eq!(snapshot.idle, Some(0.5));
    let closed: Vec<_> = snapshot
        .closed
        .iter()
        .map(|closed| (closed.reason, closed.reopens_in))
        .collect();
    assert_eq!(
        closed,
        [(Reason::Breaker, Some(3.0)), (Reason::Disabled, None)]
    );

    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(
        serde_json::from_str::<EndpointSnapshot>(&text).unwrap(),
        snapshot,
        "{text}"
    );
}

// ===== cells =====

#[test]
fn a_cell_that_was_given_back_is_used_again_and_is_blank() {
    let arena = Arena::new();
    let make = |key: &str| {
        Endpoint::builder(key)
            .build_with(|| Arena::allot(&arena))
            .unwrap()
    };
    let (a, b, c) = (make("a"), make("b"), make("c"));
    assert_eq!(
        [
            a.cell_ref().slot(),
            b.cell_ref().slot(),
            c.cell_ref().slot()
        ],
        [0, 1, 2]
    );
    b.enter();
    b.cell().set_rank(7.0);
    b.gate().close(Reason::Custom);
    drop(b);
    let d = make("d");
    assert_eq!(d.cell_ref().slot(), 1, "the lowest free one");
    assert_eq!((d.in_flight(), d.cell().rank()), (0, 0.0));
    assert!(d.gate().is_open(NOW));
    drop((a, c));
}

#[test]
fn cells_do_not_overlap() {
    let arena = Arena::new();
    let endpoints: Vec<_> = (0..3_000)
        .map(|n| {
            Endpoint::builder(n.to_string())
                .build_with(|| Arena::allot(&arena))
                .unwrap()
        })
        .collect();
    for (n, endpoint) in endpoints.iter().enumerate() {
        assert_eq!(endpoint.cell_ref().slot() as usize, n);
        endpoint.cell().preset(n as u64, 0);
    }
    // As a pool finds them.
    let cells = arena.cells().unwrap();
    assert!((0..endpoints.len()).all(|n| cells.get(n).in_flight() as usize == n));
    for (n, endpoint) in endpoints.iter().enumerate() {
        assert_eq!(endpoint.in_flight() as usize, n);
    }
}

#[test]
fn an_endpoint_outlives_its_arena() {
    let arena = Arena::new();
    let endpoint = Endpoint::builder("a")
        .build_with(|| Arena::allot(&arena))
        .unwrap();
    drop(arena);
    assert!(endpoint.enter());
    assert_eq!(endpoint.in_flight(), 1);
}
