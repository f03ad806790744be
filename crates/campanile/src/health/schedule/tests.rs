use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::{
    endpoint::Endpoint,
    health::{Fleet, PanicThreshold},
};

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1).after(Duration::from_secs(seconds))
}

fn ids(count: usize) -> Vec<MemberId> {
    let fleet = Fleet::new(PanicThreshold(0.0));
    let endpoint = Endpoint::new("a");
    (0..count).map(|_| fleet.join(&endpoint, at(0))).collect()
}

#[test]
fn who_has_been_due_for_longest_comes_first() {
    let ids = ids(3);
    let mut schedule = Schedule::default();
    schedule.put(ids[0], Place::Due(at(3)));
    schedule.put(ids[1], Place::Due(at(1)));
    schedule.put(ids[2], Place::Due(at(2)));
    assert_eq!(schedule.first_due(at(0)), None);
    assert_eq!(schedule.first_due(at(9)), Some(ids[1]));
    schedule.put(ids[1], Place::Running(at(20)));
    assert_eq!(schedule.first_due(at(9)), Some(ids[2]));
    schedule.remove(ids[2]);
    assert_eq!(schedule.first_due(at(9)), Some(ids[0]));
    assert_eq!(schedule.place(ids[2]), None);
}

#[test]
fn what_is_next_depends_on_what_can_begin() {
    let ids = ids(3);
    let mut schedule = Schedule::default();
    assert_eq!(schedule.next(true, at(0)), None);
    schedule.put(ids[0], Place::Due(at(3)));
    schedule.put(ids[1], Place::Running(at(10)));
    assert_eq!(schedule.next(true, at(0)), Some(at(3)));
    assert_eq!(schedule.next(false, at(0)), Some(at(10)));
    assert_eq!(schedule.first_late(at(9)), None);
    assert_eq!(schedule.first_late(at(10)), Some(ids[1]));
    schedule.put(ids[2], Place::Waiting(1));
    assert_eq!(schedule.next(true, at(2)), Some(at(2)));
    assert_eq!(schedule.next(true, at(4)), Some(at(3)));
    assert_eq!(schedule.next(false, at(2)), Some(at(10)));
    assert_eq!(schedule.first_waiting(), Some(ids[2]));
}

#[test]
fn intervals_vary_by_the_jitter() {
    let config = HealthConfig::default();
    let of = |state, first, chance| interval(&config, state, first, chance).as_secs_f64();
    for (chance, healthy, unhealthy, first) in [
        (0.0, 48.0, 240.0, 0.0),
        (0.5, 60.0, 300.0, 30.0),
        (1.0, 72.0, 360.0, 60.0),
    ] {
        assert_eq!(of(HealthState::Healthy, false, chance), healthy);
        assert_eq!(of(HealthState::Unknown, false, chance), healthy);
        assert_eq!(of(HealthState::Unhealthy, false, chance), unhealthy);
        assert_eq!(of(HealthState::Healthy, true, chance), first);
    }
    let even = config.with_jitter(0.0);
    for first in [true, false] {
        let interval = interval(&even, HealthState::Healthy, first, 0.3);
        assert_eq!(interval, Duration::from_secs(60));
    }
}

proptest! {
    /// Beside a model that looks at all members each time.
    #[test]
    fn the_lists_agree_with_the_places(
        moves in prop::collection::vec((0usize..8, 0u8..4, 0u64..20), 0..200),
        now in 0u64..20,
    ) {
        let ids = ids(8);
        let mut schedule = Schedule::default();
        let mut model = BTreeMap::new();
        for (member, kind, seconds) in moves {
            let id = ids[member];
            let place = match kind {
                0 => Place::Due(at(seconds)),
                1 => Place::Running(at(seconds)),
                2 => Place::Waiting(seconds),
                _ => {
                    schedule.remove(id);
                    model.remove(&id);
                    continue;
                }
            };
            schedule.put(id, place);
            model.insert(id, place);
        }
        let places = || model.iter().map(|(id, place)| (*place, *id));
        let due = places().filter_map(|(place, id)| match place {
            Place::Due(at) => Some((at, id)),
            _ => None,
        });
        let late = places().filter_map(|(place, id)| match place {
            Place::Running(until) => Some((until, id)),
            _ => None,
        });
        let waiting = places().filter_map(|(place, id)| match place {
            Place::Waiting(number) => Some((number, id)),
            _ => None,
        });
        let over = |first: Option<(Timestamp, MemberId)>| {
            first.filter(|(time, _)| *time <= at(now)).map(|(_, id)| id)
        };
        prop_assert_eq!(schedule.first_due(at(now)), over(due.min()));
        prop_assert_eq!(schedule.first_late(at(now)), over(late.min()));
        prop_assert_eq!(schedule.first_waiting(), waiting.min().map(|(_, id)| id));
    }
}
