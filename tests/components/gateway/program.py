"""Checks the program, as people run it: program.py PROGRAM [WORD...]. Python's own library, and nothing else.

UNREAD_STREAM_KIB: how much a stream may hold that nobody reads; 128 by default."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import threading
import time

from running import Gateway, check, environment, program, question, request, run, run_checks, until, wanted

FAULTS = os.environ["FAULTS_URL"]
UNREAD = float(os.environ.get("UNREAD_STREAM_KIB") or 128)
SECRET = "sk-very-secret-key-of-the-provider"
TOKEN = "very-secret-token-of-operators"


def settings(more="", providers=""):
    return f"""listen: 127.0.0.1:0
admin: {{token: {TOKEN}}}
providers:
  faults: {{preset: compatible, base_url: "{FAULTS}/v1", key: {SECRET}, models: {{text: , slow: , slower: , flood: }}}}
{providers}{more}"""


def faults():
    connection = http.client.HTTPConnection(FAULTS.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request("GET", "/counts")
        return json.load(connection.getresponse())


@check
def help_and_schema():
    done = run("--help")
    assert done.returncode == 0 and "--config" in done.stdout and "check" in done.stdout, done
    done = run("schema")
    schema = json.loads(done.stdout)
    assert done.returncode == 0 and "providers" in schema["properties"], done
    assert run("--no-such-option").returncode == 2


@check
def who_has_heard_enough_may_go():
    # As `... | head` does, but before the first word.
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "gateway.yaml")
        file.write_text(settings(), encoding="utf-8")
        for arguments in [["schema"], ["check", str(file)], ["--help"]]:
            reader, writer = os.pipe()
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                done = subprocess.run([program, *arguments], stdout=out, stderr=subprocess.PIPE, text=True, timeout=60, env=environment)
            assert done.returncode == 0 and not done.stderr, (arguments, done)
        line = f"set -o pipefail; {program} schema | head -n 1"
        done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=60, env=environment)
        assert (done.returncode, done.stdout, done.stderr) == (0, "{\n", ""), done


@check
def check_of_a_file():
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder, "gateway.yaml")
        file.write_text(settings(), encoding="utf-8")
        done = run("check", str(file))
        assert done.returncode == 0 and "is well" in done.stdout, done
        assert SECRET not in done.stdout + done.stderr and TOKEN not in done.stdout + done.stderr, done
        file.write_text(settings("pools:\n  default: {patiense: 3s}\n"), encoding="utf-8")
        done = run("check", str(file))
        line = file.read_text(encoding="utf-8")[: file.read_text(encoding="utf-8").index("patiense")].count("\n") + 1
        assert done.returncode == 1, done
        assert "patience" in done.stderr and f"{line}:" in done.stderr, done
        assert SECRET not in done.stderr and TOKEN not in done.stderr, done
        assert run("check", str(file) + ".none").returncode == 1


@check
def check_of_the_examples():
    for name in ["examples/gateway.yaml", "examples/gateway-small.yaml", "crates/campanile-gateway/src/config/tests/stages_of_agents.yaml"]:
        done = run("check", "--without-secrets", name)
        assert done.returncode == 0 and "is well" in done.stdout, (name, done)


@check
def without_a_file():
    with Gateway(None, "--listen", "0") as gateway:
        assert "curl" in gateway.text() and "simulated" in gateway.text(), gateway.text()
        models = json.loads(gateway.ask("GET", "/v1/models")[2])["data"]
        assert models, models
        status, _, body = gateway.chat(models[0]["id"])
        assert status == 200 and json.loads(body)["choices"][0]["message"]["content"], body
        # There is nothing to read again: a hangup, as a terminal sends it, ends nothing.
        before = gateway.text()
        for _ in range(3):
            gateway.process.send_signal(signal.SIGHUP)
            time.sleep(0.2)
            assert gateway.process.poll() is None and gateway.chat(models[0]["id"])[0] == 200, gateway.text()
        assert "panic" not in gateway.text()[len(before) :], gateway.text()
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(30) == 0


@check
def edits_and_hangups():
    with Gateway(settings()) as gateway:
        assert gateway.chat()[0] == 200
        assert gateway.chat("added")[0] == 404
        added = f'  other: {{preset: compatible, base_url: "{FAULTS}/v1", models: {{added: text}}}}\n'
        gateway.file.write_text(settings(providers=added), encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: gateway.chat("added")[0] == 200)
        # What is broken is refused, and reported; and the one before goes on.
        before = len(gateway.text())
        gateway.file.write_text(settings("nonsense: 1\n"), encoding="utf-8")
        gateway.process.send_signal(signal.SIGHUP)
        until(lambda: "nonsense" in gateway.text()[before:])
        assert gateway.chat("added")[0] == 200
        # And without a signal.
        gateway.file.write_text(settings(), encoding="utf-8")
        until(lambda: gateway.chat("added")[0] == 404)
        assert SECRET not in gateway.text() and TOKEN not in gateway.text()


@check
def a_stop_lets_streams_end():
    with Gateway(settings()) as gateway:
        answers = []
        body = question("slow", stream=True)
        callers = [threading.Thread(target=lambda: answers.append(gateway.ask("POST", "/v1/chat/completions", body))) for _ in range(20)]
        for caller in callers:
            caller.start()
        until(lambda: faults().get("slow", {}).get("active", 0) >= 20)
        gateway.process.send_signal(signal.SIGTERM)
        for caller in callers:
            caller.join()
        assert gateway.process.wait(30) == 0, gateway.text()
        assert len(answers) == 20
        for status, _, body in answers:
            assert status == 200 and body.endswith("data: [DONE]\n\n"), (status, body[-200:])
        assert "stopped" in gateway.text() and "cut=0" in gateway.text(), gateway.text()[-500:]


@check
def a_stop_says_what_it_cut():
    with Gateway(settings("server: {stop_within: 100ms}\n")) as gateway:
        answers = []
        body = question("slower", stream=True)
        caller = threading.Thread(target=lambda: answers.append(gateway.ask("POST", "/v1/chat/completions", body)))
        caller.start()
        until(lambda: faults().get("slower", {}).get("active", 0) >= 1)
        time.sleep(1)
        gateway.process.send_signal(signal.SIGTERM)
        assert gateway.process.wait(30) == 0, gateway.text()
        caller.join()
        assert "cut=1" in gateway.text(), gateway.text()[-500:]
        status, _, body = answers[0]
        assert "[DONE]" not in body and "error" in body, (status, body)
        until(lambda: faults()["slower"]["active"] == 0)


@check
def operators_need_the_token():
    with Gateway(settings()) as gateway:
        for path in ["/status", "/metrics", "/admin"]:
            assert gateway.ask("GET", path)[0] in (401, 403), path
            assert gateway.ask("GET", path, authorization="Bearer wrong")[0] in (401, 403), path
        gateway.chat()
        for path in ["/status", "/metrics"]:
            status, _, body = gateway.ask("GET", path, authorization=f"Bearer {TOKEN}")
            assert status == 200 and "faults" in body, (path, status)
            assert SECRET not in body and TOKEN not in body, path
        assert gateway.ask("GET", "/healthz")[0] == 200 and gateway.ask("GET", "/readyz")[0] == 200


@check
def heads_bodies_and_patience():
    more = "server: {max_body: 10000, max_head: 4096, head_timeout: 500ms, body_timeout: 500ms}\n"
    with Gateway(settings(more)) as gateway:
        assert gateway.chat(extra="x" * 20_000)[0] == 413
        assert gateway.ask("GET", "/healthz", x_long="x" * 10_000)[0] == 431
        for begun in [b"POST /v1/chat/completions HT", request(question("text"))[:-5]]:
            with contextlib.closing(gateway.socket()) as slow:
                slow.sendall(begun)
                answer = slow.recv(4096)
                assert answer.startswith(b"HTTP/1.1 408"), answer
        assert gateway.chat()[0] == 200


@check
def ten_thousand_idle_connections():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    connections = 10_000
    assert hard == resource.RLIM_INFINITY or hard >= connections + 400, f"only {hard} files may be open here"
    resource.setrlimit(resource.RLIMIT_NOFILE, (connections + 400, hard))
    with Gateway(settings()) as gateway:

        def timed():
            began = time.perf_counter()
            assert gateway.chat()[0] == 200
            return (time.perf_counter() - began) * 1000

        alone = sorted([timed() for _ in range(110)][10:])
        before = gateway.memory()
        idle = [gateway.socket() for _ in range(connections)]
        # Some have asked before.
        for connection in idle[::10]:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        each = (gateway.memory() - before) / connections
        beside = sorted(timed() for _ in range(100))
        print(f"      {connections} idle connections, {each:.1f} KiB each; a call takes {beside[50]:.1f} ms, {alone[50]:.1f} ms without them")
        assert each < 16, each
        # They cost the others nothing that can be told from noise.
        assert beside[50] < 2 * alone[50] + 2 and beside[90] < 2 * alone[90] + 20, (alone, beside)
        for connection in idle:
            connection.close()
        assert gateway.chat()[0] == 200


@check
def more_connections_than_files():
    with Gateway(settings(), files=64) as gateway:
        with contextlib.closing(gateway.socket()) as kept:
            crowd = [gateway.socket() for _ in range(100)]
            until(lambda: "no connection can be accepted" in gateway.text())
            # Who was there before is served on, if only with what needs no file.
            kept.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
            assert kept.recv(4096).startswith(b"HTTP/1.1 200")
            for connection in crowd:
                connection.close()
            assert gateway.chat()[0] == 200


@check
def more_connections_than_are_allowed():
    with Gateway(settings("server: {max_connections: 4}\n")) as gateway:
        crowd = [gateway.socket() for _ in range(4)]
        # Those that only wait would make room.
        for connection in crowd:
            connection.sendall(request(question("slower", stream=True)))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        with contextlib.closing(gateway.socket()) as late:
            late.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            late.settimeout(1)
            try:
                raise AssertionError(late.recv(4096))
            except TimeoutError:
                pass
            late.settimeout(30)
            for connection in crowd:
                connection.close()
            # It waited, and is served once there is room.
            assert late.recv(4096).startswith(b"HTTP/1.1 200")


@check
def operators_with_a_listener_of_their_own():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    more = settings("server: {max_connections: 2}\n").replace(f"{{token: {TOKEN}}}", f"{{token: {TOKEN}, listen: {port}}}")
    with Gateway(more) as gateway:
        until(lambda: "listening to operators" in gateway.text())
        assert gateway.ask("GET", "/metrics", authorization=f"Bearer {TOKEN}")[0] == 404
        crowd = [gateway.socket() for _ in range(2)]
        for connection in crowd:
            connection.sendall(request(question("slower", stream=True)))
            assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        late = gateway.socket()
        late.sendall(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        gateway.address = f"127.0.0.1:{port}"
        for path in ["/healthz", "/readyz", "/metrics", "/status"]:
            assert gateway.ask("GET", path, authorization=f"Bearer {TOKEN}")[0] == 200, path
        for connection in [*crowd, late]:
            connection.close()


@check
def as_many_files_as_there_may_be():
    soft, hard = 256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with Gateway(settings(), files=f"{soft}:{min(hard, 4096)}") as gateway:
        limits = pathlib.Path(f"/proc/{gateway.process.pid}/limits").read_text(encoding="ascii")
        assert re.search(r"Max open files +4096 ", limits) or hard < 4096, limits


@check
def clients_that_do_not_read():
    streams = 200
    with Gateway(settings("server: {write_timeout: 4s}\n")) as gateway:
        # Of the program itself, what streams need is in memory before; and it counts what it was asked since.
        for _ in range(2):
            assert gateway.chat("flood", stream=True)[0] == 200
        asked = faults()["flood"]
        before = gateway.memory()
        idle = [gateway.socket(buffer=4096) for _ in range(streams)]
        for connection in idle:
            connection.sendall(request(question("flood", stream=True)))
        until(lambda: faults()["flood"]["requests"] == asked["requests"] + streams, 60)
        most = 0
        # Until they are given up, and their calls with them.
        end = time.monotonic() + 60
        while faults()["flood"]["active"]:
            assert time.monotonic() < end, "they are read on"
            most = max(most, gateway.memory())
            time.sleep(0.1)
        each = (most - before) / streams
        counts = {name: count - asked[name] for name, count in faults()["flood"].items()}
        print(f"      {streams} streams that nobody reads, {each:.1f} KiB each; {counts}")
        # The system's own buffers may take all that a provider has to say.
        assert counts["cancelled"] + counts["whole"] == streams, counts
        assert each <= UNREAD, each
        assert gateway.chat()[0] == 200
        for connection in idle:
            connection.close()


run_checks("the program", wanted)
