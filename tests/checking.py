"""How checks in Python are written down, run and told of: those of the program, and those of the SDKs. Python's own library, and nothing
else."""

import sys
import time
import traceback

_checks = []


def check(function):
    """Makes a check of a function."""
    _checks.append(function)
    return function


def run_checks(of, wanted):
    """Runs all checks, or those whose names hold one of these words. Each prints a line; the exit code tells whether all went well."""
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
            print(f"FAIL  {of}: {name}", flush=True)
        else:
            print(f"ok    {of}: {name} ({time.monotonic() - began:.1f} s)", flush=True)
    print(f"{of}: {len(_checks)} checks, {failed} failed", flush=True)
    sys.exit(failed > 0)


def until(what, bound=20):
    """Waits until something is so, for 20 s at most."""
    end = time.monotonic() + bound
    while not (value := what()):
        assert time.monotonic() < end, "it does not become so"
        time.sleep(0.02)
    return value
