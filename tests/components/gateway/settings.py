"""Checks what settings do, by what a caller, `/status` and `/metrics` are told: settings.py PROGRAM [WORD...]. The providers are in this
file. Python's own library, and nothing else."""

import contextlib
import http.server
import json
import re
import ssl
import subprocess
import tempfile
import threading
import time

from running import Gateway, check, question, run_checks, until, wanted

TOKENS = {"prompt_tokens": 1000, "completion_tokens": 500, "total_tokens": 1500}


class Provider:
    """A provider of OpenAI's interface, which answers as `does(number)` says of the number of a call: nothing for a whole answer, a
    number of seconds to wait before it, a status and a body, or `"cut"` for a stream that breaks off behind its second word."""

    def __init__(self, does=lambda number: None, certificate=None):
        self.does, self.bodies, self.active, self.most_active, self.probes, self.well = does, [], 0, 0, 0, True
        lock = threading.Lock()
        itself = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def tell(self, status, body):
                body = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                itself.probes += 1
                self.tell(200 if itself.well else 500, {"object": "list", "data": []})

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with lock:
                    number = len(itself.bodies)
                    itself.bodies.append(body)
                    itself.active += 1
                    itself.most_active = max(itself.most_active, itself.active)
                try:
                    does = itself.does(number)
                    if isinstance(does, float):
                        time.sleep(does)
                    elif isinstance(does, tuple):
                        self.tell(*does)
                        return
                    if body.get("stream"):
                        self.stream(does == "cut")
                    else:
                        message = {"role": "assistant", "content": "one two three four"}
                        choice = {"index": 0, "message": message, "finish_reason": "stop"}
                        self.tell(200, {"id": "c", "object": "chat.completion", "created": 1, "model": body["model"], "choices": [choice], "usage": TOKENS})
                except OSError:
                    # The gateway left.
                    self.close_connection = True
                finally:
                    with lock:
                        itself.active -= 1

            def stream(self, cut):
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                self.send_header("connection", "close")
                self.end_headers()
                self.close_connection = True
                frame = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
                deltas = [({"content": word}, None) for word in ["one ", "two ", "three ", "four"]] + [({}, "stop")]
                for delta, finish in deltas[: 2 if cut else None]:
                    choice = {"index": 0, "delta": delta, "finish_reason": finish}
                    self.wfile.write(f"data: {json.dumps(frame | {'choices': [choice]})}\n\n".encode())
                    self.wfile.flush()
                if not cut:
                    self.wfile.write(f"data: {json.dumps(frame | {'choices': [], 'usage': TOKENS})}\n\ndata: [DONE]\n\n".encode())

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http{'s' if certificate else ''}://localhost:{self.server.server_port}/v1"

    @property
    def asked(self):
        return len(self.bodies)


def failing(number):
    return 500, {"error": {"message": "it fails", "type": "server_error"}}


@contextlib.contextmanager
def gateway_of(providers, more="", files=None):
    """The program over these providers, each of which takes a model `m`; retries only where a check asks for them."""
    written = "".join(f'  {name}: {{preset: compatible, base_url: "{provider.url}", models: {{m: }}}}\n' for name, provider in providers.items())
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        for name, text in (files or {}).items():
            with open(f"{folder}/{name}", "w", encoding="utf-8") as file:
                file.write(text)
        gateway = stack.enter_context(Gateway(f"listen: 127.0.0.1:0\nproviders:\n{written}{more.replace('FOLDER', folder)}"))
        yield gateway
        for provider in providers.values():
            provider.server.shutdown()


def told(answer):
    """Where a call went, as its caller is told: of a stream at its end."""
    _, headers, body = answer
    at_its_end = re.search(r"^: campanile-trail (.*)$", body, re.MULTILINE)
    return json.loads(at_its_end[1] if at_its_end else headers["x-campanile-trail"])


def ask(gateway, model="m", stream=False, headers={}, **more):
    answer = gateway.ask("POST", "/v1/chat/completions", question(model, stream=stream, **more), **{"x-campanile-trail": "1"}, **headers)
    return answer, told(answer)


def metric(gateway, name, **labels):
    """The sum of what a metric says with these labels."""
    lines = re.findall(rf"^{name}(\{{.*\}})? (\S+)$", gateway.ask("GET", "/metrics")[2], re.MULTILINE)
    return sum(float(value) for of, value in lines if all(f'{label}="{wanted}"' in of for label, wanted in labels.items()))


def status(gateway):
    return json.loads(gateway.ask("GET", "/status")[2])


def members(gateway, pool):
    return {member["key"]: member for member in status(gateway)["pools"][pool]["members"]}


def went(trail):
    return [(attempt["to"], attempt.get("why"), attempt["outcome"]) for attempt in trail["attempts"]]


BARE = "retry: null, breaker: null"


