#!/usr/bin/env bash
# What the pages in docs/gateway show, tried with real programs: the commands of the first start against a gateway that was
# started as the page says, the nginx settings by nginx, the unit by systemd, the rules and queries by promtool, the names
# of metrics by a real `/metrics`, what operators can do by doing it, and the file that `--help` shows by `check`.
#
#   tests/components/pages.sh PATH_OF_CAMPANILE_GATEWAY
#
# Where it gets the programs that are not there: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

gateway=$(realpath "${1:?the path of campanile-gateway}")
pages=$root/docs/gateway
nginx=$(debian_program nginx usr/sbin/nginx)
promtool=$(debian_program prometheus usr/bin/promtool)
# These do not run unpacked, and start nothing.
for program in systemd:systemd-analyze openssl:openssl curl:curl; do
    type -P "${program#*:}" >/dev/null || { apt_get update && apt_get install --yes --no-install-recommends "${program%:*}"; } >&2
done
work=$(mktemp -d)
pid=
finish() {
    local status=$?
    [ -z "$pid" ] || kill "$pid" 2>/dev/null || true
    ((status == 0)) || tail -n 5 "$work"/*log >&2 || true
    rm -rf "$work"
}
trap finish EXIT
trap 'echo "line $LINENO failed: $BASH_COMMAND" >&2' ERR

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
for _ in $(seq 300); do
    grep -q 'To stop' "$work/banner" && break
    sleep 0.1
done
address=$(grep -o -m 1 'http://127[0-9.:]*' "$work/banner")
awk '$0 == "<!-- test -->" { wanted = 1 } /^```$/ { inside = 0 } inside { print } /^```sh$/ && wanted { inside = 1; wanted = 0 }' \
    "$pages/first-start.md" | sed "s#http://127.0.0.1:8080#$address#" >"$work/commands"
# shows FILE PART...: what these commands answer holds each of these parts. One answer in a hundred is cut by the simulated processor
# that is flaky, so they are run up to three times.
shows() {
    local commands=$1 part missing
    shift
    for _ in 1 2 3; do
        missing=
        sh -eu "$commands" >"$work/answers" || missing='good end'
        for part; do grep -q "$part" "$work/answers" || missing=$part; done
        [[ -n $missing ]] || return 0
    done
    cat "$work/answers"
    echo "no $missing in these answers, three times"
    return 1
}
shows "$work/commands" '\[simulated by simulated-' 'data: \[DONE\]' 'x-campanile-trail:' 'simulated-flaky' '"object": *"list"'
# As the banner has them.
awk '/^curl /, /^$/' "$work/banner" >"$work/banner-commands"
shows "$work/banner-commands" 'data: \[DONE\]' 2>/dev/null
awk 'length > 80 { print "too long: " $0; exit 1 }' "$work/banner"
kill "$pid"
wait "$pid"
pid=

# The address that a gateway prints, in a file, once it does.
address() {
    local deadline=$((SECONDS + 30))
    until grep -s -o -m 1 'http://127[0-9.:]*' "$1"; do
        ((SECONDS < deadline)) || { cat "$1" >&2; return 1; }
        sleep 0.1
    done
}

echo "--help: its file"
"$gateway" --help | awk '/write gateway.yaml:/ { inside = 1; next } /^ *3\./ { inside = 0 } inside' >"$work/help.yaml"
[[ $(wc -l <"$work/help.yaml") -ge 3 ]]
(cd "$work" && OPENAI_API_KEY=made-up "$gateway" check help.yaml)

echo "metrics.md: the names of metrics, and what operators can do"
cat >"$work/prices.json" <<'JSON'
{"models": {"made-up": {"input": 1, "output": 2}}}
JSON
cat >"$work/gateway.yaml" <<'YAML'
listen: 127.0.0.1:0
prices: prices.json
providers:
  one: {simulated: {first_word: 5ms, words: 5, words_per_second: 1000, seed: 1}, models: {made-up: }}
pools:
  chat: {members: [one], probe: {}}
admin: {token: token-of-operators-in-a-test}
keys:
  shop: {secret: key-of-a-shop-in-a-test, budgets: [{unit: money, limit: "20", period: day}]}
YAML
"$gateway" --config "$work/gateway.yaml" >"$work/operated.log" 2>&1 &
pid=$!
address=$(address "$work/operated.log")
operator=(-H 'authorization: Bearer token-of-operators-in-a-test')
curl -sSN --fail "$address/v1/chat/completions" -H 'authorization: Bearer key-of-a-shop-in-a-test' -H content-type:application/json \
    -d '{"model": "made-up", "stream": true, "messages": [{"role": "user", "content": "Why?"}]}' >"$work/answers"
grep -q 'data: \[DONE\]' "$work/answers"
# An error, which has a metric of its own: nobody's key.
[[ $(curl -sS -o /dev/null -w '%{http_code}' "$address/v1/models" -H 'authorization: Bearer nobody') == 401 ]]
curl -sS --fail "$address/metrics" "${operator[@]}" >"$work/metrics"
cat "$pages"/*.md | grep -o 'campanile_[a-z0-9_]*[a-z0-9]' | sort -u | grep -vx campanile_gateway >"$work/names"
[[ $(wc -l <"$work/names") -ge 20 ]]
unknown=0
while read -r name; do
    grep -q "^${name}[ {]" "$work/metrics" || { echo "no metric is called $name" >&2; unknown=1; }
done <"$work/names"
((unknown == 0))
# The rows of the table of what operators can do, in their order.
sed -n 's/^| `\([A-Z]* [^`]*\)`\(, `\({[^`]*}\)`\)* .*/\1\t\3/p' "$pages/metrics.md" | grep -e /admin -e 'POST \.\.\.' >"$work/actions"
[[ $(wc -l <"$work/actions") -ge 8 ]]
while IFS=$'\t' read -r request body; do
    path=${request#* }
    path=${path/POOL/chat}
    path=${path/MEMBER/one}
    path=${path/...//admin/pools/chat/members/one}
    status=$(curl -sS -o "$work/answer" -w '%{http_code}' -X "${request%% *}" "${operator[@]}" \
        -H content-type:application/json ${body:+-d "$body"} "$address$path")
    [[ $status == 20? ]] || { echo "$request $body: $status" >&2; cat "$work/answer" >&2; exit 1; }
done <"$work/actions"
kill "$pid"
wait "$pid"
pid=

echo "behind-nginx-and-systemd.md: nginx"
openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/key" -out "$work/pem" -days 1 -subj /CN=llm.example.com 2>/dev/null
{
    echo "pid $work/pid; error_log stderr; events {} http { access_log off;"
    block behind-nginx-and-systemd.md nginx 1 |
        sed "s#/etc/nginx/tls/llm.example.com.pem#$work/pem#; s#/etc/nginx/tls/llm.example.com.key#$work/key#"
    echo "}"
} >"$work/nginx.conf"
grep -q proxy_pass "$work/nginx.conf"
# Before 1.25.1 it was a part of `listen`.
if ! "$nginx" -t -q -c "$work/nginx.conf" 2>"$work/nginx.log"; then
    grep -q 'unknown directive "http2"' "$work/nginx.log" || { cat "$work/nginx.log"; exit 1; }
    sed -i '/http2 on;/d; s/listen 443 ssl;/listen 443 ssl http2;/' "$work/nginx.conf"
    "$nginx" -t -q -c "$work/nginx.conf"
fi

echo "behind-nginx-and-systemd.md: systemd"
block behind-nginx-and-systemd.md ini 1 |
    sed "s#/usr/local/bin/campanile-gateway#$gateway#" >"$work/campanile-gateway.service"
grep -q ExecStart "$work/campanile-gateway.service"
systemd-analyze verify "$work/campanile-gateway.service" 2>"$work/verify" || { cat "$work/verify"; exit 1; }
# Not `! grep`, which ends nothing.
if grep campanile-gateway "$work/verify"; then exit 1; fi

echo "metrics.md: rules and queries"
block metrics.md yaml 2 >"$work/rules.yaml"
{
    echo "groups: [{ name: queries, rules: ["
    # Rows of tables whose second cell is a query.
    sed -n 's/^| [^|`]* | `\(.*\)` |$/\1/p' "$pages/metrics.md" | grep campanile_ |
        awk '{ gsub(/'\''/, "'\'''\''"); printf "{ record: \"page:query%d\", expr: '\''%s'\'' },\n", NR, $0 }'
    echo "] }]"
} >"$work/queries.yaml"
[[ $(grep -c record "$work/queries.yaml") -ge 15 ]]
"$promtool" check rules "$work/rules.yaml" "$work/queries.yaml"
echo "the pages are well"
