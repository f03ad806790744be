use proptest::prelude::*;

use super::*;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(1).after(Duration::from_secs(seconds))
}

#[test]
fn a_quarter_of_them_in_a_quarter_of_an_hour() {
    let mut cap = Cap::new(8);
    assert!(cap.take(at(0)));
    assert!(cap.take(at(0)));
    assert!(!cap.take(at(899)));
    assert_eq!(cap.free_at(), at(900));
    assert!(cap.take(at(900)));
    assert!(cap.take(at(1000)));
    assert_eq!(cap.free_at(), at(1800));
}

#[test]
fn one_an_hour_is_one_an_hour() {
    let mut cap = Cap::new(1);
    assert!(cap.take(at(0)));
    assert!(!cap.take(at(3599)));
    assert!(cap.take(at(3600)));
    assert_eq!(cap.free_at(), at(7200));
}

#[test]
fn it_keeps_no_more_than_an_hour() {
    let mut cap = Cap::new(u32::MAX);
    for seconds in 0..3 * 3600 {
        assert!(cap.take(at(seconds)));
    }
    assert_eq!(cap.taken.len(), 3600);
}

proptest! {
    #[test]
    fn no_hour_has_more(per_hour in 1u32..50, steps in prop::collection::vec(0u64..400, 1..400)) {
        let mut cap = Cap::new(per_hour);
        let mut now = 0;
        let mut taken = Vec::new();
        for step in steps {
            now += step;
            let free = cap.free_at();
            let took = cap.take(at(now));
            prop_assert_eq!(took, free <= at(now), "it is free when it says so");
            if took {
                taken.push(now);
            }
        }
        for (window, most) in [(3600, per_hour), (900, per_hour.div_ceil(4))] {
            for from in &taken {
                let within = taken.iter().filter(|at| (*from..*from + window).contains(*at));
                prop_assert!(within.count() <= most as usize);
            }
        }
    }
}
