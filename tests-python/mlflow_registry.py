"""The registry, logged models and artifacts through the mlflow client, with only the tracking URI and a token set.

Usage: mlflow_registry.py AUTOML_MODEL ROWS.json
AUTOML_MODEL is a registered model of ours with an alias `champion`; ROWS.json holds rows it takes.
"""

import json
import os
import sys
import tempfile

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MLFLOW_ENABLE_ASYNC_LOGGING", "false")

import mlflow
import numpy as np
import pandas as pd
import requests
from mlflow.exceptions import MlflowException
from mlflow.models import infer_signature
from sklearn.linear_model import LogisticRegression

client = mlflow.MlflowClient()
rng = np.random.default_rng(0)
X = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b c", "d.e"])
y = (X["a"] + X["b c"] > 0).astype(int)
FITTED = LogisticRegression().fit(X, y)
EXPECTED = FITTED.predict(X)
# Named, so that the client need not find them out by importing the model once more.
NEEDS = ["scikit-learn"]


def refused(code, text, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as e:
        assert e.error_code == code, (e.error_code, str(e))
        assert text in str(e), str(e)
        return
    except requests.exceptions.HTTPError as e:
        # Calls of the artifacts' proxy tell the answer as it came.
        assert code in str(e) and text in str(e), str(e)
        return
    raise AssertionError(f"{text}: was not refused")


def same(uri):
    assert (mlflow.pyfunc.load_model(uri).predict(X) == EXPECTED).all(), uri
    assert (mlflow.sklearn.load_model(uri).predict(X) == EXPECTED).all(), uri


def artifacts():
    mlflow.set_experiment("artifacts")
    with mlflow.start_run() as run:
        mlflow.log_text("hello", "notes/hello world.txt")
        mlflow.log_dict({"a": [1, 2]}, "facts.json")
        mlflow.log_table({"q": ["x", "y"], "n": [1, 2]}, "eval/table.json")
        mlflow.log_table({"q": ["z"], "n": [3]}, "eval/table.json")
        import matplotlib.pyplot as plt

        figure, axes = plt.subplots()
        axes.plot([1, 2, 3])
        mlflow.log_figure(figure, "plots/line.png")
        with tempfile.TemporaryDirectory() as folder:
            os.makedirs(f"{folder}/sub/größe")
            for name in ["one.bin", "sub/größe/two 100%.bin"]:
                with open(f"{folder}/{name}", "wb") as out:
                    out.write(os.urandom(300_000))
            mlflow.log_artifact(f"{folder}/one.bin", "single")
            mlflow.log_artifacts(folder, "many")
            back = mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="many")
            for name in ["one.bin", "sub/größe/two 100%.bin"]:
                with open(f"{folder}/{name}", "rb") as a, open(f"{back}/{name}", "rb") as b:
                    assert a.read() == b.read(), name
    run_id = run.info.run_id
    names = [f.path for f in client.list_artifacts(run_id)]
    assert names == ["eval", "facts.json", "many", "notes", "plots", "single"], names
    assert [f.path for f in client.list_artifacts(run_id, "many/sub")] == ["many/sub/größe"]
    assert client.list_artifacts(run_id, "absent") == []
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/notes/hello world.txt") == "hello"
    assert mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/facts.json") == {"a": [1, 2]}
    assert len(mlflow.load_table("eval/table.json", run_ids=[run_id])) == 3
    for bad in ["../secret", "%2e%2e/secret", "/etc/passwd", "a#b"]:
        refused("INVALID_PARAMETER_VALUE", "Invalid path", client.list_artifacts, run_id, bad)


def logged():
    mlflow.set_experiment("models")
    with mlflow.start_run() as run:
        info = mlflow.sklearn.log_model(
            FITTED, name="plain", signature=infer_signature(X, EXPECTED), input_example=X.head(2), pip_requirements=NEEDS
        )
        mlflow.log_metric("accuracy", 0.9, model_id=info.model_id)
    model = mlflow.get_logged_model(info.model_id)
    assert model.status == "READY" and model.source_run_id == run.info.run_id, model
    assert [m.key for m in model.metrics] == ["accuracy"], model.metrics
    client.set_logged_model_tags(info.model_id, {"team": "risk", "x": "1"})
    client.delete_logged_model_tag(info.model_id, "x")
    assert mlflow.get_logged_model(info.model_id).tags["team"] == "risk"
    found = mlflow.search_logged_models(
        filter_string="metrics.accuracy > 0.5 AND name = 'plain' AND tags.team = 'risk'", output_format="list"
    )
    assert [m.model_id for m in found] == [info.model_id], found
    listed = [f.path for f in client.list_logged_model_artifacts(info.model_id)]
    assert "MLmodel" in listed and "requirements.txt" in listed, listed
    same(f"models:/{info.model_id}")
    same(f"runs:/{run.info.run_id}/plain")
    return run.info.run_id, info


