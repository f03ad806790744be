use super::*;

#[test]
fn a_reader_is_told_of_those_present_and_of_every_change() {
    let roster = Roster::new();
    roster.insert("a", 1).unwrap();
    roster.insert("b", 2).unwrap();
    let mut changes = roster.changes();
    assert_eq!(read(&mut changes), ["+a=1", "+b=2"]);
    assert_eq!(read(&mut changes), [""; 0]);
    roster.insert("c", 3).unwrap();
    roster.remove("a").unwrap();
    assert_eq!(read(&mut changes), ["+c=3", "-a"]);
    assert_eq!(roster.len(), 2);
}

#[test]
fn every_reader_is_told_everything_and_shares_the_endpoints() {
    let roster = Roster::new();
    let mut one = roster.changes();
    let endpoint = roster.insert("a", 1).unwrap();
    let mut two = roster.changes();
    assert_eq!(read(&mut one), ["+a=1"]);
    roster.insert("b", 2).unwrap();
    assert_eq!(read(&mut two), ["+a=1", "+b=2"]);
    assert_eq!(read(&mut one), ["+b=2"]);
    drop(one);
    roster.remove("a").unwrap();
    let removed = two.next().now_or_never();
    assert!(matches!(removed, Some(Some(Ok(Change::Remove(gone)))) if gone.is(&endpoint)));
}

#[test]
fn an_equal_target_keeps_the_endpoint_and_takes_the_weight() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    let first = roster.insert("a", 1).unwrap();
    first.gate().close(Reason::Breaker);
    read(&mut changes);

    let again = roster
        .insert(Endpoint::builder("a").weight(3.0), 1)
        .unwrap();
    assert!(again.is(&first));
    assert_eq!(first.weight().get(), 3.0);
    assert!(!is_open(&first), "reasons of others stay");
    assert_eq!(read(&mut changes), [""; 0], "nothing to do for the pools");
    assert_eq!(roster.len(), 1);
}

#[test]
fn another_target_or_other_labels_replace_the_member() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    let first = roster.insert("a", 1).unwrap();
    let second = roster.insert("a", 2).unwrap();
    assert!(!second.is(&first) && second == first);
    let third = roster
        .insert(Endpoint::builder("a").label("zone", "eu"), 2)
        .unwrap();
    assert!(!third.is(&second));
    assert_eq!(read(&mut changes), ["+a=1", "+a=2", "+a=2"]);
    assert!(roster.get("a").unwrap().is(&third));
    assert_eq!(roster.len(), 1);
}

#[test]
fn a_member_that_cannot_be_leaves_the_roster_as_it_was() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    let first = roster.insert("a", 1).unwrap();
    read(&mut changes);
    assert_eq!(roster.insert("", 1).unwrap_err(), InvalidEndpoint::EmptyKey);
    assert!(
        roster
            .insert(Endpoint::builder("a").weight(f64::NAN), 1)
            .is_err()
    );
    assert_eq!(roster.len(), 1);
    assert_eq!(first.weight(), Weight::ONE);
    assert_eq!(read(&mut changes), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_member_is_named() {
    let roster = Roster::<u32>::new();
    let unknown = UnknownMember("a".to_owned());
    assert_eq!(roster.remove("a").unwrap_err(), unknown);
    assert_eq!(roster.set_weight("a", Weight::ONE).unwrap_err(), unknown);
    assert_eq!(roster.disable("a").unwrap_err(), unknown);
    assert_eq!(roster.enable("a").unwrap_err(), unknown);
    assert_eq!(roster.drain("a", Duration::ZERO).unwrap_err(), unknown);
    assert_eq!(roster.get("a"), None);
    assert!(roster.is_empty());
    assert_eq!(unknown.to_string(), r#"the roster has no member "a""#);
}

#[test]
fn a_member_is_weighted_anew_and_switched_off_and_on() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    roster.set_weight("a", Weight::new(2.0).unwrap()).unwrap();
    assert_eq!(endpoint.weight().get(), 2.0);
    roster.disable("a").unwrap();
    assert!(
        endpoint
            .gate()
            .is_closed_for(Reason::Disabled, Timestamp::now())
    );
    assert_eq!(roster.snapshot()[0].closed[0].reason, Reason::Disabled);
    roster.insert("a", 1).unwrap();
    assert!(!is_open(&endpoint), "an operator's word outlasts discovery");
    roster.enable("a").unwrap();
    assert!(is_open(&endpoint));
}

#[test]
fn a_removed_member_takes_no_call_even_before_its_pools_know() {
    let roster = Roster::new();
    let endpoint = roster.insert("a", 1).unwrap();
    assert!(roster.remove("a").unwrap().is(&endpoint));
    assert!(!endpoint.enter());
    let back = roster.insert("a", 1).unwrap();
    assert!(
        !back.is(&endpoint) && back.enter(),
        "a member of that key is a new one"
    );
}

#[test]
fn snapshots_are_in_the_order_of_keys() {
    let roster = Roster::new();
    for key in ["c", "a", "b"] {
        roster.insert(key, 0).unwrap();
    }
    let keys: Vec<_> = roster
        .snapshot()
        .into_iter()
        .map(|member| member.key)
        .collect();
    assert_eq!(keys, ["a", "b", "c"]);
    assert_eq!(roster.endpoints().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn changes_end_with_the_last_handle() {
    let roster = Roster::new();
    let copy = roster.clone();
    let mut changes = roster.changes();
    drop(roster);
    let reader = tokio::spawn(async move {
        let mut told = Vec::new();
        while let Some(Ok(change)) = changes.next().await {
            told.push(matches!(change, Change::Insert(..)));
        }
        told
    });
    yield_now().await;
    copy.insert("a", 1).unwrap();
    yield_now().await;
    assert!(!reader.is_finished(), "a handle is left");
    copy.remove("a").unwrap();
    drop(copy);
    assert_eq!(
        reader.await.unwrap(),
        [true, false],
        "what was said before the end is heard"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_waits_is_woken() {
    let roster = Roster::new();
    let mut changes = roster.changes();
    let reader = tokio::spawn(async move { changes.next().await.is_some() });
    yield_now().await;
    assert!(!reader.is_finished());
    roster.insert("a", 1).unwrap();
    assert!(reader.await.unwrap());
}

#[test]
fn a_hundred_thousand_members_come_in_the_order_of_their_cells() {
    const MANY: usize = 100_000;
    let roster = Roster::new();
    let mut early = roster.changes();
    for n in 0..MANY {
        roster.insert(n.to_string(), n).unwrap();
    }
    let mut late = roster.changes();
    assert_eq!(roster.len(), MANY);
    for changes in [&mut early, &mut late] {
        let mut next = 0;
        while let Some(Some(Ok(Change::Insert(endpoint, target)))) = changes.next().now_or_never() {
            assert_eq!((endpoint.cell_ref().slot() as usize, target), (next, next));
            next += 1;
        }
        assert_eq!(next, MANY);
    }
}

#[test]
fn a_roster_shows_its_members_and_not_their_targets() {
    let roster = Roster::new();
    roster.insert("a", "https://user:secret@example").unwrap();
    let shown = format!("{roster:?} {:?}", roster.changes());
    assert!(
        shown.contains("\"a\"") && !shown.contains("secret"),
        "{shown}"
    );
}
