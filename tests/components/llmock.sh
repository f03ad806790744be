#!/usr/bin/env bash
# Starts llmock (PyPI), a mock of providers that breaks its answers at random and judges its clients, and runs a command while it
# runs, with the server's address in LLMOCK_URL; then asks for its verdict, which must be good without any warning:
#
#     tests/components/llmock.sh sh -c 'curl "$LLMOCK_URL/health"'
#
# LLMOCK_FAULTS holds options for it, instead of those below. Its exit code is the command's, or 1 for a bad verdict. Where it
# installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/serving.sh
. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv llmock llmock==0.2.2
read -ra faults <<<"${LLMOCK_FAULTS:---error-rate 500=0.05 --error-rate 503=0.05 --error-rate 429=0.05
    --stream-fault disconnect=0.1 --stream-fault truncate=0.1 --stream-fault malformed=0.1 --stream-fault stall=0.05
    --stream-stall-seconds 5}"
serve llmock /health "$components/llmock/bin/llmock" serve --host 127.0.0.1 --port PORT --log-level warning "${faults[@]}"
export LLMOCK_URL=$url
beside "$@"
"$components/llmock/bin/llmock" report --strict --url "$url"
