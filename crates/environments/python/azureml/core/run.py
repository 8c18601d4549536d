"""``Run``: what a training script logs, as an MLflow run of Portcullis."""

from __future__ import annotations

import atexit
import io
import json
import os
import sys
import time
from typing import IO, Any, Dict, Iterator, List, Optional, Sequence, Union

from portcullis_compat import rest, values
from portcullis_compat.missing import not_supported
from portcullis_compat.recorders import Offline, Online, Recorder

#: Folder whose files become the run's files at its end without any call.
OUTPUTS = "./outputs"

_STATUS = {"RUNNING": "Running", "SCHEDULED": "Queued", "FINISHED": "Completed", "FAILED": "Failed", "KILLED": "Canceled"}
_context: Optional["Run"] = None


class Run:
    """One run. ``Run.get_context()`` gives that of the job, or one in a folder when there is no server."""

    def __init__(self, experiment: Any, run_id: str, recorder: Optional[Recorder] = None):
        self.experiment = experiment
        self.id = run_id
        self._recorder: Recorder = recorder or Online(rest.needed("a run"), run_id)
        self._steps: Dict[str, int] = {}
        self._rows: Dict[str, List[Dict[str, Any]]] = {}
        self._tables: List[str] = []
        self._takes_outputs = False
        atexit.register(self.flush)

    @classmethod
    def get_context(cls, allow_offline: bool = True, used_for_context_manager: bool = False, **kwargs: Any) -> "Run":
        """The run this script belongs to: inside a job it is recorded, elsewhere it is printed and kept in a folder."""
        global _context
        if _context is None:
            _context = _submitted() or _offline(allow_offline)
        return _context

    # ---- what is logged

    def log(self, name: str, value: Any, description: str = "", step: Optional[int] = None) -> None:
        """One value; a repeated name makes a series. Text becomes a tag, for a metric is a number."""
        found = values.number(value)
        if found is None:
            self._recorder.tag(name, str(value))
        else:
            self._recorder.metrics([(name, found, self._step(name) if step is None else int(step))])

    def log_list(self, name: str, value: Sequence[Any], description: str = "") -> None:
        """A series; texts in it make it a table."""
        numbers = [values.number(item) for item in value]
        if any(item is None for item in numbers):
            self.log_table(name, {name: list(value)})
        else:
            self._recorder.metrics([(name, item, self._step(name)) for item in numbers if item is not None])

    def log_row(self, name: str, description: Optional[str] = None, **kwargs: Any) -> None:
        """One row: its numbers as series ``name/column``, the rows as a table at the end."""
        self._rows.setdefault(name, []).append(values.plain(kwargs))
        numbers = [(column, values.number(value)) for column, value in kwargs.items()]
        found = [("%s/%s" % (name, c), v, self._step("%s/%s" % (name, c))) for c, v in numbers if v is not None]
        if found:
            self._recorder.metrics(found)

    def log_table(self, name: str, value: Dict[str, Any], description: str = "") -> None:
        """A table, column by column, kept as ``name.json`` in the form of MLflow's ``log_table``."""
        path = _relative(name + ".json")
        self._recorder.file(path, values.as_json(values.table(value)))
        if path not in self._tables:
            self._tables.append(path)
            known = [{"path": table, "type": "table"} for table in self._tables]
            self._recorder.tag("mlflow.loggedArtifacts", json.dumps(known))

    def log_image(self, name: str, path: Optional[str] = None, plot: Any = None, description: str = "") -> None:
        """A picture: a file, or a plot of matplotlib."""
        if (path is None) == (plot is None):
            raise ValueError("log_image takes either path or plot")
        if path is not None:
            self.upload_file(name if os.path.splitext(name)[1] else name + os.path.splitext(path)[1], path)
            return
        picture = io.BytesIO()
        plot.savefig(picture, format="png")
        self._recorder.file(name if name.endswith(".png") else name + ".png", picture.getvalue())

    def log_confusion_matrix(self, name: str, value: Union[str, Dict[str, Any]], description: str = "") -> None:
        """A confusion matrix with its labels, kept as ``name.json``."""
        data = json.loads(value) if isinstance(value, str) else value
        self._recorder.file(_relative(name + ".json"), values.as_json(data))

    log_accuracy_table = log_confusion_matrix
    log_predictions = log_confusion_matrix
    log_residuals = log_confusion_matrix

    def tag(self, key: str, value: Any = None) -> None:
        """A tag of the run."""
        self._recorder.tag(str(key), "" if value is None else str(value))

    def set_tags(self, tags: Dict[str, Any]) -> None:
        """Several tags."""
        for key, value in tags.items():
            self.tag(key, value)

    def add_properties(self, properties: Dict[str, Any]) -> None:
        """Properties, kept as tags."""
        self.set_tags(properties)

    # ---- files

    def upload_file(self, name: str, path_or_stream: Union[str, IO[bytes]], datastore_name: Any = None) -> None:
        """A file of the run under ``name``."""
        if isinstance(path_or_stream, (str, os.PathLike)):
            with open(path_or_stream, "rb") as file:
                data = file.read()
        else:
            data = path_or_stream.read()
        self._recorder.file(_relative(name), data)

    def upload_files(self, names: Sequence[str], paths: Sequence[str], **kwargs: Any) -> None:
        """Several files."""
        for name, path in zip(names, paths):
            self.upload_file(name, path)

    def upload_folder(self, name: str, path: str, datastore_name: Any = None) -> None:
        """Every file of a folder below ``name``."""
        for file in _files(path):
            self.upload_file("%s/%s" % (name.rstrip("/"), os.path.relpath(file, path).replace(os.sep, "/")), file)

    def get_file_names(self) -> List[str]:
        """Paths of the run's files."""
        recorder = self._online("get_file_names")
        return sorted(recorder.server.walk_artifacts(recorder.root()))

    def download_file(self, name: str, output_file_path: Optional[str] = None, **kwargs: Any) -> None:
        """Writes a file of the run into ``output_file_path``, a file or a folder."""
        recorder = self._online("download_file")
        to = output_file_path or os.path.basename(name)
        if os.path.isdir(to):
            to = os.path.join(to, os.path.basename(name))
        data = recorder.server.get_artifact(recorder.root() + "/" + _relative(name))
        os.makedirs(os.path.dirname(os.path.abspath(to)), exist_ok=True)
        with open(to, "wb") as file:
            file.write(data)

    # ---- what is known of it

    def get_metrics(self, name: Optional[str] = None, **kwargs: Any) -> Dict[str, Any]:
        """Metrics by name; a series is a list."""
        recorder = self._online("get_metrics")
        found: Dict[str, Any] = {}
        for metric in recorder.run()["data"].get("metrics", []):
            key = metric["key"]
            if name in (None, key):
                query = {"run_id": self.id, "metric_key": key, "max_results": 25000}
                history = recorder.server.mlflow("GET", "metrics/get-history", query).get("metrics", [])
                series = [float(point["value"]) for point in sorted(history, key=lambda p: int(p.get("step", 0)))]
                found[key] = series[0] if len(series) == 1 else series
        return found

    def get_tags(self) -> Dict[str, str]:
        """Tags by name."""
        return {tag["key"]: tag["value"] for tag in self._online("get_tags").run()["data"].get("tags", [])}

    get_properties = get_tags

    def get_status(self) -> str:
        """The state in Azure ML's words: Running, Completed, Failed, Canceled."""
        if isinstance(self._recorder, Offline):
            return "Running"
        status = str(self._online("get_status").run()["info"]["status"])
        return _STATUS.get(status, status)

    status = property(get_status)

    def get_details(self) -> Dict[str, Any]:
        """Id, state, times and tags."""
        run = self._online("get_details").run()
        info = run["info"]
        return {
            "runId": self.id,
            "status": _STATUS.get(info["status"], info["status"]),
            "startTimeUtc": info.get("start_time"),
            "endTimeUtc": info.get("end_time"),
            "properties": self.get_tags(),
            "inputDatasets": [],
        }

    @property
    def name(self) -> str:
        """The run's name."""
        return self.id if isinstance(self._recorder, Offline) else str(self._online("name").run()["info"]["run_name"])

    display_name = name

    @property
    def number(self) -> int:
        """A number that grows from run to run: seconds of its start."""
        return int(self._online("number").run()["info"].get("start_time", 0)) // 1000

    @property
    def parent(self) -> Optional["Run"]:
        """The run this one is part of, if it is part of one."""
        if isinstance(self._recorder, Offline):
            return None
        parent = self.get_tags().get("mlflow.parentRunId")
        return Run(self.experiment, parent) if parent else None

    def child_run(self, name: Optional[str] = None, **kwargs: Any) -> "Run":
        """A run that is part of this one."""
        recorder = self._online("child_run")
        experiment_id = recorder.run()["info"]["experiment_id"]
        tags = [{"key": "mlflow.parentRunId", "value": self.id}]
        return create(self.experiment, recorder.server, experiment_id, name, tags)

    def get_children(self, **kwargs: Any) -> Iterator["Run"]:
        """The runs that are part of this one."""
        recorder = self._online("get_children")
        body = {
            "experiment_ids": [recorder.run()["info"]["experiment_id"]],
            "filter": "tags.`mlflow.parentRunId` = '%s'" % self.id,
        }
        for run in recorder.server.mlflow("POST", "runs/search", body).get("runs", []):
            yield Run(self.experiment, run["info"]["run_id"])

    # ---- models and the end

    def register_model(
        self,
        model_name: str,
        model_path: Optional[str] = None,
        tags: Optional[Dict[str, Any]] = None,
        properties: Optional[Dict[str, Any]] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Registers a file or folder of the run (``model_path``) as the next version of a model."""
        from .model import register_from_run

        recorder = self._online("register_model")
        path = _relative(model_path or model_name)
        if os.path.exists(path):
            self._upload_if_absent(recorder, path)
        more = {**(tags or {}), **(properties or {}), **_dataset_tags(datasets)}
        return register_from_run(recorder, self.experiment.workspace, model_name, path, more, description)

    def complete(self, _set_status: bool = True) -> None:
        """Ends the run well. Inside a job the job's own end does so."""
        self._end("FINISHED")

    def fail(self, error_details: Any = None, error_code: Any = None, _set_status: bool = True) -> None:
        """Ends the run as failed."""
        if error_details is not None:
            self.tag("error", error_details)
        self._end("FAILED")

    def cancel(self) -> None:
        """Ends the run as stopped."""
        self._end("KILLED")

    def flush(self, timeout_seconds: int = 300) -> None:
        """Sends what is still kept: the rows of ``log_row`` as tables. Everything else was sent when it was logged."""
        rows, self._rows = self._rows, {}
        for name, found in rows.items():
            columns = list(dict.fromkeys(column for row in found for column in row))
            self.log_table(name, {column: [row.get(column) for row in found] for column in columns})

    def submit_child(self, *args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("Run.submit_child", "submit a job of its own with `portcullis job submit -f FILE`")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "Run.%s is not supported by Portcullis: use log, log_list, log_row, log_table, log_image, tag, upload_file, "
            "register_model, get_metrics or parent, or the mlflow client, which sees the same run" % name
        )

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            self.complete()
        else:
            self.fail(value)

    def __repr__(self) -> str:
        return "Run(Experiment: %s, Id: %s)" % (self.experiment.name, self.id)

    def _step(self, name: str) -> int:
        step = self._steps.get(name, 0)
        self._steps[name] = step + 1
        return step

    def _online(self, what: str) -> Online:
        if not isinstance(self._recorder, Online):
            raise RuntimeError("Run.%s needs a server: this run is kept in a folder; run the script as a job" % what)
        return self._recorder

    def _upload_if_absent(self, recorder: Online, path: str) -> None:
        known = set(self.get_file_names())
        files = list(_files(path)) if os.path.isdir(path) else [path]
        for file in files:
            name = _relative(file.replace(os.sep, "/"))
            if name not in known:
                self.upload_file(name, file)

    def _end(self, status: str) -> None:
        self.flush()
        of_job = self.id == os.environ.get("MLFLOW_RUN_ID")
        if of_job and status == "FINISHED":
            return
        if self._takes_outputs and os.path.isdir(OUTPUTS):
            self.upload_folder("outputs", OUTPUTS)
        self._recorder.end(status)


def create(
    experiment: Any, server: rest.Server, experiment_id: str, name: Optional[str], tags: List[Dict[str, str]]
) -> Run:
    """A new run on the server, running from now on."""
    body = {"experiment_id": experiment_id, "start_time": int(time.time() * 1000), "tags": tags, "run_name": name}
    body["tags"] = [*tags, {"key": "mlflow.source.name", "value": os.path.basename(sys.argv[0] or "python")}]
    run = server.mlflow("POST", "runs/create", {k: v for k, v in body.items() if v is not None})["run"]
    run_id = run["info"]["run_id"]
    return Run(experiment, run_id, Online(server, run_id))


def _submitted() -> Optional[Run]:
    from .experiment import Experiment

    run_id = os.environ.get("MLFLOW_RUN_ID") or os.environ.get("AZUREML_RUN_ID")
    server = rest.configured()
    if not run_id or server is None:
        return None
    return Run(Experiment.of_job(server), run_id, Online(server, run_id))


def _offline(allowed: bool) -> Run:
    from .experiment import Experiment

    if not allowed:
        raise RunEnvironmentException(
            "Could not load the run of this script: MLFLOW_TRACKING_URI and MLFLOW_RUN_ID are not set; run it as a job"
        )
    recorder = Offline()
    recorder.clear()
    return Run(Experiment.offline(), "OfflineRun_%d" % int(time.time() * 1000), recorder)


class RunEnvironmentException(Exception):
    """The script does not run inside a job."""


def _dataset_tags(datasets: Any) -> Dict[str, str]:
    """The data a model was trained on: pairs of a word (``training data``) and a data set."""
    return {"dataset.%s" % word: str(getattr(data, "id", data)) for word, data in datasets or ()}


def _relative(path: str) -> str:
    clean = os.path.normpath(str(path)).replace(os.sep, "/")
    if clean.startswith(("/", "..")) or clean == ".":
        raise ValueError("%r is no path of a file of the run: it must be relative, without .." % path)
    return clean


def _files(folder: str) -> Iterator[str]:
    for base, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            yield os.path.join(base, name)
