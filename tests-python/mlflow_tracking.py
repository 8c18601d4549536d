"""The MLflow client's tracking calls against a server named by MLFLOW_TRACKING_URI and MLFLOW_TRACKING_TOKEN (or _USERNAME and
_PASSWORD), nothing else. Prints `done` at the end; the first thing that is not as it should be ends it."""

import math
import time

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException

client = MlflowClient()


def refused(code, call, *args, **kwargs):
    try:
        call(*args, **kwargs)
    except MlflowException as error:
        assert error.error_code == code, f"{error.error_code}: {error}"
        return str(error)
    raise AssertionError(f"{call} was not refused")


def experiments():
    made = mlflow.set_experiment("tracking test")
    again = mlflow.set_experiment("tracking test")
    assert made.experiment_id == again.experiment_id and made.lifecycle_stage == "active"
    assert client.get_experiment("0").name == "Default"
    client.set_experiment_tag(made.experiment_id, "team", "blue")
    found = client.search_experiments(filter_string="name ILIKE 'TRACKING%' AND tags.team = 'blue'")
    assert [e.experiment_id for e in found] == [made.experiment_id], found
    assert client.get_experiment_by_name("absent") is None
    refused("RESOURCE_ALREADY_EXISTS", client.create_experiment, "tracking test")
    refused("RESOURCE_DOES_NOT_EXIST", client.get_experiment, "99999")
    other = client.create_experiment("another", tags={"a": "b"})
    client.rename_experiment(other, "renamed")
    assert client.get_experiment(other).tags == {"a": "b"}
    client.delete_experiment(other)
    assert client.get_experiment(other).lifecycle_stage == "deleted"
    client.restore_experiment(other)
    assert client.get_experiment_by_name("renamed").lifecycle_stage == "active"
    pages, token = [], None
    while True:
        page = client.search_experiments(max_results=1, page_token=token)
        pages += [e.name for e in page]
        token = page.token
        if not token:
            break
    assert sorted(pages) == ["Default", "renamed", "tracking test"], pages
    return made.experiment_id


def logging(experiment):
    with mlflow.start_run(run_name="parent", tags={"kind": "outer"}) as parent:
        mlflow.log_param("depth", 3)
        mlflow.log_params({f"p{i}": i for i in range(120)})
        mlflow.log_metric("loss", 0.5, step=1)
        mlflow.log_metric("loss", 0.25, step=2)
        mlflow.log_metrics({"nan": math.nan, "inf": math.inf, "minus": -math.inf}, step=0)
        mlflow.set_tags({"a": "1", "b": "2"})
        mlflow.set_tag("gone", "x")
        mlflow.delete_tag("gone")
        with mlflow.start_run(nested=True) as child:
            mlflow.log_metric("loss", 1.0)
        table = pd.DataFrame({"x": [1.0, 2.0], "y": [0, 1]})
        mlflow.log_input(mlflow.data.from_pandas(table, name="small", targets="y"), context="training")
    run = client.get_run(parent.info.run_id)
    assert run.info.status == "FINISHED" and run.info.run_name == "parent" and run.info.end_time
    assert run.data.params["depth"] == "3" and len(run.data.params) == 121
    assert run.data.metrics["loss"] == 0.25
    assert math.isnan(run.data.metrics["nan"]) and run.data.metrics["inf"] == math.inf
    assert run.data.metrics["minus"] == -math.inf
    assert run.data.tags["mlflow.runName"] == "parent" and "gone" not in run.data.tags
    assert run.inputs.dataset_inputs[0].dataset.name == "small"
    history = client.get_metric_history(parent.info.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.5), (2, 0.25)], history
    nested = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent.info.run_id}'")
    assert [r.info.run_id for r in nested] == [child.info.run_id]
    assert nested[0].info.run_name, "a name is made"
    trained = client.search_runs([experiment], "dataset.name = 'small' AND dataset.context = 'training'")
    assert [r.info.run_id for r in trained] == [parent.info.run_id]
    told = refused("INVALID_PARAMETER_VALUE", client.log_param, parent.info.run_id, "depth", 4)
    assert "Changing param values is not allowed" in told, told
    refused("RESOURCE_DOES_NOT_EXIST", client.get_run, "0" * 32)
    return parent.info.run_id


def batches_and_async(experiment):
    run = client.create_run(experiment, run_name="batches")
    now = int(time.time() * 1000)
    metrics = [Metric("m", float(i), now + i, i) for i in range(1000)]
    client.log_batch(run.info.run_id, metrics=metrics)
    client.log_batch(run.info.run_id, params=[Param("a", "b")], tags=[RunTag("c", "d")])
    client.log_batch(run.info.run_id, metrics=[Metric("m", float(i), now + i, i) for i in range(1000, 1400)])
    history = client.get_metric_history(run.info.run_id, "m")
    assert [m.step for m in history] == list(range(1400))
    pending = [client.log_metric(run.info.run_id, "async", i, step=i, synchronous=False) for i in range(50)]
    for one in pending:
        one.wait()
    assert len(client.get_metric_history(run.info.run_id, "async")) == 50
    client.set_terminated(run.info.run_id, "FAILED")
    assert client.get_run(run.info.run_id).info.status == "FAILED"
    client.update_run(run.info.run_id, name="batches again")
    assert client.get_run(run.info.run_id).data.tags["mlflow.runName"] == "batches again"


def searching(experiment):
    for number in range(25):
        run = client.create_run(experiment, start_time=number, run_name=f"many-{number}")
        client.log_batch(
            run.info.run_id,
            metrics=[Metric("score", number / 10, 1, 0)],
            params=[Param("kind", "even" if number % 2 == 0 else "odd")],
        )
    pages, token = [], None
    while True:
        page = client.search_runs(
            [experiment], "run_name LIKE 'many-%'", max_results=10, order_by=["metrics.score DESC"], page_token=token
        )
        pages += [r.data.metrics["score"] for r in page]
        token = page.token
        if not token:
            break
    assert pages == [n / 10 for n in reversed(range(25))], pages
    found = client.search_runs([experiment], "metrics.score > 1.95 AND params.kind = 'even'", order_by=["start_time ASC"])
    assert [r.info.run_name for r in found] == ["many-20", "many-22", "many-24"], found
    ids = ", ".join(f"'{r.info.run_id}'" for r in found)
    assert len(client.search_runs([experiment], f"attributes.run_id IN ({ids})")) == 3
    frame = mlflow.search_runs([experiment], filter_string="params.kind ILIKE 'ODD'")
    assert len(frame) == 12 and "metrics.score" in frame.columns, frame
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment], "metrics.score LIKE 'x'")
    refused("INVALID_PARAMETER_VALUE", client.search_runs, [experiment], "params.a = 'x' OR params.b = 'y'")


def deleting(experiment):
    run = client.create_run(experiment, run_name="to delete").info.run_id
    client.delete_run(run)
    assert client.get_run(run).info.lifecycle_stage == "deleted"
    assert not client.search_runs([experiment], f"run_id = '{run}'")
    only = client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    assert [r.info.run_id for r in only] == [run]
    told = refused("INVALID_PARAMETER_VALUE", client.log_metric, run, "m", 1.0)
    assert "must be in the 'active' state" in told, told
    client.restore_run(run)
    client.log_metric(run, "m", 1.0)
    assert client.get_run(run).data.metrics == {"m": 1.0}


if __name__ == "__main__":
    where = experiments()
    logging(where)
    batches_and_async(where)
    searching(where)
    deleting(where)
    print("done")
