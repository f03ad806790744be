# shellcheck shell=bash
# Shared by the scripts beside it that start the gateway: they read it with `.`, after `common.sh`.

binaries=${CARGO_TARGET_DIR:-$root/target}/debug
work=$(mktemp -d)
processes=()

stop_all() {
    local status=$?
    trap - EXIT
    local process
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    for process in "${processes[@]}"; do wait "$process" 2>/dev/null || true; done
    rm -rf "$work"
    exit "$status"
}
trap stop_all EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The gateway of this profile of cargo's, `debug` or `release`.
profile=${GATEWAY_PROFILE:-debug}
# shellcheck disable=SC2034 # of whoever reads this
gateway=${binaries%/*}/$profile/campanile-gateway

build_gateway() {
    cargo build --quiet -p campanile-gateway --bin campanile-gateway --profile "${profile/#debug/dev}"
}

# start COMMAND...: starts a server that prints its address, and sets `started` to that and `process` to its number.
start() {
    local log
    log=$work/$(basename "$1").${#processes[@]}.log
    "$@" >"$log" 2>"$log.err" &
    process=$!
    processes+=("$process")
    local deadline=$((SECONDS + 30))
    until started=$(grep -h -o 'http://[^ /]*' "$log" "$log.err" | head -n 1) && [[ -n $started ]]; do
        if ! kill -0 "$process" 2>/dev/null || ((SECONDS >= deadline)); then
            echo "$1 does not start:" >&2
            cat "$log" "$log.err" >&2
            return 1
        fi
        sleep 0.1
    done
}