@check
def fallbacks_by_class_and_otherwise():
    too_long = 400, {"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length_exceeded"}}
    sick = Provider(lambda number: too_long if number == 0 else failing(number))
    more = f"""pools:
  sick: {{members: [sick], {BARE}}}
  large: {{members: [large], {BARE}}}
  other: {{members: [other], {BARE}}}
stages:
  sick: {{models: [m], fallbacks: {{context_window: large, otherwise: other}}}}
  large: {{model: m}}
  other: {{model: m}}
"""
    with gateway_of({"sick": sick, "large": Provider(), "other": Provider()}, more) as gateway:
        for wanted in ["large", "other"]:
            answer, trail = ask(gateway)
            assert answer[0] == 200 and trail["stage"] == wanted, (answer, trail)
            assert [(to, why) for to, why, _ in went(trail)] == [("sick", None), (wanted, "fallback")], trail
        until(lambda: metric(gateway, "campanile_stage_fallbacks_total") == 2)


@check
def a_window_that_is_too_small():
    small, large = Provider(), Provider()
    more = f"""pools:
  small: {{members: [small], {BARE}}}
  large: {{members: [large], {BARE}}}
stages:
  small: {{models: [m], context_window: 1000, fallbacks: {{context_window: large}}}}
  large: {{model: m}}
"""
    with gateway_of({"small": small, "large": large}, more) as gateway:
        assert ask(gateway, max_tokens=100)[1]["stage"] == "small"
        # It is known before it is sent.
        answer, trail = ask(gateway, max_tokens=100, messages=[{"role": "user", "content": "many words " * 2000}])
        assert answer[0] == 200 and trail["stage"] == "large", (answer, trail)
        assert (small.asked, large.asked) == (1, 1), trail


@check
def a_second_copy_of_what_takes_long():
    slow, quick = Provider(lambda number: 3.0), Provider()
    more = """pools:
  all: {members: [slow, {provider: quick, tier: 1}], hedge: {delay: {kind: fixed, after: 100ms}, share: 1}}
"""
    with gateway_of({"slow": slow, "quick": quick}, more) as gateway:
        began = time.monotonic()
        answer, trail = ask(gateway)
        took = time.monotonic() - began
        assert answer[0] == 200 and took < 2.5, took
        assert [(to, why) for to, why, _ in went(trail)] == [("slow", None), ("quick", "hedge")], trail
        assert metric(gateway, "campanile_stage_hedges_total") == 1


@check
def a_stream_goes_on_elsewhere():
    cut, whole = Provider(lambda number: "cut"), Provider()
    pools = "pools:\n  all: {members: [cut, {provider: whole, tier: 1}], breaker: null%s}\n"
    for resume, wanted in [("", False), (", resume: {max_resumes: 1}", True)]:
        with gateway_of({"cut": cut, "whole": whole}, pools % resume) as gateway:
            (code, _, body), trail = ask(gateway, stream=True)
            assert code == 200 and ("data: [DONE]" in body) == wanted and ('data: {"error"' in body) != wanted, body
            assert [to for to, *_ in went(trail)] == (["cut", "whole"] if wanted else ["cut"]), trail
            # What was said is told to who goes on.
            assert [body["messages"][-1]["content"] for body in whole.bodies] == (["one two"] if wanted else []), whole.bodies
        cut, whole = Provider(lambda number: "cut"), Provider()


@check
def probes_close_and_open():
    # Of fewer than three one that is ill is asked all the same.
    providers = {name: Provider() for name in ["sick", "one", "two"]}
    sick = providers["sick"]
    more = "pools:\n  all: {strategy: round_robin, retry: null, probe: {interval: 100ms, timeout: 1s}}\n"
    with gateway_of(providers, more) as gateway:
        until(lambda: sick.probes > 2)
        sick.well = False
        member = until(lambda: (member := members(gateway, "all")["sick"]) and not member["open"] and member)
        assert "health" in json.dumps(member["closed"]), member
        assert metric(gateway, "campanile_endpoint_closed", endpoint="sick", reason="health") == 1
        before = sick.asked
        assert [ask(gateway)[0][0] for _ in range(6)] == [200] * 6
        assert sick.asked == before
        sick.well = True
        until(lambda: members(gateway, "all")["sick"]["open"])
        assert [ask(gateway)[0][0] for _ in range(6)] == [200] * 6
        assert sick.asked > before


# Dollars for a million tokens: a call of 1,000 tokens read and 500 written costs 0.002 + 0.004.
PRICES = json.dumps({"models": {"m": {"input": 2, "output": 8}, "dear": {"input": 20, "output": 80}}})


