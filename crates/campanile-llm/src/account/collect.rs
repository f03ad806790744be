use campanile::collect::{Collect, Metric, Sink, Value};

use super::Ledger;

static CALLS: Metric = Metric::new("ledger_calls", "Calls sent, each attempt one.");
static TOKENS: Metric = Metric::new("ledger_tokens", "Tokens taken, by kind.");
static DOLLARS: Metric = Metric::new("ledger_dollars", "Dollars spent, by how they are known.");
static UNPRICED: Metric = Metric::new(
    "ledger_unpriced_calls",
    "Calls answered by models whose price is not known.",
);

impl Collect for Ledger {
    fn collect(&self, sink: &mut dyn Sink) {
        let total = self.total();
        let taken = total.taken();
        sink.counter(&CALLS, total.calls as f64);
        sink.counter(&UNPRICED, total.unpriced as f64);
        for (kind, tokens) in [
            ("input", taken.input_tokens),
            ("output", taken.output_tokens),
            ("cached", taken.cached_tokens),
            ("cache_write", taken.cache_write_tokens),
            ("reasoning", taken.reasoning_tokens),
        ] {
            let value = Value::Counter(tokens as f64);
            sink.sample(&TOKENS, Some(("kind", kind)), value);
        }
        for (basis, taken) in [("reported", total.reported), ("estimated", total.estimated)] {
            let value = Value::Counter(taken.nano_dollars as f64 / 1e9);
            sink.sample(&DOLLARS, Some(("basis", basis)), value);
        }
    }
}
