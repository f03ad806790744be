#!/usr/bin/env python3
"""Records what servers answer, byte for byte: record.py llama|aimock URL

`record.sh` starts the servers and runs it. A file's name is the server and what was asked; what was asked is here."""

import json
import pathlib
import sys
import urllib.request

HERE = pathlib.Path(__file__).parent
CITY = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Rome", "Oslo"]}}, "required": ["city"]}
OPENAI_TOOLS = [{"type": "function", "function": {"name": "get_weather", "description": "The weather in a city", "parameters": CITY}}]
ANTHROPIC_TOOLS = [{"name": "get_weather", "description": "The weather in a city", "input_schema": CITY}]
GEMINI_TOOLS = [{"functionDeclarations": [{"name": "get_weather", "description": "The weather in a city", "parameters": CITY}]}]


def post(server, path, body, name, **headers):
    """Asks, and keeps the body of the answer as it is."""
    request = urllib.request.Request(
        server + path, json.dumps(body).encode(), {"content-type": "application/json", **headers}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        answer = response.read()
    target = HERE / name
    target.parent.mkdir(exist_ok=True)
    target.write_bytes(answer)
    print(f"{name}: {len(answer)} bytes")


def messages(text):
    return [{"role": "user", "content": text}]


def llama(server):
    """The real llama.cpp, by both of its interfaces. Without sampling, so that recording again gives the same words."""
    same = {"model": "smollm2", "temperature": 0, "seed": 1}
    # The tokens that begin a call of a tool, and that end the answer: the model was not taught to call tools.
    calls = {"tools": OPENAI_TOOLS, "tool_choice": "required", "logit_bias": [[13, 50], [2, 100]]}
    thinks = {"chat_template_kwargs": {"enable_thinking": True}, "thinking_budget_tokens": 10}
    usage = {"stream_options": {"include_usage": True}}

    def openai(name, text, most, streamed=True, **more):
        body = same | {"messages": messages(text), "max_tokens": most} | more
        if streamed:
            body |= {"stream": True}
        post(server, "/v1/chat/completions", body, f"openai/{name}")

    openai("llama_text.sse", "What is the capital of France?", 40, **usage)
    openai("llama_text_without_usage.sse", "What is the capital of France?", 40)
    openai("llama_length.sse", "Tell me a story.", 12, **usage)
    openai("llama_tools.sse", "What is the weather in Rome?", 60, **usage, **calls)
    openai("llama_reasoning.sse", "Say hello.", 24, **usage, **thinks)
    openai("llama_text.json", "What is the capital of France?", 40, streamed=False)
    openai("llama_tools.json", "What is the weather in Rome?", 60, streamed=False, **calls)

    def anthropic(name, text, most, streamed=True, **more):
        body = same | {"messages": messages(text), "max_tokens": most} | more
        if streamed:
            body |= {"stream": True}
        post(server, "/v1/messages", body, f"anthropic/{name}")

    anthropic("llama_text.sse", "What is the capital of France?", 40)
    anthropic("llama_length.sse", "Tell me a story.", 12)
    anthropic("llama_reasoning.sse", "Say hello.", 24, **thinks)
    anthropic("llama_text.json", "What is the capital of France?", 40, streamed=False)

    # No server here ends so; `transformers serve` does: it sends no `[DONE]` and no usage.
    text = (HERE / "openai/llama_text_without_usage.sse").read_bytes()
    frames = text.removesuffix(b"data: [DONE]\n\n")
    assert frames != text
    (HERE / "openai/composed_without_done.sse").write_bytes(frames)


def aimock(server):
    """aimock, with what `tests/components/aimock/fixtures.json` says: all four interfaces, thoughts with their signatures, two
    calls of tools at once, cached tokens."""
    for what in ("text", "tools", "reasoning"):
        for streamed, end in ((True, "sse"), (False, "json")):
            ask = {"stream": streamed, "messages": messages(f"{what} openai")}
            tools = {"tools": OPENAI_TOOLS} if what == "tools" else {}
            body = {"model": "gpt-5", **ask, **tools} | ({"stream_options": {"include_usage": True}} if streamed else {})
            post(server, "/v1/chat/completions", body, f"openai/aimock_{what}.{end}", authorization="Bearer none")

            ask["messages"] = messages(f"{what} anthropic")
            tools = {"tools": ANTHROPIC_TOOLS} if what == "tools" else {}
            body = {"model": "claude-opus-4-5", "max_tokens": 400, "thinking": {"type": "enabled", "budget_tokens": 1024}, **ask, **tools}
            version = {"x-api-key": "none", "anthropic-version": "2023-06-01"}
            post(server, "/v1/messages", body, f"anthropic/aimock_{what}.{end}", **version)

            tools = {"tools": GEMINI_TOOLS} if what == "tools" else {}
            body = {"contents": [{"role": "user", "parts": [{"text": f"{what} gemini"}]}], **tools}
            method = "streamGenerateContent?alt=sse" if streamed else "generateContent"
            key = {"x-goog-api-key": "none"}
            post(server, f"/v1beta/models/gemini-2.5-pro:{method}", body, f"gemini/aimock_{what}.{end}", **key)

            ask["messages"] = messages(f"{what} ollama")
            tools = {"tools": OPENAI_TOOLS} if what == "tools" else {}
            body = {"model": "qwen3", "think": True, **ask, **tools}
            post(server, "/api/chat", body, f"ollama/aimock_{what}.{'ndjson' if streamed else 'json'}")


if __name__ == "__main__":
    {"llama": llama, "aimock": aimock}[sys.argv[1]](sys.argv[2])
