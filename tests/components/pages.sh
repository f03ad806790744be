#!/bin/sh
# What the pages in docs/gateway show, tried with real programs: the commands of the first start against a gateway that was
# started as the page says, the nginx settings by nginx, the unit by systemd, the rules and queries by promtool. A program
# that is not there is left out, and said so.
#
#   tests/components/pages.sh PATH_OF_CAMPANILE_GATEWAY
set -eu

gateway=${1:?the path of campanile-gateway}
pages=$(cd "$(dirname "$0")/../../docs/gateway" && pwd)
work=$(mktemp -d)
pid=
finish() {
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    rm -rf "$work"
}
trap finish EXIT

# The n-th block of a language in a page.
block() {
    awk -v fence="\`\`\`$2" -v wanted="$3" '
        $0 == "```" { inside = 0 }
        inside { print }
        $0 == fence { count++; inside = count == wanted }
    ' "$pages/$1"
}

echo "first-start.md: the commands, against a gateway without a file"
"$gateway" >"$work/banner" 2>"$work/log" &
pid=$!
for _ in $(seq 100); do
    grep -q 'To stop' "$work/banner" && break
    sleep 0.1
done
address=$(grep -o 'http://127[0-9.:]*' "$work/banner" | head -n 1)
awk '$0 == "<!-- test -->" { wanted = 1 } /^```$/ { inside = 0 } inside { print } /^```sh$/ && wanted { inside = 1; wanted = 0 }' \
    "$pages/first-start.md" | sed "s#http://127.0.0.1:8080#$address#" >"$work/commands"
sh -eu "$work/commands" >"$work/answers"
for part in '\[simulated by simulated-' 'data: \[DONE\]' 'x-campanile-trail:' 'simulated-flaky' '"object": *"list"'; do
    grep -q "$part" "$work/answers" || { echo "no $part in the answers"; cat "$work/answers"; exit 1; }
done
# As the banner has them.
awk '/^curl /, /^$/' "$work/banner" >"$work/banner-commands"
sh -eu "$work/banner-commands" >"$work/answers" 2>/dev/null
grep -q 'data: \[DONE\]' "$work/answers"
awk 'length > 80 { exit 1 }' "$work/banner"
kill "$pid"
wait "$pid"
pid=

if command -v nginx >/dev/null; then
    echo "behind-nginx-and-systemd.md: nginx"
    openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/pem" -days 1 -subj /CN=llm.example.com 2>/dev/null
    {
        echo "pid $work/pid; error_log stderr; events {} http { access_log off;"
        block behind-nginx-and-systemd.md nginx 1 |
            sed "s#/etc/nginx/tls/llm.example.com.pem#$work/pem#; s#/etc/nginx/tls/llm.example.com.key#$work/key#"
        echo "}"
    } >"$work/nginx.conf"
    # Before 1.25.1 it was a part of `listen`.
    if ! nginx -t -q -c "$work/nginx.conf" 2>"$work/nginx.log"; then
        grep -q 'unknown directive "http2"' "$work/nginx.log" || { cat "$work/nginx.log"; exit 1; }
        sed -i '/http2 on;/d; s/listen 443 ssl;/listen 443 ssl http2;/' "$work/nginx.conf"
        nginx -t -q -c "$work/nginx.conf"
    fi
else
    echo "nginx is not here"
fi

if command -v systemd-analyze >/dev/null; then
    echo "behind-nginx-and-systemd.md: systemd"
    block behind-nginx-and-systemd.md ini 1 |
        sed "s#/usr/local/bin/campanile-gateway#$gateway#" >"$work/campanile-gateway.service"
    systemd-analyze verify "$work/campanile-gateway.service" 2>"$work/verify" || { cat "$work/verify"; exit 1; }
    ! grep campanile-gateway "$work/verify"
else
    echo "systemd-analyze is not here"
fi

if command -v promtool >/dev/null; then
    echo "metrics.md: rules and queries"
    block metrics.md yaml 2 >"$work/rules.yaml"
    {
        echo "groups: [{ name: queries, rules: ["
        # Rows of tables whose second cell is a query.
        sed -n 's/^| [^|`]* | `\(.*\)` |$/\1/p' "$pages/metrics.md" | grep campanile_ |
            awk '{ gsub(/'\''/, "'\'''\''"); printf "{ record: \"page:query%d\", expr: '\''%s'\'' },\n", NR, $0 }'
        echo "] }]"
    } >"$work/queries.yaml"
    [ "$(grep -c record "$work/queries.yaml")" -ge 15 ]
    promtool check rules "$work/rules.yaml" "$work/queries.yaml"
else
    echo "promtool is not here"
fi
echo "the pages are well"
