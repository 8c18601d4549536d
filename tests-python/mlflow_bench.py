"""Tracking calls per second: a Portcullis server and `mlflow server` (SQLite) in one run, by the same load over raw HTTP.

    python mlflow_bench.py --portcullis target/release/portcullis [--seconds 5] [--connections 8] [--runs 10000] [--points 100000]

Both begin with an empty folder, get the same runs and points by the same calls, and answer the same requests, one server at a time. Prints
a line a measure: requests/s of both, their ratio, and p50 and p95 in milliseconds; then start to ready and resident memory."""

import argparse
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

NOW = 1_750_000_000_000


class Server:
    """A server process with its address and what calls carry."""

    def __init__(self, name, process, host, port, headers, began):
        self.name, self.process, self.host, self.port, self.headers = name, process, host, port, headers
        while True:
            try:
                if self.call("GET", "/health")[0] == 200:
                    break
            except OSError:
                if process.poll() is not None:
                    sys.exit(f"{name} ended: {process.returncode}")
                if time.perf_counter() - began > 120:
                    sys.exit(f"{name} is not ready after two minutes")
        self.ready = time.perf_counter() - began

    def connect(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=300)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def call(self, method, path, body=None, connection=None):
        own = connection or self.connect()
        headers = dict(self.headers)
        if body is not None:
            headers["Content-Type"] = "application/json"
        own.request(method, path, body=body, headers=headers)
        answer = own.getresponse()
        data = answer.read()
        if connection is None:
            own.close()
        return answer.status, data

    def post(self, path, value, connection=None):
        status, data = self.call("POST", f"/api/2.0/mlflow/{path}", json.dumps(value), connection)
        if status != 200:
            sys.exit(f"{self.name}: {path}: {status} {data[:300]}")
        return json.loads(data)

    def resident(self):
        """MiB of the process and its children."""
        total, todo = 0, [self.process.pid]
        while todo:
            pid = todo.pop()
            try:
                for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                    if line.startswith("VmRSS:"):
                        total += int(line.split()[1])
                for task in Path(f"/proc/{pid}/task").iterdir():
                    todo += [int(child) for child in (task / "children").read_text().split()]
            except OSError:
                pass
        return total / 1024

    def stop(self):
        os.killpg(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def portcullis(binary, folder):
    began = time.perf_counter()
    command = [binary, "serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    told = json.loads(process.stdout.readline())
    host, port = told["url"].removeprefix("http://").rsplit(":", 1)
    token = Path(told["admin_token_file"]).read_text().strip()
    return Server("portcullis", process, host, int(port), {"Authorization": f"Bearer {token}"}, began)


def mlflow(folder):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    began = time.perf_counter()
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    return Server("mlflow", process, "127.0.0.1", port, {}, began)


def load(server, seconds, connections, request):
    """Calls `request(number)` → (method, path, body) as fast as it is answered; requests/s, p50 and p95 in ms."""
    times, end = [[] for _ in range(connections)], time.perf_counter() + seconds

    def worker(at):
        connection, number = server.connect(), at
        while time.perf_counter() < end:
            method, path, body = request(number)
            begun = time.perf_counter()
            status, data = server.call(method, path, body, connection)
            times[at].append(time.perf_counter() - begun)
            if status != 200:
                sys.exit(f"{server.name}: {path}: {status} {data[:300]}")
            number += connections
        connection.close()

    begun = time.perf_counter()
    threads = [threading.Thread(target=worker, args=(at,)) for at in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.perf_counter() - begun
    ordered = sorted(t for own in times for t in own)
    p95 = ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))]
    return len(ordered) / took, statistics.median(ordered) * 1000, p95 * 1000


