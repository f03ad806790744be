"""What the suites in Python share."""

import contextlib
import json
import os
import pathlib
import re
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))
from checking import check, run_checks, until

GATEWAY = os.environ["GATEWAY_URL"]
FAULTS = os.environ["FAULTS_URL"]
# The text that `full` begins with, and the rest of it.
SAID = "I ask “both” – 世界."
QUESTION = "What is the capital of France?"


def run(suite):
    """Runs all checks, or those whose names hold what the command line says."""
    run_checks(suite, sys.argv[1:])


@contextlib.contextmanager
def raises(kind, **wanted):
    """Checks that the block raises this, with these attributes."""
    holder = []
    try:
        yield holder
    except kind as error:
        holder.append(error)
        for name, value in wanted.items():
            assert getattr(error, name, None) == value, (name, getattr(error, name, None), error)
    else:
        raise AssertionError(f"nothing was raised, but {kind} was wanted")


def counts(model):
    """What the provider that fails on purpose saw of a model's calls."""
    with urllib.request.urlopen(FAULTS + "/counts", timeout=10) as answer:
        return json.load(answer).get(model, {})


def fates(suite):
    """Each way of a provider to fail, by either interface: the model, whether it is streamed, and what is to come of it: `whole`,
    `breaks` behind some of it, or an error of one of these statuses."""
    for fate in json.loads(pathlib.Path(__file__).with_name("fates.json").read_text(encoding="utf-8")):
        for way in ["whole", "streamed"]:
            if way in fate:
                # What closes a provider has one of its own.
                own = f".{suite}-{way}" if fate.get("closes") else ""
                for prefix in [""] if fate.get("of") == "openai" else ["", "claude-"]:
                    yield prefix + fate["name"] + own, way == "streamed", fate[way]


def each_fate(suite, sdk, ask):
    """Asks for each fate. `ask(model, streamed)` yields texts, with whether the answer said there that it is complete; it raises what
    the SDK does."""

    def take(model, streamed):
        said, ended, error = "", False, None
        try:
            for text, complete in ask(model, streamed):
                said += text
                ended |= complete
        except sdk.APIError as raised:
            error = raised
        return said, ended, error

    texts = {prefix: take(prefix + "text", False)[0] for prefix in ["", "claude-"]}
    assert all(texts.values()), texts

    def suffer(fate):
        model, streamed, wanted = fate
        said, ended, error = take(model, streamed)
        seen = (model, streamed, said, ended, error)
        if wanted == "whole":
            whole = SAID if streamed else texts["claude-" if model.startswith("claude-") else ""]
            assert error is None and ended and said == whole, seen
            return
        assert error is not None and not ended, seen
        if wanted == "breaks":
            assert said and SAID.startswith(said), seen
            return
        if sdk.__name__ == "anthropic":
            # As Anthropic says that it is overloaded; a quota that is used up is 503 for its callers, too.
            wanted = [*wanted, *([529] if 503 in wanted else [])]
        kind = {400: sdk.BadRequestError, 429: sdk.RateLimitError}.get(wanted[0], sdk.InternalServerError)
        if error.status_code == 529:
            # Of a class of its own, which is no kind of the others.
            kind = sdk.APIStatusError
        assert isinstance(error, kind) and error.status_code in wanted and not said, seen
        assert error.response.headers["x-should-retry"] == "false", (seen, error.response.headers)
        assert "key-of-faults" not in str(error.body), error.body

    all_of_them = list(fates(suite))
    assert len(all_of_them) > 100, all_of_them
    failed = []
    with ThreadPoolExecutor(8) as pool:
        for ended in [pool.submit(suffer, fate) for fate in all_of_them]:
            if error := ended.exception():
                failed.append(repr(error))
    assert not failed, "\n".join(failed)
    return len(all_of_them) + 2


def patiently(ask, kind):
    """As programs do that want the whole of an answer: asks again for what broke, later each time."""
    for wait in [0.1 * 1.5**attempt for attempt in range(8)]:
        try:
            return ask()
        except kind:
            time.sleep(wait)
    return ask()


def ledger(tenant):
    """What the gateway wrote down for a tenant: calls, and tokens read and written. `/status` and `/metrics` say the same."""

    def read():
        with urllib.request.urlopen(GATEWAY + "/status", timeout=10) as answer:
            used = json.load(answer)["usage"]["by_tenant"].get(tenant)
        with urllib.request.urlopen(GATEWAY + "/metrics", timeout=10) as answer:
            metrics = answer.read().decode()

        def metric(name, more=""):
            found = re.search(rf'^campanile_tenant_{name}\{{tenant="{tenant}"{more}\}} (\S+)$', metrics, re.MULTILINE)
            return float(found[1]) if found else 0

        measured = (metric("attempts_total"), metric("failed_attempts_total"))
        measured += (metric("tokens_total", ',kind="input"'), metric("tokens_total", ',kind="output"'))
        noted = (used["calls"], used["failed"], used["input_tokens"], used["output_tokens"]) if used else (0, 0, 0, 0)
        assert noted == measured, (noted, measured)
        return noted

    return read()


def is_counted(suite, ask, streams=("full", "claude-full")):
    """Asks so often, and compares the gateway's books. `ask(key, model, streamed)` returns the tokens of prompt and answer as the SDK
    was told, or nothing where it raised."""
    before = ledger(f"counted-{suite}")
    tokens = (0, 0)
    for model, streamed, times in [("text", False, 3), ("claude-text", False, 3), *((stream, True, 4) for stream in streams)]:
        for _ in range(times):
            used = ask(f"key-counted-{suite}", model, streamed)
            assert min(used) > 0, (model, used)
            tokens = tuple(so_far + more for so_far, more in zip(tokens, used))
    # An attempt, which is the caller's fault; and three, which are the provider's.
    for model in ["status-400", "status-500"]:
        assert ask(f"key-counted-{suite}", model, False) is None, model
    wanted = tuple(count + more for count, more in zip(before, (14 + 1 + 3, 3, *tokens)))
    # What ends a call is written down as it ends, which may be just after the last word is read.
    until(lambda: ledger(f"counted-{suite}")[0] >= wanted[0])
    assert ledger(f"counted-{suite}") == wanted, (ledger(f"counted-{suite}"), wanted)


class Attempts:
    """Counts what an SDK sends, by a hook of its HTTP client, and when."""

    def __init__(self):
        self.times = []

    def hooks(self):
        return {"request": [lambda _: self.times.append(time.monotonic())]}

    def __len__(self):
        return len(self.times)


def fresh(model, numbers=iter(range(1 << 30))):
    """A name of this model that no other call has."""
    return f"{model}.{os.getpid()}-{next(numbers)}"
