#!/usr/bin/env bash
# Runs the program `campanile-gateway` as people do: its commands, signals, edits of its file, 10,000 idle connections, clients that
# do not read; and then what its settings do.
#
#     tests/components/gateway_program.sh
#     tests/components/gateway_program.sh idle                      # the checks whose names hold this word
#     GATEWAY_PROFILE=release tests/components/gateway_program.sh   # as people run it: then streams may hold half as much
#
# A line for each check; the exit code tells whether all went well.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/gateway.sh
. "$(dirname "${BASH_SOURCE[0]}")/gateway.sh"
cd "$root"

build_gateway
cargo build --quiet -p campanile-tests --bin campanile-faults
start "$binaries/campanile-faults"
export PYTHONDONTWRITEBYTECODE=1
FAULTS_URL=$started python3 tests/components/gateway/program.py "$gateway" "$@"
python3 tests/components/gateway/settings.py "$gateway" "$@"
