"""The HTTP server of llama.cpp, from the package xllamacpp, on the loopback interface: server.py MODEL.gguf PORT

One thread for tokens, four calls at a time, 2,048 tokens of context each. It shows its slots and metrics, by which tests see
whether a call that its caller left is still worked on."""

import pathlib
import sys
import threading

import xllamacpp

model, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = model
params.model_alias = {pathlib.Path(model).stem}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.n_parallel = 4
params.n_ctx = 4 * 2048
params.endpoint_metrics = True
params.endpoint_slots = True
params.warmup = True
params.use_jinja = True
params.chat_template = pathlib.Path(__file__).with_name("chat.jinja").read_text(encoding="utf-8")
# Only where a request asks for it.
params.enable_reasoning = 0
params.cpuparams.n_threads = 1
params.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(params)
print("listening at", server.listening_address, flush=True)
threading.Event().wait()
