#!/usr/bin/env bash
# Installs the official SDKs of OpenAI and Anthropic, for Python and JavaScript, and langchain's over them, and runs a command
# that finds them: Python's with SDKS_PYTHON, langchain with LANGCHAIN_PYTHON (it wants an older SDK of Anthropic's),
# JavaScript's with SDKS_NODE, below SDKS_MODULES:
#
#     tests/components/sdks.sh sh -c '"$SDKS_PYTHON" -c "import openai, anthropic"'
#
# Its exit code is the command's. It starts nothing that stays. Where it installs what: `common.sh`.
set -euo pipefail
# shellcheck source=tests/components/common.sh
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"

(($#)) || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }

venv sdks openai==3.54.0 anthropic==2.12.0
venv langchain langchain-openai==1.7.2 langchain-anthropic==1.7.4 langchain-core==1.7.2
node_modules sdks-node openai@7.57.0 @anthropic-ai/sdk@1.12.0
export SDKS_PYTHON=$components/sdks/bin/python
export LANGCHAIN_PYTHON=$components/langchain/bin/python
export SDKS_NODE=$node
export SDKS_MODULES=$components/sdks-node/node_modules
"$@"
