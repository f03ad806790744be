"""What the checks of the program share: it while it runs. Python's own library, and nothing else."""

import contextlib
import http.client
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
from checking import check, run_checks, until

program, *wanted = sys.argv[1:]
# The child's own environment says nothing of other gateways.
environment = {key: value for key, value in os.environ.items() if not key.endswith(("_URL", "_API_KEY"))}


class Gateway:
    """The program, while it runs."""

    def __init__(self, text, *arguments, files=None):
        self.folder = tempfile.TemporaryDirectory()
        self.file = pathlib.Path(self.folder.name, "gateway.yaml")
        self.log = pathlib.Path(self.folder.name, "log")
        if text is not None:
            self.file.write_text(text, encoding="utf-8")
            arguments = ["--config", str(self.file), *arguments]
        self.said = open(self.log, "w+", encoding="utf-8")
        few = ["prlimit", f"--nofile={files}"] if files else []
        self.process = subprocess.Popen([*few, program, *arguments], stdout=self.said, stderr=self.said, env=environment)
        until(lambda: "http://127.0.0.1:" in self.text() or self.process.poll() is not None, 30)
        found = re.search(r"http://(127\.0\.0\.1:\d+)", self.text())
        assert found, self.text()
        self.address = found[1]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.said.close()
        self.folder.cleanup()

    def text(self):
        return self.log.read_text(encoding="utf-8")

    def ask(self, method, path, body=None, **headers):
        """Status, headers and body of an answer."""
        connection = http.client.HTTPConnection(self.address, timeout=60)
        with contextlib.closing(connection):
            headers = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body and json.dumps(body), {"content-type": "application/json", **headers})
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()

    def chat(self, model="text", **more):
        return self.ask("POST", "/v1/chat/completions", question(model, **more))

    def socket(self, buffer=None):
        host, port = self.address.split(":")
        connection = socket.socket()
        if buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.settimeout(30)
        connection.connect((host, int(port)))
        return connection

    def memory(self):
        """Kilobytes of this process that are in memory."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1])


def question(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "Hello?"}], **more}


def request(body):
    body = json.dumps(body).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def run(*arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, env=environment)
