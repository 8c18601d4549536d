"""Every call of the MLflow client that users make, with what went over the wire.

    mlflow_calls.py record URI OUT.json      the steps against a server (MLFLOW_TRACKING_TOKEN as the client reads it)
    mlflow_calls.py compare A.json B.json    0 when both servers were asked and answered alike, but for ids, times and what `settled` names

A record is a list of steps; a step is a list of calls: method, path, query, request body, status, answer. Ids and times are replaced by
what they are, numbered in the order of their first appearance, so that equal records mean equal conversations.
"""

import json
import os
import re
import sys
import tempfile
import threading
import warnings

warnings.filterwarnings("ignore")
os.environ.setdefault("MLFLOW_ENABLE_ASYNC_LOGGING", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

SHAPES = [
    ("model", re.compile(r"\bm-[0-9a-f]{32}\b")),
    ("id", re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")),
    ("uuid", re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")),
    ("time", re.compile(r"(?<!\d)1[6-9]\d{11}(?!\d)")),
    ("time", re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?")),
]
# Members whose value is another one at every run, or tells the machine.
LOOSE = {
    "model_size_bytes", "mlflow.source.name", "mlflow.user", "user_id", "artifact_location", "mlflow.source.git.commit",
    "file_size", "bytes",
}
# Members that hold JSON as text.
NESTED = {"mlflow.log-model.history", "mlflow.loggedArtifacts", "mlflow.modelVersions", "model_json"}


class Recorder:
    """Listens to every request of this process."""

    def __init__(self, base):
        self.base, self.steps, self.lock = base.rstrip("/"), [], threading.Lock()

    def step(self, name):
        self.steps.append({"step": name, "calls": []})

    def listen(self):
        import requests

        send = requests.Session.send

        def heard(session, request, **kwargs):
            answer = send(session, request, **kwargs)
            if request.url.startswith(self.base):
                with self.lock:
                    self.steps[-1]["calls"].append(self.told(request, answer))
            return answer

        requests.Session.send = heard

    def told(self, request, answer):
        path, _, query = request.url[len(self.base):].partition("?")
        import urllib.parse

        body, said = text_of(request.body), None
        if "json" in answer.headers.get("content-type", "") and not is_file(path):
            said = json.loads(answer.text)
        return {
            "method": request.method,
            "path": urllib.parse.unquote(path),
            "query": sorted(urllib.parse.parse_qsl(query, keep_blank_values=True)),
            "body": body,
            "status": answer.status_code,
            "answer": said,
        }


def is_file(path):
    return "/mlflow-artifacts/artifacts/" in path or path.startswith("/get-artifact")


def text_of(body):
    """A request's JSON; none for files."""
    try:
        return json.loads(body) if body else None
    except (TypeError, ValueError, UnicodeDecodeError):
        return None


def of_git(value):
    """Tags that stand only where the script lies in a repository."""
    return isinstance(value, dict) and str(value.get("key", "")).startswith("mlflow.source.git.")


def is_loose(key, value):
    return key in LOOSE or (key == "source" and str(value).startswith('{"tags"'))


def plain(steps):
    """Replaces what differs from run to run."""
    seen = {}

    def name(kind):
        def named(match):
            if kind == "time":
                return "<time>"
            key = (kind, match.group(0))
            seen.setdefault(key, f"<{kind} {sum(k == kind for k, _ in seen)}>")
            return seen[key]

        return named

    def text(value):
        for kind, shape in SHAPES:
            value = shape.sub(name(kind), value)
        return value

    def walk(value):
        if isinstance(value, dict):
            if value.get("key") in LOOSE and "value" in value:
                return {"key": value["key"], "value": "<loose>"}
            if value.get("key") in NESTED and "value" in value:
                return {"key": value["key"], "value": "<json>"}
            walked = {k: "<loose>" if is_loose(k, v) else walk(v) for k, v in sorted(value.items())}
            # An answer leaves unset fields out, or says they are empty: the client reads both alike.
            return {k: v for k, v in walked.items() if v not in ("", [], {}, None)}
        if isinstance(value, (list, tuple)):
            walked = [walk(v) for v in value if not of_git(v)]
            keyed = walked and all(isinstance(v, dict) and "key" in v for v in walked)
            return sorted(walked, key=lambda v: json.dumps(v, sort_keys=True)) if keyed else walked
        if isinstance(value, str):
            return text(value)
        if isinstance(value, bool) or value is None:
            return value
        if isinstance(value, int) and value > 1_600_000_000_000:
            return "<time>"
        return value

    return [{"step": s["step"], "calls": [walk(c) for c in s["calls"]]} for s in steps]


def table():
    import pandas as pd

    return pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0] * 10, "b": [0.5, 1.5, 0.25, 2.0] * 10}), [0, 1, 0, 1] * 10


def fitted():
    from sklearn.linear_model import LogisticRegression

    x, y = table()
    return LogisticRegression().fit(x, y), x, y


def tracking(step, mlflow):
    step("set_experiment, new")
    mlflow.set_experiment("calls")
    step("set_experiment, known")
    mlflow.set_experiment("calls")
    step("start_run")
    run = mlflow.start_run(run_name="first", tags={"team": "blue"}, description="the first run")
    step("log_param, log_metric, set_tag")
    mlflow.log_param("depth", 3)
    mlflow.log_metric("loss", 0.5, step=1)
    mlflow.log_metric("loss", float("nan"), step=2)
    mlflow.log_metric("loss", 0.25, step=3)
    mlflow.set_tag("stage", "try")
    mlflow.delete_tag("stage")
    step("log_params, log_metrics, set_tags")
    mlflow.log_params({"a": 1, "b": "two"})
    mlflow.log_metrics({"auc": 0.75, "f1": 0.5}, step=4)
    mlflow.set_tags({"x": "1", "y": "2"})
    step("log_param, another value")
    try:
        mlflow.log_param("depth", 4)
    except mlflow.MlflowException as e:
        assert "depth" in str(e), e
    step("log_text, log_dict, log_figure, log_artifact")
    mlflow.log_text("hello", "notes/hello.txt")
    mlflow.log_dict({"k": [1, 2]}, "dict.json")
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([0, 1], [1, 0])
    mlflow.log_figure(figure, "plots/line.png")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "data.csv")
        with open(path, "w", encoding="utf-8") as file:
            file.write("a,b\n1,2\n")
        mlflow.log_artifact(path)
        mlflow.log_artifacts(folder, "all")
    step("log_table")
    mlflow.log_table({"in": ["q"], "out": ["a"]}, "table.json")
    mlflow.log_table({"in": ["r"], "out": ["b"]}, "table.json")
    step("log_input")
    x, _ = table()
    mlflow.log_input(mlflow.data.from_pandas(x, name="rows"), context="training", tags={"k": "v"})
    step("end_run")
    mlflow.end_run()
    step("nested runs")
    with mlflow.start_run(run_name="parent"):
        for depth in (1, 2):
            with mlflow.start_run(run_name=f"child {depth}", nested=True):
                mlflow.log_metric("loss", depth / 10)
    step("artifacts of a run")
    client = mlflow.MlflowClient()
    listed = sorted(f.path for f in client.list_artifacts(run.info.run_id))
    assert listed == ["all", "data.csv", "dict.json", "notes", "plots", "table.json"], listed
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"runs:/{run.info.run_id}/dict.json") == {"k": [1, 2]}
    return run.info.run_id


