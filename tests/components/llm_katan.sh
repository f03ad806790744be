#!/usr/bin/env bash
# Starts llm-katan (PyPI), a server that echoes in the dialects of several providers and checks their keys, and runs a command
# while it runs, with the server's address in LLM_KATAN_URL:
#
#     tests/components/llm_katan.sh sh -c 'curl "$LLM_KATAN_URL/health"'
#
# It takes four calls at a time until their heads, 100 ms later, and answers more with 503. Keys: `key-of-openai`,
# `key-of-anthropic`, `key-of-vertexai`. Its exit code is the command's. Where it installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/serving.sh
. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv llm-katan llm-katan==0.22.0
serve llm-katan /health "$components/llm-katan/bin/llm-katan" --backend echo --model echo --host 127.0.0.1 --port PORT \
    --providers openai,anthropic,vertexai --validate-keys \
    --api-keys openai=key-of-openai,anthropic=key-of-anthropic,vertexai=key-of-vertexai \
    --max-inflight 4 --latency-ms 100 --itl-ms 5 --stats-file "$components/llm-katan-stats.json" --disable-dashboard
export LLM_KATAN_URL=$url
beside "$@"
