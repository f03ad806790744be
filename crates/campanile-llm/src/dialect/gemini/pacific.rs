//! The time of day in California, where Google's limits of a day begin anew.

use std::time::{Duration, SystemTime};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// The year 9999, after which nobody waits.
const LAST: i64 = 253_402_300_799;

/// How long it is until midnight there. Never 0, never more than 25 hours.
pub(super) fn until_midnight(now: SystemTime) -> Duration {
    let now = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    let seconds = i64::try_from(now.as_secs()).unwrap_or(LAST).min(LAST);
    let next = (seconds - offset(seconds)).div_euclid(DAY) + 1;
    // The clocks are changed at two in the morning, so an hour around midnight makes no difference.
    let midnight = next * DAY + offset(next * DAY + 8 * HOUR);
    Duration::from_secs(midnight.saturating_sub(seconds).unsigned_abs())
}

/// How far its clocks are behind. Summer time is from the second Sunday of March to the first of November, at two in the
/// morning by the clocks as they are until then (Energy Policy Act of 2005).
fn offset(seconds: i64) -> i64 {
    let year = year(seconds.div_euclid(DAY));
    let begins = sunday(days(year, 3, 8)) * DAY + 10 * HOUR;
    let ends = sunday(days(year, 11, 1)) * DAY + 9 * HOUR;
    if (begins..ends).contains(&seconds) {
        7 * HOUR
    } else {
        8 * HOUR
    }
}

/// The first Sunday from this day on. The first of January 1970 was a Thursday.
const fn sunday(day: i64) -> i64 {
    day + (3 - day).rem_euclid(7)
}

/// Days since 1970.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years begin in March here, so that the day that leaps is their last.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

const fn year(day: i64) -> i64 {
    // 400 years have 146,097 days; this may be a year off.
    let about = 1970 + (day * 400).div_euclid(146_097);
    if days(about + 1, 1, 1) <= day {
        about + 1
    } else if days(about, 1, 1) > day {
        about - 1
    } else {
        about
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn utc(year: i64, month: i64, day: i64, hour: i64) -> u64 {
        u64::try_from(days(year, month, day) * DAY + hour * HOUR).unwrap()
    }

    #[test]
    fn days_are_counted_as_by_others() {
        // By `date -u -d YEAR-MONTH-DAY +%s`.
        for ((year, month, day), seconds) in [
            ((1970, 1, 1), 0),
            ((2000, 2, 29), 951_782_400),
            ((2026, 11, 21), 1_795_219_200),
            ((2100, 3, 1), 4_107_542_400),
        ] {
            assert_eq!(utc(year, month, day, 0), seconds, "{year}-{month}-{day}");
        }
    }

    #[test]
    fn a_day_ends_at_midnight_in_summer_and_in_winter() {
        let hours = |now: u64| until_midnight(at(now)).as_secs() as f64 / 3_600.0;
        // Noon in winter, at 20 o'clock in Greenwich; in summer, at 19.
        assert_eq!(hours(utc(2026, 1, 15, 20)), 12.0);
        assert_eq!(hours(utc(2026, 7, 15, 19)), 12.0);
        // A moment before midnight, and at it.
        assert_eq!(until_midnight(at(utc(2026, 1, 15, 8) - 1)).as_secs(), 1);
        assert_eq!(hours(utc(2026, 1, 15, 8)), 24.0);
        // The days on which the clocks are changed: the 8th of March and the 1st of November 2026.
        assert_eq!(hours(utc(2026, 3, 8, 8)), 23.0);
        assert_eq!(hours(utc(2026, 3, 9, 7)), 24.0);
        assert_eq!(hours(utc(2026, 11, 1, 7)), 25.0);
        assert_eq!(hours(utc(2026, 11, 2, 8)), 24.0);
    }

    proptest! {
        #[test]
        fn no_wait_is_longer_than_a_day(seconds in any::<u64>()) {
            let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
            if let Some(now) = now {
                let wait = until_midnight(now).as_secs();
                prop_assert!(seconds > LAST as u64 || (1..=25 * 3_600).contains(&wait), "{}", wait);
            }
        }

        #[test]
        fn midnight_comes_nearer(seconds in 0..LAST as u64 - 2) {
            let (now, next) = (until_midnight(at(seconds)), until_midnight(at(seconds + 1)));
            prop_assert!(now - Duration::from_secs(1) == next || now == Duration::from_secs(1));
        }
    }
}
