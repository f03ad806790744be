//! What a breaker tells those who collect measurements.

use super::{BreakerState, CircuitBreakerHandle};
use crate::{
    collect::{Collect, Metric, Sink, Value},
    time::Timestamp,
};

static STATE: Metric = Metric::new(
    "breaker_state",
    "Whether the circuit breaker lets calls in.",
);
static TRIPS: Metric = Metric::new("breaker_trips", "How often the circuit breaker has opened.");
static TRANSITIONS: Metric = Metric::new(
    "breaker_transitions",
    "How often the circuit breaker has changed its state, by the state that it came to.",
);
static IN_STATE: Metric = Metric::new(
    "breaker_in_state",
    "For how long the circuit breaker has been in its present state; 0 if it never left the first.",
)
.with_unit("seconds");
static REOPENS: Metric = Metric::new(
    "breaker_reopens_in",
    "How long the circuit breaker lets no calls in yet; 0 when it is not open.",
)
.with_unit("seconds");
static PARKED: Metric = Metric::new(
    "breaker_parked",
    "For how long yet the upstream asked for no calls; 0 when it did not.",
)
.with_unit("seconds");
static IN_A_ROW: Metric = Metric::new(
    "breaker_failures_in_a_row",
    "How many calls have failed in a row; an overload counts as a part of one.",
);
static WINDOW_CALLS: Metric = Metric::new(
    "breaker_window_calls",
    "Calls in the circuit breaker's window; 0 where no rate is set.",
);
static FAILURE_RATE: Metric = Metric::new(
    "breaker_failure",
    "The share of the calls in the circuit breaker's window that failed.",
)
.with_unit("ratio");
static SLOW_RATE: Metric = Metric::new(
    "breaker_slow",
    "The share of the calls in the circuit breaker's window that was slow.",
)
.with_unit("ratio");

/// The names of [`BreakerState::ALL`].
const STATES: [&str; BreakerState::ALL.len()] = {
    let mut names = [""; BreakerState::ALL.len()];
    let mut state = 0;
    while state < names.len() {
        names[state] = BreakerState::ALL[state].as_str();
        state += 1;
    }
    names
};

impl Collect for CircuitBreakerHandle {
    fn collect(&self, sink: &mut dyn Sink) {
        let now = Timestamp::now();
        let (snapshot, status, entered) = self.breaker.look(now);
        let since = match status.since {
            Timestamp::ZERO => 0.0,
            since => now.since(since).as_secs_f64(),
        };
        sink.state(&STATE, &STATES, snapshot.state as usize);
        sink.counter(&TRIPS, snapshot.trips as f64);
        for (state, times) in STATES.iter().zip(entered) {
            sink.sample(
                &TRANSITIONS,
                Some(("to", state)),
                Value::Counter(times as f64),
            );
        }
        sink.gauge(&IN_STATE, since);
        sink.gauge(&REOPENS, snapshot.reopens_in.unwrap_or_default());
        sink.gauge(&PARKED, snapshot.parked_for.unwrap_or_default());
        sink.gauge(&IN_A_ROW, snapshot.failures_in_a_row);
        sink.gauge(&WINDOW_CALLS, snapshot.calls as f64);
        sink.gauge(&FAILURE_RATE, snapshot.failure_rate);
        sink.gauge(&SLOW_RATE, snapshot.slow_rate);
    }
}
