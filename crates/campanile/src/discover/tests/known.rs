use super::*;

#[test]
fn a_key_that_is_no_endpoint_keeps_its_endpoint_while_it_is_a_member() {
    let mut known = Known::default();
    let first = known.insert(&7_u32);
    assert_eq!(first.key(), "7");
    assert!(known.insert(&7_u32).is(&first), "inserted again");
    let other = known.insert(&8_u32);
    assert!(!other.is(&first));
    assert!(
        known.remove(&7_u32).is(&first),
        "and it is the one that leaves"
    );
    // It is forgotten then: whoever comes later is another.
    let later = known.insert(&7_u32);
    assert!(!later.is(&first));
    assert!(known.remove(&7_u32).is(&later));
    assert!(known.remove(&8_u32).is(&other));
}

#[test]
fn a_key_that_is_an_endpoint_is_itself() {
    let mut known = Known::default();
    let (endpoint, twin) = (Endpoint::new("a"), Endpoint::new("a"));
    assert!(known.insert(&endpoint).is(&endpoint));
    assert!(known.insert(&twin).is(&twin), "though the key is the same");
    assert!(known.remove(&endpoint).is(&endpoint));
}

#[test]
fn a_stranger_that_leaves_is_named_all_the_same() {
    let mut known = Known::default();
    assert_eq!(known.remove(&"nobody").key(), "nobody");
    known.insert(&"a");
    assert_eq!(format!("{known:?}"), r#"{"a"}"#);
}