def fill(server, runs, points):
    """The runs that are searched, and the metric whose history is read."""
    experiment = server.post("experiments/create", {"name": "bench"})["experiment_id"]

    def some(numbers):
        connection = server.connect()
        for number in numbers:
            made = server.post(
                "runs/create", {"experiment_id": experiment, "start_time": NOW + number, "run_name": f"r{number}"}, connection
            )
            run = made["run"]["info"]["run_id"]
            server.post(
                "runs/log-batch",
                {
                    "run_id": run,
                    "metrics": [
                        {"key": f"m{k}", "value": number / (k + 1), "timestamp": NOW, "step": 0} for k in range(3)
                    ],
                    "params": [{"key": f"p{k}", "value": str(number % (k + 2))} for k in range(3)],
                },
                connection,
            )
        connection.close()

    threads = [threading.Thread(target=some, args=(range(at, runs, 4),)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run = server.post("runs/create", {"experiment_id": experiment, "start_time": 0})["run"]["info"]["run_id"]
    for begin in range(0, points, 1000):
        part = range(begin, min(begin + 1000, points))
        metrics = [{"key": "long", "value": n * 0.37, "timestamp": NOW + n, "step": n} for n in part]
        server.post("runs/log-batch", {"run_id": run, "metrics": metrics})
    return experiment, run


def measures(experiment, run):
    api = "/api/2.0/mlflow"

    def post(path, value):
        return "POST", f"{api}/{path}", json.dumps(value)

    def log_metric(n):
        return post("runs/log-metric", {"run_id": run, "key": "one", "value": 0.5 * n, "timestamp": NOW + n, "step": n})

    def log_batch(n):
        metrics = [{"key": f"b{k}", "value": 0.1 * n, "timestamp": NOW + n, "step": n} for k in range(10)]
        return post("runs/log-batch", {"run_id": run, "metrics": metrics, "tags": [{"key": "at", "value": str(n)}]})

    def search(n):
        return post("runs/search", {"experiment_ids": [experiment], "max_results": 100})

    def search_filter(n):
        asked = {"experiment_ids": [experiment], "max_results": 100, "filter": "metrics.m0 > 5000 AND params.p0 = '1'"}
        return post("runs/search", asked)

    def search_order(n):
        asked = {"experiment_ids": [experiment], "max_results": 100, "order_by": ["metrics.m1 DESC"]}
        return post("runs/search", asked)

    def search_full(n):
        return post("runs/search", {"experiment_ids": [experiment], "max_results": 1000})

    def history(n):
        return "GET", f"{api}/metrics/get-history?run_id={run}&metric_key=long&max_results=25000", None

    return {
        "log-metric": log_metric,
        "log-batch of 10 metrics": log_batch,
        "search, newest 100": search,
        "search, filter, 100": search_filter,
        "search, by metric, 100": search_order,
        "search, newest 1000": search_full,
        "history, 25,000 of the points": history,
    }


def measure(server, arguments):
    idle = server.resident()
    experiment, run = fill(server, arguments.runs, arguments.points)
    figures = {}
    for name, request in measures(experiment, run).items():
        server.call(*request(0))
        many = load(server, arguments.seconds, arguments.connections, request)
        one = load(server, arguments.seconds, 1, request)
        figures[name] = (many, one)
    return figures, idle, server.resident()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--portcullis", required=True)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=100_000)
    arguments = parser.parse_args()
    told = {}
    for name, start in (("portcullis", lambda f: portcullis(arguments.portcullis, f)), ("mlflow", mlflow)):
        with tempfile.TemporaryDirectory() as folder:
            server = start(Path(folder))
            try:
                told[name] = measure(server, arguments)
            finally:
                server.stop()
            told[name] += (server.ready,)
    ours, theirs = told["portcullis"], told["mlflow"]
    head = f"{arguments.connections} connections"
    print(f"{'':34}{'requests/s':>12}{'mlflow':>10}{'ratio':>8}{'p50 ms':>9}{'p95 ms':>9}{'mlflow p95':>12}")
    for at, label in ((0, head), (1, "1 connection")):
        print(label)
        for name in ours[0]:
            mine, other = ours[0][name][at], theirs[0][name][at]
            ratio = mine[0] / other[0]
            print(f"  {name:32}{mine[0]:12.0f}{other[0]:10.1f}{ratio:8.1f}{mine[1]:9.2f}{mine[2]:9.2f}{other[2]:12.1f}")
    print(f"start to ready: {ours[3] * 1000:.0f} ms, mlflow {theirs[3] * 1000:.0f} ms")
    print(f"resident after start: {ours[1]:.0f} MiB, mlflow {theirs[1]:.0f} MiB; after the load: {ours[2]:.0f}, {theirs[2]:.0f}")


if __name__ == "__main__":
    main()
