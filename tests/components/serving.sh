# shellcheck shell=bash
# Shared by the scripts beside it that run a command beside a server: they read it with `.`, after `common.sh`.

server=
command=
log=

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
        echo "the server said (the last lines of $log):" >&2
        tail -n 5 "$log" >&2 || true
    fi
    exit "$status"
}

# A port that was free just now. Whoever is quicker gets it, and then the server does not start: so another try, with another.
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# answers URL: whether there is an answer of success.
answers() {
    python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)' "$1" 2>/dev/null
}

# try_to_serve PATH COMMAND...: starts a server, and waits until it answers at the path: 60 s at most.
try_to_serve() {
    local path=$1 port deadline
    shift
    port=$(free_port)
    url=http://127.0.0.1:$port
    "${@//PORT/$port}" >"$log" 2>&1 &
    server=$!
    deadline=$((SECONDS + 60))
    until answers "$url$path"; do
        if ! kill -0 "$server" 2>/dev/null || ((SECONDS >= deadline)); then
            end "$server"
            server=
            return 1
        fi
        sleep 0.2
    done
}

# serve NAME PATH COMMAND...: starts a server on a free port of the loopback interface, which stands for PORT in its command;
# sets `url`. It is stopped with the script, by its process.
serve() {
    local name=$1
    shift
    log=$components/$name.log
    trap stop EXIT
    # A signal ends the script through `exit`, and so stops the server too.
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    try_to_serve "$@" || try_to_serve "$@" || { echo "$name does not answer" >&2; exit 1; }
}

# beside COMMAND...: runs a command while the server runs. Its exit code is the command's.
beside() {
    # In the background: a signal does not wait for its end.
    "$@" &
    command=$!
    wait "$command"
    command=
}
