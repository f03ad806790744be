use super::*;

#[test]
fn no_name_is_given_twice() {
    let mut names = std::collections::HashSet::new();
    for _ in 0..100 {
        let mut ids = Ids::default();
        assert!(names.insert(ids.answer()));
        for index in 0..100 {
            let (at, id) = ids.call(None);
            assert_eq!(at, index);
            assert!(
                id.len() <= 40 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'),
                "{id}"
            );
            assert!(names.insert(id));
        }
        assert_eq!(ids.calls(), 100);
    }
}

#[test]
fn a_name_that_there_is_stays() {
    let mut ids = Ids::default();
    assert_eq!(ids.call(Some("mine".to_owned())), (0, "mine".to_owned()));
    let (index, id) = ids.call(Some(String::new()));
    assert_eq!(index, 1);
    assert!(id.ends_with("_1"), "{id}");
}