def searching(step, mlflow, run):
    client = mlflow.MlflowClient()
    step("search_runs")
    found = mlflow.search_runs(
        experiment_names=["calls"], filter_string="metrics.auc > 0.5 and params.a = '1'", output_format="list")
    assert [r.info.run_id for r in found] == [run]
    step("search_runs, pages")
    experiment = client.get_experiment_by_name("calls").experiment_id
    token, names = None, []
    while True:
        page = client.search_runs([experiment], order_by=["attributes.run_name ASC"], max_results=2, page_token=token)
        names += [r.info.run_name for r in page]
        token = page.token
        if not token:
            break
    assert names == ["child 1", "child 2", "first", "parent"], names
    step("search_runs, filters")
    for text in [
        "tags.`team` = 'blue'", "tags.team LIKE 'bl%'", "tags.team ILIKE 'BL%'", "params.b != 'three'", "attributes.status = 'FINISHED'",
        f"run_id IN ('{run}')", "run_name LIKE 'fir%'", "metrics.loss <= 0.2", "datasets.name = 'rows'", "params.absent IS NULL",
    ]:
        client.search_runs([experiment], filter_string=text, order_by=["metrics.loss DESC", "attributes.run_name"])
    step("search_runs, a wrong filter")
    try:
        client.search_runs([experiment], filter_string="metrics.auc >")
        raise AssertionError("a wrong filter was taken")
    except mlflow.MlflowException:
        pass
    step("get_metric_history")
    history = client.get_metric_history(run, "loss")
    assert [m.step for m in history] == [1, 2, 3], history
    step("search_experiments")
    assert "calls" in [e.name for e in client.search_experiments(filter_string="name LIKE 'cal%'")]
    step("get_run")
    metrics = client.get_run(run).data.metrics
    assert (metrics["auc"], metrics["loss"]) == (0.75, 0.25), metrics
    step("update, delete, restore")
    client.update_run(run, name="first again")
    client.set_terminated(run, "KILLED")
    client.delete_run(run)
    client.restore_run(run)
    client.set_experiment_tag(experiment, "owner", "us")
    other = client.create_experiment("other", tags={"k": "v"})
    client.rename_experiment(other, "renamed")
    client.delete_experiment(other)
    client.restore_experiment(other)
    step("what is not there")
    for call in [
        lambda: client.get_run("0" * 32), lambda: client.get_experiment("99999"), lambda: client.create_experiment("calls"),
        lambda: client.get_registered_model("absent"), lambda: client.get_model_version("absent", "1"),
        lambda: client.get_model_version_by_alias("absent", "a"),
    ]:
        try:
            call()
            raise AssertionError("something that is not there was found")
        except mlflow.MlflowException:
            pass