def registered(run_id, info):
    name = "Kredit Modell (größe)"
    one = mlflow.register_model(f"runs:/{run_id}/plain", name, tags={"stage": "first"})
    assert (one.version, one.status, one.run_id) == ("1", "READY", run_id), one
    with mlflow.start_run():
        two = mlflow.sklearn.log_model(FITTED, name="again", registered_model_name=name, pip_requirements=NEEDS)
    assert str(two.registered_model_version) == "2", two.registered_model_version
    tag = json.loads(client.get_logged_model(two.model_id).tags["mlflow.modelVersions"])
    # The server notes the version, and then the client does once more.
    assert all(told == {"name": name, "version": "2"} for told in tag) and tag, tag
    for uri in [f"models:/{name}/1", f"models:/{name}/2", f"models:/{name}/latest"]:
        same(uri)
    client.set_registered_model_alias(name, "champion", "1")
    same(f"models:/{name}@champion")
    assert client.get_model_version_by_alias(name, "champion").version == "1"
    client.set_registered_model_alias(name, "champion", "2")
    model = client.get_registered_model(name)
    assert model.aliases == {"champion": 2} or model.aliases == {"champion": "2"}, model.aliases
    client.delete_registered_model_alias(name, "champion")
    refused("INVALID_PARAMETER_VALUE", "alias champion not found", client.get_model_version_by_alias, name, "champion")
    for alias in ["latest", "v7", "a b"]:
        refused("INVALID_PARAMETER_VALUE", "alias", client.set_registered_model_alias, name, alias, "1")
    client.set_registered_model_tag(name, "team", "risk")
    client.set_model_version_tag(name, "1", "checked", "yes")
    assert client.get_registered_model(name).tags == {"team": "risk"}
    assert client.get_model_version(name, "1").tags == {"stage": "first", "checked": "yes"}
    client.delete_registered_model_tag(name, "team")
    client.delete_model_version_tag(name, "1", "checked")
    assert client.get_registered_model(name).tags == {}
    assert client.get_model_version(name, "1").tags == {"stage": "first"}
    client.update_registered_model(name, "a model")
    client.update_model_version(name, "1", "a version")
    assert client.get_registered_model(name).description == "a model"
    assert client.get_model_version(name, "1").description == "a version"
    return name


def stages(name):
    client.transition_model_version_stage(name, "1", "Production")
    client.transition_model_version_stage(name, "2", "production", archive_existing_versions=True)
    stage = {v.version: v.current_stage for v in client.search_model_versions(f"name = '{name}'")}
    assert {str(k): v for k, v in stage.items()} == {"1": "Archived", "2": "Production"}, stage
    latest = client.get_latest_versions(name, stages=["Production"])
    assert [str(v.version) for v in latest] == ["2"], latest
    assert len(client.get_latest_versions(name)) == 2
    refused("INVALID_PARAMETER_VALUE", "Invalid Model Version stage", client.transition_model_version_stage, name, "1", "Prod")


def copies(name):
    copy = client.copy_model_version(f"models:/{name}/1", "copied model")
    assert (copy.version, copy.source) == ("1", f"models:/{name}/1") or copy.version == 1, copy
    same("models:/copied model/1")
    again = client.copy_model_version("models:/copied model/1", "copied model")
    assert str(again.version) == "2", again
    client.rename_registered_model("copied model", "renamed model")
    same("models:/renamed model/2")
    refused("RESOURCE_DOES_NOT_EXIST", "Registered Model with name=copied model not found", client.get_registered_model, "copied model")
    refused("RESOURCE_ALREADY_EXISTS", f"Registered Model (name={name}) already exists.", client.create_registered_model, name)
    client.delete_model_version("renamed model", "1")
    refused("RESOURCE_DOES_NOT_EXIST", "Model Version (name=renamed model, version=1) not found", client.get_model_version, "renamed model", "1")
    client.delete_registered_model("renamed model")
    refused("INVALID_PARAMETER_VALUE", "Names cannot contain", client.create_registered_model, "a/b")
    for source in ["/etc/passwd", "file:///etc", "mlflow-artifacts:/../x", "runs:/x/../y"]:
        refused("INVALID_PARAMETER_VALUE", "Invalid model version source", client.create_model_version, name, source)


