#!/usr/bin/env bash
# Runs the example chat_app over the server at LLAMA_URL, twice, and asks it as a caller would:
#
#     tests/components/llama.sh tests/components/chat_app.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

cargo build -p campanile-examples --bin chat_app
out=$(mktemp)
LISTEN=127.0.0.1:0 "${CARGO_TARGET_DIR:-target}/debug/chat_app" "$LLAMA_URL" "$LLAMA_URL" >"$out" &
app=$!
trap 'kill "$app" 2>/dev/null || true; rm -f "$out"' EXIT
for _ in $(seq 100); do
    [[ ! -s $out ]] || break
    kill -0 "$app"
    sleep 0.1
done

python3 - "$(head -n 1 "$out")" <<'PYTHON'
import json, sys, urllib.error, urllib.request

def ask(body):
    request = urllib.request.Request(sys.argv[1], json.dumps(body).encode(), {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()

chat = {"model": "any", "max_tokens": 12, "messages": [{"role": "user", "content": "Name a city."}]}
status, _, body = ask(chat)
text = json.loads(body)["choices"][0]["message"]["content"]
assert status == 200 and text.strip(), (status, body)

status, headers, body = ask({**chat, "stream": True})
assert status == 200 and headers["content-type"].startswith("text/event-stream"), (status, headers)
assert body.endswith("data: [DONE]\n\n"), body[-200:]
words = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
assert any(word["choices"] and word["choices"][0]["delta"].get("content") for word in words), body

status, headers, body = ask({"model": "any"})
assert status == 400 and json.loads(body)["error"]["param"] == "messages", (status, body)
assert headers["x-should-retry"] == "false", headers
print("chat_app answers, streams, and says what is wrong with a request")
PYTHON
