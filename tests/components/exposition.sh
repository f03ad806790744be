#!/usr/bin/env bash
# Checks what the example `metrics` prints, with others' tools: `promtool` (Debian's package `prometheus`, unpacked and not
# installed: no service starts) reads its Prometheus text; the strict parser of `prometheus-client` (PyPI) its OpenMetrics.
# It starts nothing that stays. Where it installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

promtool=$(debian_program prometheus usr/bin/promtool)
venv prometheus-client prometheus-client==0.26.0
cd "$root"
cargo build --quiet -p campanile-examples --bin metrics
metrics=${CARGO_TARGET_DIR:-$root/target}/debug/metrics

# shown FILE WHAT: says how much was checked; a check of nothing fails.
shown() {
    local lines
    lines=$(grep -c '^[^#]' "$1") || { echo "$2: no samples" >&2; return 1; }
    echo "$2: $lines samples"
}

"$metrics" --prometheus >"$components/metrics.prom"
"$promtool" check metrics <"$components/metrics.prom"
shown "$components/metrics.prom" 'promtool takes the Prometheus text'

"$metrics" --openmetrics >"$components/metrics.om"
"$components/prometheus-client/bin/python" - "$components/metrics.om" <<'PYTHON'
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families

with open(sys.argv[1], encoding="utf-8", newline="") as file:
    text = file.read()
families = list(text_string_to_metric_families(text))
untyped = [family.name for family in families if family.type == "unknown"]
assert not untyped, f"without a type: {untyped}"
undescribed = [family.name for family in families if not family.documentation]
assert not undescribed, f"without help: {undescribed}"
print(f"prometheus-client: {len(families)} families")
PYTHON
shown "$components/metrics.om" 'prometheus-client takes the OpenMetrics text'