def models(step, mlflow):
    client = mlflow.MlflowClient()
    model, x, _ = fitted()
    step("log_model")
    with mlflow.start_run(run_name="modeller") as run:
        mlflow.sklearn.log_model(model, name="clf", input_example=x[:2], pip_requirements=["scikit-learn"])
    step("register_model, runs:/")
    first = mlflow.register_model(f"runs:/{run.info.run_id}/clf", "credit model")
    assert (first.version, first.run_id) == ("1", run.info.run_id), first
    step("log_model, registered")
    with mlflow.start_run(run_name="registrar"):
        mlflow.sklearn.log_model(
            model, name="clf", registered_model_name="credit model", input_example=x[:2], pip_requirements=["scikit-learn"])
    step("aliases, tags, descriptions, stages")
    client.set_registered_model_alias("credit model", "champion", "1")
    assert client.get_model_version_by_alias("credit model", "champion").version == "1"
    client.set_registered_model_tag("credit model", "team", "blue")
    client.set_model_version_tag("credit model", "1", "checked", "yes")
    client.update_registered_model("credit model", description="for credits")
    client.update_model_version("credit model", "2", description="the second")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        client.transition_model_version_stage("credit model", "1", "Production")
        client.transition_model_version_stage("credit model", "2", "Production", archive_existing_versions=True)
    client.get_registered_model("credit model")
    step("load_model by alias, version, latest, run (any order)")
    for uri in ["models:/credit model@champion", "models:/credit model/2", "models:/credit model/latest", f"runs:/{run.info.run_id}/clf"]:
        assert list(mlflow.pyfunc.load_model(uri).predict(x[:2])) == list(model.predict(x[:2])), uri
    step("copy_model_version")
    copy = client.copy_model_version("models:/credit model@champion", "credit prod")
    assert copy.version == "1", copy
    step("search_registered_models, search_model_versions")
    assert [m.name for m in client.search_registered_models("name LIKE 'credit%'")] == ["credit model", "credit prod"]
    assert len(client.search_model_versions("name = 'credit model'")) == 2
    assert len(client.search_model_versions(f"run_id = '{run.info.run_id}'")) == 2
    client.search_registered_models(max_results=1)
    step("search_logged_models")
    experiment = client.get_experiment_by_name("calls").experiment_id
    assert len(mlflow.search_logged_models([experiment], output_format="list")) == 2
    assert len(mlflow.search_logged_models([experiment], filter_string="name = 'clf'", max_results=1, output_format="list")) == 1
    step("deleting")
    client.delete_registered_model_alias("credit model", "champion")
    client.delete_model_version_tag("credit model", "1", "checked")
    client.delete_registered_model_tag("credit model", "team")
    client.delete_model_version("credit model", "1")
    client.rename_registered_model("credit prod", "credit live")
    client.delete_registered_model("credit live")


def evaluating(step, mlflow):
    model, x, y = fitted()
    step("evaluate (any order)")
    with mlflow.start_run(run_name="judge"):
        info = mlflow.sklearn.log_model(model, name="judged", input_example=x[:2], pip_requirements=["scikit-learn"])
        rows = x.assign(y=y)
        mlflow.evaluate(info.model_uri, rows, targets="y", model_type="classifier", evaluator_config={"log_model_explainability": False})


