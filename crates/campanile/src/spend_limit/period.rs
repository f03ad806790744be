use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::time::nanos;

/// How long a budget lasts until there is another.
///
/// Written as `minute`, `hour`, `day`, `week`, `month`, `forever`, or as a duration such as `36h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Period {
    /// 60 seconds.
    Minute,
    /// 60 minutes.
    Hour,
    /// 24 hours.
    Day,
    /// Seven days. By the calendar it begins on Monday, as ISO 8601 says.
    Week,
    /// A month of the calendar.
    Month,
    /// So long. By the calendar, periods are counted from the beginning of 1970.
    Every(Duration),
    /// There is never another.
    Forever,
}

/// When a period begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Window {
    /// With the minute, hour, day, week or month of the calendar, in UTC.
    #[default]
    Calendar,
    /// With the first call after the last period.
    #[serde(alias = "rolling")]
    FirstUse,
}

/// When periods end. Times are nanoseconds since the beginning of 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Schedule {
    pub(super) period: Period,
    pub(super) window: Window,
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const WEEK: u64 = 7 * DAY;

/// 1970 began on a Thursday.
const SINCE_MONDAY: u64 = 3 * DAY;

// ===== impl Period =====

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Minute => f.write_str("minute"),
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Every(time) => humantime::format_duration(*time).fmt(f),
            Self::Forever => f.write_str("forever"),
        }
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(match text {
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "forever" => Self::Forever,
            _ => Self::Every(humantime::parse_duration(text).map_err(|error| {
                format!(
                    "{text:?} is no period: minute, hour, day, week, month, forever or a duration such as 36h ({error})"
                )
            })?),
        })
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

// ===== impl Schedule =====

impl Schedule {
    /// When the period ends in which `now` is, or that begins at `now`: later than `now`. `u64::MAX` for never.
    pub(super) fn end(&self, now: u64) -> u64 {
        let length = match self.period {
            Period::Minute => MINUTE,
            Period::Hour => HOUR,
            Period::Day => DAY,
            Period::Week => WEEK,
            Period::Every(time) => nanos(time).max(1),
            Period::Month => {
                return match self.window {
                    Window::Calendar => next_month(now),
                    Window::FirstUse => a_month_later(now),
                };
            }
            Period::Forever => return u64::MAX,
        };
        match self.window {
            Window::FirstUse => now.saturating_add(length),
            Window::Calendar => {
                let before = if self.period == Period::Week {
                    SINCE_MONDAY
                } else {
                    0
                };
                let since = now.saturating_add(before) % length;
                now.saturating_add(length - since)
            }
        }
    }
}

/// The beginning of the next month.
fn next_month(now: u64) -> u64 {
    let (year, month, _) = date(now / DAY);
    let (year, month) = following(year, month);
    days(year, month, 1).saturating_mul(DAY)
}

/// The same time of the same day of the next month, or of its last day if it has no such day.
fn a_month_later(now: u64) -> u64 {
    let (year, month, day) = date(now / DAY);
    let (year, month) = following(year, month);
    let (after_year, after_month) = following(year, month);
    let length = days(after_year, after_month, 1) - days(year, month, 1);
    let day = days(year, month, day.min(length));
    day.saturating_mul(DAY).saturating_add(now % DAY)
}

const fn following(year: u64, month: u64) -> (u64, u64) {
    if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    }
}

/// Days of 400 years.
const ERA: u64 = 146_097;

/// Days from the 1st of March of the year 0 to the beginning of 1970.
const TO_1970: u64 = 719_468;

/// Year, month and day of a day since the beginning of 1970. Years are counted from March, so that the day which may be
/// missing is the last one. After Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + TO_1970;
    let (era, day_of_era) = (days / ERA, days % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day)
}

/// The other way round: `days_from_civil` there.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = year - (month <= 2) as u64;
    let (era, year_of_era) = (year / 400, year % 400);
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * ERA + day_of_era - TO_1970
}
