//! The kernel's text files, as pure functions over their text. What cannot be understood is `None`; nothing panics.

use crate::hardware::{Load, Stall, Throttling};

/// A limit that a file states.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Limit<T> {
    /// Nothing is limited here.
    None,
    /// So much.
    At(T),
}

/// A control group that the process is in: a line of `/proc/self/cgroup`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Membership {
    /// Names of the controllers; none for version 2.
    pub(crate) controllers: Vec<String>,
    pub(crate) path: String,
}

/// Where a hierarchy of control groups can be seen: a line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The group that is seen at `point`.
    pub(crate) root: String,
    pub(crate) point: String,
    pub(crate) version: Version,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Version {
    /// With the names of its controllers, among other options.
    One(Vec<String>),
    Two,
}

/// More memory than any machine has: version 1 says "unlimited" with a number in this region.
const NO_LIMIT: u64 = 1 << 60;

// ===== impl Limit =====

impl<T: PartialOrd> Limit<T> {
    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Self::None => None,
            Self::At(limit) => Some(limit),
        }
    }
}

// ===== processors =====

/// `cpu.max` of version 2: quota, or `max`, and period in microseconds. The limit is in cores.
pub(crate) fn cpu_max(text: &str) -> Option<Limit<f64>> {
    let mut words = text.split_ascii_whitespace();
    let quota = words.next()?;
    if quota == "max" {
        return Some(Limit::None);
    }
    let period = words.next().unwrap_or("100000");
    ratio(quota.parse().ok()?, period.parse().ok()?)
}

/// `cpu.cfs_quota_us`, negative for none, and `cpu.cfs_period_us` of version 1. The limit is in cores.
pub(crate) fn cpu_cfs(quota: &str, period: &str) -> Option<Limit<f64>> {
    let quota: i64 = quota.trim().parse().ok()?;
    match u64::try_from(quota) {
        Ok(quota) => ratio(quota, period.trim().parse().ok()?),
        Err(_) => Some(Limit::None),
    }
}

fn ratio(quota: u64, period: u64) -> Option<Limit<f64>> {
    (quota > 0 && period > 0).then(|| Limit::At(quota as f64 / period as f64))
}

/// How many processors a list such as `0-3,8` names.
pub(crate) fn cpu_list(text: &str) -> Option<u32> {
    let mut count: u32 = 0;
    for range in text.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        count = count.saturating_add(last.checked_sub(first)?.saturating_add(1));
    }
    Some(count)
}

/// How many processors the process may run on, by `/proc/self/status`.
pub(crate) fn allowed(text: &str) -> Option<u32> {
    let list = text
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    cpu_list(list)
}

/// `cpu.stat` of either version.
pub(crate) fn throttling(text: &str) -> Option<Throttling> {
    Some(Throttling {
        periods: field(text, "nr_periods")?,
        throttled: field(text, "nr_throttled")?,
    })
}

/// `/proc/loadavg`: the average of the last minute, and those who run at this moment.
pub(crate) fn load(text: &str) -> Option<Load> {
    let mut words = text.split_ascii_whitespace();
    let one = number(words.next()?)?;
    let running = words
        .nth(2)
        .and_then(|entities| entities.split_once('/')?.0.parse().ok());
    Some(Load { one, running })
}

// ===== memory =====

/// A size in bytes, or `max`.
pub(crate) fn bytes(text: &str) -> Option<Limit<u64>> {
    match text.trim() {
        "max" => Some(Limit::None),
        number => {
            let bytes: u64 = number.parse().ok()?;
            Some(if bytes >= NO_LIMIT {
                Limit::None
            } else {
                Limit::At(bytes)
            })
        }
    }
}

/// A line of a name and a number, as in `memory.stat` and `cpu.stat`.
pub(crate) fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(' ')?;
        value.trim().parse().ok()
    })
}

// ===== pressure =====

/// Pressure stall information: the line `some avg10=0.16 avg60=0.64 avg300=0.84 total=386881840`.
pub(crate) fn stall(text: &str) -> Option<Stall> {
    let line = text.lines().find_map(|line| line.strip_prefix("some "))?;
    let value = |name: &str| {
        line.split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
    };
    let percent = number(value("avg10")?)?;
    Some(Stall {
        average: (percent / 100.0).min(1.0),
        total_micros: value("total").and_then(|total| total.parse().ok()),
    })
}

/// A number that can be one: finite and not negative.
fn number(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number)
}

// ===== control groups =====

/// `/proc/self/cgroup`: lines of `id:controllers:path`.
pub(crate) fn memberships(text: &str) -> Vec<Membership> {
    text.lines()
        .filter_map(|line| {
            let mut parts = line.splitn(3, ':');
            let (_id, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            Some(Membership {
                controllers: split(controllers),
                path: path.to_owned(),
            })
        })
        .collect()
}

/// The control groups in `/proc/self/mountinfo`. See proc(5): `36 35 98:0 /root /point opts [tags] - type source super`.
pub(crate) fn mounts(text: &str) -> Vec<Mount> {
    text.lines()
        .filter_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut before = before.split_ascii_whitespace().skip(3);
            let (root, point) = (before.next()?, before.next()?);
            let mut after = after.split_ascii_whitespace();
            let version = match after.next()? {
                "cgroup2" => Version::Two,
                "cgroup" => Version::One(split(after.nth(1)?)),
                _ => return None,
            };
            Some(Mount {
                root: unescape(root),
                point: unescape(point),
                version,
            })
        })
        .collect()
}

fn split(list: &str) -> Vec<String> {
    list.split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The kernel writes blanks, newlines and backslashes of a path as `\040`.
fn unescape(path: &str) -> String {
    let mut plain = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let code = after
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok())
            .filter(u8::is_ascii);
        match code {
            Some(code) => {
                plain.push(char::from(code));
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                plain.push('\\');
                rest = after;
            }
        }
    }
    plain.push_str(rest);
    plain
}
