use super::{
    record::{GAPS, KINDS, Kind, Mark, Record, WAIT, ended, outcomes, tick},
    *,
};

fn kind() -> impl Strategy<Value = Kind> {
    1..KINDS as Kind
}

proptest! {
    #[test]
    fn a_record_says_what_was_put_into_it(
        kind in kind(),
        marks in prop::array::uniform3(0_u16..=2_047),
        nanos in 0_u64..1 << 60,
        ahead in -250_000_000_000_000_i64..250_000_000_000_000,
        waited in any::<bool>(),
    ) {
        let then = Timestamp::from_nanos(nanos);
        let mut record = Record::new(kind, marks.map(Mark), then);
        if waited {
            record = record.with_wait();
        }
        prop_assert_eq!(Record::from_word(record.word()), Some(record));
        prop_assert_eq!(record.kind(), kind);
        prop_assert_eq!(record.marks(), marks.map(Mark));
        prop_assert_eq!(record.waited(), waited);
        // Within 2.8 days on either side.
        let now = Timestamp::from_nanos(nanos.saturating_add_signed(ahead));
        prop_assert_eq!(record.tick(tick(now)), tick(then));
        let bare = Record::from_body(record.body());
        prop_assert_eq!((bare.kind(), bare.marks()), (record.kind(), record.marks()));
        prop_assert_eq!(bare.waited(), waited);
    }
}

#[test]
fn kinds_of_failures_are_in_the_order_in_which_they_are_told() {
    for (at, failure) in FailureKind::ALL.into_iter().enumerate() {
        let mut counts = [0; KINDS];
        counts[usize::from(ended(Outcome::Failure(failure)))] = 1;
        let told = outcomes(&counts);
        assert_eq!((told.failure[at], told.total()), (1, 1));
    }
}

#[test]
fn calls_and_other_records_have_kinds_of_their_own() {
    for outcome in [Outcome::Success, Outcome::Cancelled, Outcome::Ignored] {
        assert!((1..GAPS).contains(&ended(outcome)));
    }
    assert!(GAPS != WAIT && usize::from(WAIT) < KINDS);
    assert_eq!(Record::from_word(0), None);
}
