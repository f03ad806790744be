#!/usr/bin/env bash
# Records the answers in the folders beside it again. Needs Node 20 for aimock.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
record=$here/record.py "$here/../components/llama.sh" sh -c 'python3 "$record" llama "$LLAMA_URL"'
record=$here/record.py "$here/../components/aimock.sh" sh -c 'python3 "$record" aimock "$AIMOCK_URL"'