def searches(name):
    for n in range(7):
        client.create_registered_model(f"page{n}", tags={"set": "pages", "n": str(n)})
        client.create_model_version(f"page{n}", "s3://bucket/model")
    first = client.search_registered_models("tags.set = 'pages'", max_results=3)
    second = client.search_registered_models("tags.set = 'pages'", max_results=3, page_token=first.token)
    third = client.search_registered_models("tags.set = 'pages'", max_results=3, page_token=second.token)
    names = [m.name for m in [*first, *second, *third]]
    assert names == [f"page{n}" for n in range(7)] and not third.token, names
    assert [m.name for m in client.search_registered_models("name LIKE 'page%'", order_by=["name DESC"])][0] == "page6"
    assert [m.name for m in client.search_registered_models("name ILIKE 'PAGE3'")] == ["page3"]
    versions = client.search_model_versions("source_path = 's3://bucket/model'", max_results=4)
    assert len(versions) == 4 and versions.token
    assert len(client.search_model_versions("source_path = 's3://bucket/model'", page_token=versions.token, max_results=4)) == 3
    assert len(client.search_model_versions(f"name = '{name}' AND version_number > 1")) == 1
    assert len(mlflow.search_registered_models(filter_string="name LIKE 'page%'")) == 7


def ours(model, rows):
    found = client.get_model_version_by_alias(model, "champion")
    assert found.status == "READY" and found.run_id, found
    frame = pd.DataFrame(rows)
    answers = {}
    for uri in [f"models:/{model}@champion", f"models:/{model}/{found.version}", f"models:/{model}/latest"]:
        loaded = mlflow.pyfunc.load_model(uri)
        answer = loaded.predict(frame)
        answers[uri] = [str(label) for label in np.asarray(answer["label"]).reshape(-1)]
    assert len({tuple(a) for a in answers.values()}) == 1, answers
    proto = mlflow.onnx.load_model(f"models:/{model}@champion")
    assert len(proto.graph.input) == len(frame.columns), proto.graph.input
    folder = mlflow.artifacts.download_artifacts(f"models:/{model}/{found.version}")
    files = sorted(os.listdir(folder))
    for file in ["MLmodel", "conda.yaml", "model.onnx", "python_env.yaml", "requirements.txt"]:
        assert file in files, files
    copy = client.copy_model_version(f"models:/{model}/{found.version}", "copy of automl")
    mlflow.pyfunc.load_model(f"models:/copy of automl/{copy.version}").predict(frame)
    refused("RESOURCE_CONFLICT", "is deployed as", client.delete_model_version, model, found.version)
    refused("RESOURCE_CONFLICT", "is deployed as", client.delete_registered_model, model)
    return answers[f"models:/{model}/latest"]


def onnx_flavour(model):
    """A model of scikit-learn, converted and logged with the ONNX flavour: it runs natively."""
    from skl2onnx import to_onnx

    values = X.to_numpy(dtype=np.float32)
    fitted = LogisticRegression().fit(values, y)
    proto = to_onnx(fitted, values[:1], options={"zipmap": False})
    mlflow.onnx.log_model(proto, name="graph", registered_model_name=model, pip_requirements=["onnx", "onnxruntime"])
    return [int(label) for label in fitted.predict(values[:5])], values[:5].tolist()


def main():
    automl, rows = sys.argv[1], json.load(open(sys.argv[2]))
    artifacts()
    run_id, info = logged()
    name = registered(run_id, info)
    stages(name)
    copies(name)
    searches(name)
    labels = ours(automl, rows)
    expected, values = onnx_flavour("native graph")
    print(json.dumps({"labels": labels, "expected": expected, "values": values, "name": name}))


if __name__ == "__main__":
    main()
