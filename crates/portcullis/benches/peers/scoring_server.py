"""Requests a second of one scoring script behind an endpoint here and under `azureml-inference-server-http`, in one run.

    python scoring_server.py --binary target/release/portcullis --peer VENV/bin/azmlinfsrv [--workers 2] [--connections 8] [--seconds 8]

The interpreter that runs this serves both sides' scripts; it needs scikit-learn and pandas, and the peer's packages when it is the
peer's own. Both servers get the same script, model and number of workers, and are loaded by `ab` with connections kept open, in turns.
CPU is that of our server's process alone, without its workers: what the road before the script costs.
"""

import argparse
import json
import os
import pathlib
import pickle
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

SCRIPT = '''
import os, pickle
import pandas as pd
from inference_schema.schema_decorators import input_schema, output_schema
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
SAMPLE = [{"Age": 20, "Sex": "male", "Job": 0, "Housing": "own", "Saving accounts": "little", "Checking account": "little",
    "Credit amount": 100, "Duration": 48, "Purpose": "radio/TV"}]
def init():
    global model
    with open(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model.pkl"), "rb") as file:
        model = pickle.load(file)
@input_schema("data", StandardPythonParameterType(SAMPLE))
@output_schema(StandardPythonParameterType({"predict_proba": [[0.7, 0.3]]}))
def run(data):
    return {"predict_proba": model.predict_proba(pd.DataFrame(data)).tolist()}
'''
ROW = {"Age": 20, "Sex": "male", "Job": 0, "Housing": "own", "Saving accounts": "little", "Checking account": "little",
       "Credit amount": 100, "Duration": 48, "Purpose": "radio/TV"}
VALUES = {"Sex": ["male", "female"], "Housing": ["own", "rent"], "Saving accounts": ["little", "moderate", "rich"],
          "Checking account": ["little", "moderate", "rich"], "Purpose": ["radio/TV", "car", "business"]}


def learn(path):
    """A logistic regression over one-hot columns, on rows drawn with a fixed seed."""
    import random

    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    draw = random.Random(7)
    rows = [
        {
            "Age": draw.randint(18, 80),
            "Job": draw.randint(0, 3),
            "Credit amount": draw.randint(100, 20000),
            "Duration": draw.choice([6, 12, 24, 36, 48]),
            **{name: draw.choice(values) for name, values in VALUES.items()},
        }
        for _ in range(1000)
    ]
    table = pd.DataFrame(rows)[list(ROW)]
    risk = [row["Credit amount"] * row["Duration"] > 240000 for row in rows]
    columns = ColumnTransformer([("words", OneHotEncoder(), list(VALUES))], remainder=StandardScaler())
    model = make_pipeline(columns, LogisticRegression(max_iter=2000)).fit(table, risk)
    path.write_bytes(pickle.dumps(model))


def wait_for(url, headers):
    deadline = time.monotonic() + 120
    while True:
        try:
            request = urllib.request.Request(url, json.dumps({"data": [ROW]}).encode(), headers)
            return urllib.request.urlopen(request, timeout=30).read()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def load(url, body, key, options):
    """Requests a second by `ab`; every answer must be good."""
    command = ["ab", "-q", "-k", "-l", "-t", str(options.seconds), "-n", "10000000", "-c", str(options.connections),
               "-p", str(body), "-T", "application/json"]
    if key:
        command += ["-H", "Authorization: Bearer " + key]
    told = subprocess.run(command + [url], capture_output=True, text=True, check=True).stdout
    if re.search(r"Non-2xx responses", told) or not re.search(r"Failed requests:\s+0", told):
        sys.exit(told)
    return (float(re.search(r"Requests per second:\s+([\d.]+)", told)[1]), int(re.search(r"Complete requests:\s+(\d+)", told)[1]))


def processor_seconds(pid):
    fields = pathlib.Path("/proc/%d/stat" % pid).read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ours(folder, options):
    """Starts our server with the script deployed; gives process, URL and key."""
    environment = dict(os.environ, PORTCULLIS__ENVIRONMENTS__PYTHON=sys.executable)
    server = subprocess.Popen(
        [options.binary, "serve", "--json", "--listen", "127.0.0.1:0", "--data-dir", str(folder / "data")],
        stdout=subprocess.PIPE, env=environment)
    ready = json.loads(server.stdout.readline())
    token = pathlib.Path(ready["admin_token_file"]).read_text().strip()

    def command(*arguments):
        done = subprocess.run([options.binary, *arguments, "--json", "--server", ready["url"]],
                              env=dict(os.environ, PORTCULLIS_TOKEN=token), capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    command("model", "register", "credit", str(folder / "model"), "--type", "custom_model")
    command("endpoint", "create", "credit")
    (folder / "deployment.yml").write_text(
        "$schema: https://azuremlschemas.azureedge.net/latest/managedOnlineDeployment.schema.json\n"
        "name: blue\nendpoint_name: credit\nmodel: azureml:credit:1\n"
        "code_configuration: {code: code, scoring_script: score.py}\n"
        "instance_count: %d\nrequest_settings: {request_timeout_ms: 60000, max_queue_wait_ms: 60000, "
        "max_concurrent_requests_per_instance: %d}\n" % (options.workers, options.concurrent))
    command("deployment", "create", "-f", str(folder / "deployment.yml"), "--all-traffic")
    return server, ready["url"] + "/endpoints/credit/score", command("endpoint", "keys", "credit")["primaryKey"]


def peer(folder, options):
    """Starts the other server; gives process and URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = dict(os.environ, WORKER_COUNT=str(options.workers), AZUREML_MODEL_DIR=str(folder / "model"))
    server = subprocess.Popen(
        [options.peer, "--entry_script", str(folder / "code" / "score.py"), "--port", str(port)],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    return server, "http://127.0.0.1:%d/score" % port


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--peer", required=True)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--concurrent", type=int, default=4, help="calls at once in one of our workers")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "model").mkdir()
        (folder / "code").mkdir()
        (folder / "code" / "score.py").write_text(SCRIPT)
        learn(folder / "model" / "model.pkl")
        body = folder / "body.json"
        body.write_text(json.dumps({"data": [ROW]}))
        server, url, key = ours(folder, options)
        other, other_url = peer(folder, options)
        try:
            same = [wait_for(url, {"Content-Type": "application/json", "Authorization": "Bearer " + key}),
                    wait_for(other_url, {"Content-Type": "application/json"})]
            if json.loads(same[0]) != json.loads(same[1]):
                sys.exit("the answers differ: %s" % same)
            here, there, cost = [], [], []
            for _ in range(options.turns):
                before = processor_seconds(server.pid)
                rate, calls = load(url, body, key, options)
                cost.append((processor_seconds(server.pid) - before) / calls * 1e6)
                here.append(rate)
                there.append(load(other_url, body, None, options)[0])
            print("portcullis        %8.0f requests/s   %5.0f us CPU a call before the script" %
                  (statistics.median(here), statistics.median(cost)))
            print("azureml-inference %8.0f requests/s   ratio %.2f" %
                  (statistics.median(there), statistics.median(here) / statistics.median(there)))
        finally:
            server.terminate()
            os.killpg(other.pid, signal.SIGTERM)


if __name__ == "__main__":
    main()
