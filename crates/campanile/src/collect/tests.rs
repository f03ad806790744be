use std::collections::BTreeMap;

use super::*;

/// What a [`Collect`] tells, by name, label and unit: `breaker_state{state=open}`, `rate_limit_left{unit=tokens}`. Tests of
/// layers use it too.
#[derive(Debug, Default)]
pub(crate) struct Told(BTreeMap<String, f64>);

// Each feature's tests use a part of it.
#[cfg_attr(not(feature = "full"), allow(dead_code))]
impl Told {
    pub(crate) fn by(told: &impl Collect) -> Self {
        let mut all = Self::default();
        told.collect(&mut all);
        all
    }

    /// The value of a sample; panics when it was not told.
    #[track_caller]
    pub(crate) fn get(&self, name: &str) -> f64 {
        *self
            .0
            .get(name)
            .unwrap_or_else(|| panic!("{name} is not among {:?}", self.0.keys()))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Those of the states of `metric` that hold.
    pub(crate) fn states(&self, metric: &str) -> Vec<&str> {
        let prefix = format!("{metric}{{state=");
        let holding = self.0.iter().filter(|(_, value)| **value == 1.0);
        holding
            .filter_map(|(name, _)| name.strip_prefix(&prefix)?.strip_suffix('}'))
            .collect()
    }

    fn put(&mut self, name: String, value: f64) {
        assert!(!self.0.contains_key(&name), "{name} is told twice");
        self.0.insert(name, value);
    }
}

impl Sink for Told {
    fn sample(
        &mut self,
        metric: &'static Metric,
        label: Option<(&'static str, &'static str)>,
        value: Value,
    ) {
        let name = metric.name;
        let plain = name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        assert!(plain && !name.ends_with("_total"), "{name}");
        let mut name = name.to_owned();
        if let Some(unit) = metric.unit {
            name = format!("{name}_{unit}");
        }
        match (value, label) {
            (Value::Counter(value) | Value::Gauge(value), None) => self.put(name, value),
            (Value::Counter(value) | Value::Gauge(value), Some((label, which))) => {
                self.put(format!("{name}{{{label}={which}}}"), value);
            }
            (Value::State { states, present }, _) => {
                assert!(present < states.len());
                for (place, state) in states.iter().enumerate() {
                    let holds = f64::from(u8::from(place == present));
                    self.put(format!("{name}{{state={state}}}"), holds);
                }
            }
        }
    }
}

static SIZE: Metric = Metric::new("box_size", "How large it is.").with_unit("bytes");

struct Sized(f64);

impl Collect for Sized {
    fn collect(&self, sink: &mut dyn Sink) {
        sink.gauge(&SIZE, self.0);
    }
}

#[test]
fn what_is_shared_tells_what_it_shares() {
    let sized = Arc::new(Sized(3.0));
    assert_eq!(Told::by(&sized).get("box_size_bytes"), 3.0);
    assert!(sized.is_alive());
}

#[test]
fn what_does_not_keep_its_owner_tells_nothing_once_that_is_gone() {
    let sized = Arc::new(Sized(3.0));
    let weak = Arc::downgrade(&sized);
    assert_eq!(Told::by(&weak).get("box_size_bytes"), 3.0);
    assert!(weak.is_alive());
    drop(sized);
    assert!(!weak.is_alive() && !Told::by(&weak).has("box_size_bytes"));
}
