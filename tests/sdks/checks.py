"""What the suites in Python share. A check is a function; each prints a line, and the exit code tells whether all went well."""

import contextlib
import json
import os
import sys
import time
import traceback
import urllib.request

GATEWAY = os.environ["GATEWAY_URL"]
FAULTS = os.environ["FAULTS_URL"]
# The text that `full` begins with, and the rest of it.
SAID = "I ask “both” – 世界."
QUESTION = "What is the capital of France?"
_checks = []


def check(function):
    """Makes a check of a function."""
    _checks.append(function)
    return function


def run(suite):
    """Runs all checks, or those whose names hold what the command line says."""
    wanted = sys.argv[1:]
    failed = 0
    for function in _checks:
        name = function.__name__.replace("_", " ")
        if wanted and not any(word in name for word in wanted):
            continue
        began = time.monotonic()
        try:
            function()
        except Exception:
            failed += 1
            traceback.print_exc()
            print(f"FAIL  {suite}: {name}", flush=True)
        else:
            print(f"ok    {suite}: {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{suite}: {len(_checks)} checks, {failed} failed", flush=True)
    sys.exit(failed > 0)


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


def until(what, bound=10):
    """Waits until something is so, for 10 s at most."""
    end = time.monotonic() + bound
    while not (value := what()):
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.02)
    return value


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