@check
def prices_are_told_and_budgets_hold():
    more = """prices: FOLDER/prices.json
keys:
  rich: {secret: key-of-the-rich-in-a-test, tenant: rich, budgets: [{unit: money, limit: "10", period: day}]}
  poor: {secret: key-of-the-poor-in-a-test, tenant: poor, budgets: [{unit: money, limit: "0.013", period: day}]}
"""
    provider = Provider()
    with gateway_of({"one": provider}, more, {"prices.json": PRICES}) as gateway:

        def spend(key, **more):
            answer, trail = ask(gateway, headers={"authorization": f"Bearer key-of-the-{key}-in-a-test"}, **more)
            return answer[0], trail.get("charged", {}).get("dollars")

        for stream in [False, True]:
            assert spend("rich", stream=stream) == (200, 0.006)
        until(lambda: metric(gateway, "campanile_tenant_dollars_total", tenant="rich") == 0.012)
        assert metric(gateway, "campanile_usage_dollars_total", provider="one", model="m") == 0.012
        now = status(gateway)
        assert now["usage"]["by_tenant"]["rich"]["dollars"] == now["usage"]["total"]["dollars"] == 0.012, now["usage"]
        assert metric(gateway, "campanile_tenant_budget_left", tenant="rich") == 9.988
        # Room for two, and not for a third.
        codes = [spend("poor", max_tokens=500)[0] for _ in range(4)]
        assert codes == [200, 200, 429, 429], codes
        assert provider.asked == 4
        assert metric(gateway, "campanile_tenant_budget_spent", tenant="poor") == 0.012


@check
def a_budget_that_only_warns():
    more = """keys:
  shop: {secret: key-of-the-shop-in-a-test, budgets: [{unit: tokens, limit: 2000, period: day, enforce: ENFORCE, warn_at: [0.5, 1]}]}
"""
    for enforce, codes in [("warn", [200, 200, 200]), ("refuse", [200, 429, 429])]:
        with gateway_of({"one": Provider()}, more.replace("ENFORCE", enforce)) as gateway:
            headers = {"authorization": "Bearer key-of-the-shop-in-a-test"}
            assert [ask(gateway, headers=headers, max_tokens=600)[0][0] for _ in codes] == codes, enforce
            calls = codes.count(200)
            assert metric(gateway, "campanile_tenant_budget_spent", unit="tokens") == 1500 * calls
            assert metric(gateway, "campanile_tenant_budget_left", unit="tokens") == max(0, 2000 - 1500 * calls)
            warnings = [line for line in gateway.text().splitlines() if "a part of a budget is spent" in line]
            assert len(warnings) == (2 if enforce == "warn" else 1), warnings


@check
def conversations_stay_where_they_are():
    providers = {name: Provider() for name in ["one", "two", "three"]}
    with gateway_of(providers, "pools:\n  all: {strategy: conversation}\n") as gateway:
        homes = {}
        for turn in range(4):
            for name in range(8):
                # By its name alone: what is said differs.
                messages = [{"role": "user", "content": f"Turn {turn} of it, and {name}"}]
                answer, trail = ask(gateway, messages=messages, headers={"x-campanile-conversation": f"talk-{name}"})
                assert answer[0] == 200, answer
                homes.setdefault(name, set()).add(went(trail)[-1][0])
        assert all(len(home) == 1 for home in homes.values()), homes
        assert len(set.union(*homes.values())) > 1, homes


@check
def the_cheapest_is_asked():
    dear, cheap = Provider(), Provider()
    more = "prices: FOLDER/prices.json\npools:\n  all: {strategy: cheapest}\n"
    with gateway_of({"cheap": cheap}, f'  dear: {{preset: compatible, base_url: "{dear.url}", models: {{m: dear}}}}\n' + more, {"prices.json": PRICES}) as gateway:
        for _ in range(10):
            assert ask(gateway)[0][0] == 200
        assert (cheap.asked, dear.asked) == (10, 0), (cheap.asked, dear.asked)


@check
def no_more_at_once_than_a_server_takes():
    server = Provider(lambda number: 0.1)
    more = "pools:\n  all: {retry: null, concurrency: {min_limit: 1, max_limit: 2, max_wait: 20s}}\n"
    with gateway_of({"one": server}, more) as gateway:
        codes = []
        callers = [threading.Thread(target=lambda: codes.append(ask(gateway)[0][0])) for _ in range(12)]
        for caller in callers:
            caller.start()
        for caller in callers:
            caller.join()
        assert codes == [200] * 12, codes
        assert 1 <= server.most_active <= 2, server.most_active
        assert members(gateway, "all")["one"]["concurrency"], members(gateway, "all")


@check
def a_stages_deadline():
    more = "pools:\n  all: {}\nstages:\n  all: {models: [m], deadline: 300ms}\n"
    with gateway_of({"one": Provider(lambda number: 3.0)}, more) as gateway:
        began = time.monotonic()
        answer, trail = ask(gateway)
        assert answer[0] == 504 and time.monotonic() - began < 2.5, (answer, trail)
        assert trail["error"]["class"] == "timeout", trail


@check
def an_authority_of_ones_own():
    with tempfile.TemporaryDirectory() as folder:
        certificate = f"{folder}/certificate.pem", f"{folder}/key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
            + ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"]
            + ["-out", certificate[0], "-keyout", certificate[1]],
            check=True,
            capture_output=True,
        )
        for roots, wanted in [("", 502), (f"http: {{root_certificates: [{certificate[0]}]}}\n", 200)]:
            with gateway_of({"one": Provider(certificate=certificate)}, roots) as gateway:
                answer, _ = ask(gateway)
                assert answer[0] == wanted, answer


run_checks("settings", wanted)