def autologging(step, mlflow):
    """Steps "in any order" have calls of several threads: these are compared as sets."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV

    x, y = table()
    step("autolog, GridSearchCV (any order)")
    mlflow.sklearn.autolog(silent=True, max_tuning_runs=2)
    GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2).fit(x, y)
    mlflow.sklearn.autolog(disable=True)
    step("autolog, LightGBM (any order)")
    import lightgbm

    mlflow.lightgbm.autolog(silent=True)
    lightgbm.train({"objective": "binary", "verbose": -1, "num_threads": 1}, lightgbm.Dataset(x, label=y), num_boost_round=3)
    mlflow.lightgbm.autolog(disable=True)
    step("autolog, XGBoost (any order)")
    import xgboost

    mlflow.xgboost.autolog(silent=True)
    xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(x, label=y), num_boost_round=3)
    mlflow.xgboost.autolog(disable=True)


def record(uri, out):
    import mlflow

    recorder = Recorder(uri)
    recorder.step("import")
    recorder.listen()
    mlflow.set_tracking_uri(uri)
    run = tracking(recorder.step, mlflow)
    searching(recorder.step, mlflow, run)
    models(recorder.step, mlflow)
    evaluating(recorder.step, mlflow)
    autologging(recorder.step, mlflow)
    mlflow.flush_async_logging() if hasattr(mlflow, "flush_async_logging") else None
    with open(out, "w", encoding="utf-8") as file:
        json.dump(plain(recorder.steps), file, indent=1, sort_keys=True)
    print(f"{sum(len(s['calls']) for s in recorder.steps)} calls in {len(recorder.steps)} steps")


# Where the answers differ knowingly: members that one of the servers leaves out.
ERRORS = {"error_class", "sqlstate"}  # new in this version; no client reads them, and some compare the whole body
WORKSPACE = {"workspace"}  # its servers can hold several workspaces, ours is one
FEATURES = {"features_enabled", "presigned_upload_model_id_supported", "presigned_upload_run_id_supported"}  # ours has none
MORE = {"model_id", "aliases"}  # of a version of a model: ours says them wherever it tells of one, its own here and there
PAGES = {"next_page_token", "page_token"}  # whatever the server likes: clients only give them back


def settled(call):
    """A call without what differs knowingly."""
    def walk(value, key=""):
        if isinstance(value, dict):
            gone = ERRORS | FEATURES
            if "lifecycle_stage" in value:
                gone = gone | WORKSPACE
            if "current_stage" in value:
                gone = gone | MORE
            return {k: "<page>" if k in PAGES else walk(v, k) for k, v in value.items() if k not in gone}
        if isinstance(value, list):
            return [walk(v) for v in value]
        # Ours says where in the filter it is, and what is expected there.
        if key == "message" and str(value).startswith(("Invalid clause(s) in filter string", "Invalid filter at")):
            return "<a wrong filter>"
        # Its own goes on with the statement and the words of its database.
        return value.partition(" Error: (sqlite3.")[0] if key == "message" else value

    query = [[k, "<page>" if k in PAGES else v] for k, v in call.get("query") or []]
    return {**walk({k: v for k, v in call.items() if k != "query"}), "query": query}


def compare(left, right):
    """Prints what differs; the number of steps that do."""
    def read(path):
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    a, b = read(left), read(right)
    wrong = 0
    if [s["step"] for s in a] != [s["step"] for s in b]:
        print("the steps are not the same")
        return 1
    for one, two in zip(a, b):
        ours, theirs = ([settled(call) for call in step["calls"]] for step in (one, two))
        if one["step"].endswith("(any order)"):
            ours, theirs = (sorted(brief(c) for c in calls) for calls in (ours, theirs))
        if ours == theirs:
            continue
        wrong += 1
        print(f"== {one['step']}: {len(ours)} calls against {len(theirs)}")
        for x, y in zip(ours, theirs):
            if x != y:
                print("  -", json.dumps(x)[:3000])
                print("  +", json.dumps(y)[:3000])
                break
    print(f"{len(a)} steps, {sum(len(s['calls']) for s in a)} calls, {wrong} steps differ")
    return wrong


def brief(call):
    """A call without what threads may swap: numbers of ids and whole answers."""
    path = re.sub(r"<(id|model|uuid) \d+>", r"<\1>", call["path"])
    return json.dumps([call["method"], path, call.get("status")])


if __name__ == "__main__":
    if len(sys.argv) == 4 and sys.argv[1] == "record":
        record(sys.argv[2], sys.argv[3])
    elif len(sys.argv) == 4 and sys.argv[1] == "compare":
        sys.exit(1 if compare(sys.argv[2], sys.argv[3]) else 0)
    else:
        sys.exit(__doc__)
