#!/usr/bin/env bash
# Starts aimock (npm: @copilotkit/aimock; needs Node 20), a mock of many providers that answers as `aimock/fixtures.json` says,
# and runs a command while it runs, with the server's address in AIMOCK_URL:
#
#     tests/components/aimock.sh sh -c 'curl "$AIMOCK_URL/api/tags"'
#
# Its exit code is the command's. Where it installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/serving.sh
. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

version=1.43.0
folder=$components/aimock-$version
if [[ ! -f $folder/installed ]]; then
    command -v npm >/dev/null || { echo 'aimock needs Node and npm' >&2; exit 1; }
    rm -rf "$folder"
    mkdir -p "$folder"
    echo "installing aimock $version into $folder" >&2
    npm install --silent --no-audit --no-fund --prefix "$folder" "@copilotkit/aimock@$version" >&2
    touch "$folder/installed"
fi
serve aimock /v1/models node "$folder/node_modules/@copilotkit/aimock/dist/cli.js" --host 127.0.0.1 --port PORT \
    --fixtures "$root/tests/components/aimock/fixtures.json" --chunk-size 12 --log-level warn
export AIMOCK_URL=$url
beside "$@"
