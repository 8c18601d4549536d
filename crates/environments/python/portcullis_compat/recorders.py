"""Where a run's metrics, tags and files go: to the server as an MLflow run, or into a folder when there is none."""

from __future__ import annotations

import json
import os
import shutil
import time
from typing import Any, Dict, List, Optional, Protocol, Tuple

from .rest import Server

#: Folder of a run without a server.
OFFLINE_FOLDER = ".portcullis-run"
#: Most metrics that one log-batch call carries.
BATCH = 1000


class Recorder(Protocol):
    """What a run needs of its record."""

    def metrics(self, values: List[Tuple[str, float, int]]) -> None:
        """Metrics: name, value, step."""

    def tag(self, name: str, value: str) -> None:
        """A tag; one of the same name is replaced."""

    def file(self, path: str, data: bytes) -> None:
        """A file of the run under a relative path."""

    def end(self, status: str) -> None:
        """The end: ``FINISHED``, ``FAILED`` or ``KILLED``."""


class Online:
    """A run of the server."""

    def __init__(self, server: Server, run_id: str):
        self.server = server
        self.run_id = run_id
        self._root: Optional[str] = None

    def metrics(self, values: List[Tuple[str, float, int]]) -> None:
        """In calls of at most ``BATCH`` metrics."""
        now = int(time.time() * 1000)
        if len(values) == 1:
            name, value, step = values[0]
            body = {"run_id": self.run_id, "key": name, "value": wire(value), "timestamp": now, "step": step}
            self.server.mlflow("POST", "runs/log-metric", body)
            return
        for start in range(0, len(values), BATCH):
            part = values[start : start + BATCH]
            metrics = [{"key": n, "value": wire(v), "timestamp": now, "step": s} for n, v, s in part]
            self.server.mlflow("POST", "runs/log-batch", {"run_id": self.run_id, "metrics": metrics})

    def tag(self, name: str, value: str) -> None:
        """One tag of the run."""
        self.server.mlflow("POST", "runs/set-tag", {"run_id": self.run_id, "key": name, "value": value})

    def file(self, path: str, data: bytes) -> None:
        """Through the artifact proxy."""
        self.server.put_artifact(self.root() + "/" + path, data)

    def end(self, status: str) -> None:
        """Ends the run."""
        body = {"run_id": self.run_id, "status": status, "end_time": int(time.time() * 1000)}
        self.server.mlflow("POST", "runs/update", body)

    def root(self) -> str:
        """Path of the run's files in the artifact store."""
        if self._root is None:
            uri = str(self.run()["info"]["artifact_uri"])
            prefix, _, path = uri.partition(":")
            if prefix != "mlflow-artifacts":
                raise RuntimeError("the run's files are at %s, which only the mlflow client can write" % uri)
            self._root = path.lstrip("/")
        return self._root

    def run(self) -> Dict[str, Any]:
        """The run as the server tells it: ``info``, ``data``, ``inputs``, ``outputs``."""
        found: Dict[str, Any] = self.server.mlflow("GET", "runs/get", {"run_id": self.run_id})["run"]
        return found


class Offline:
    """A folder with ``run.jsonl`` and ``artifacts/``; what is logged is printed too."""

    def __init__(self, folder: str = OFFLINE_FOLDER):
        self.folder = folder

    def metrics(self, values: List[Tuple[str, float, int]]) -> None:
        """Prints each metric and keeps a line of it."""
        for name, value, step in values:
            print("Attempted to log scalar metric %s:\n%s" % (name, value))
            self._line({"metric": name, "value": wire(value), "step": step})

    def tag(self, name: str, value: str) -> None:
        """Keeps a line."""
        self._line({"tag": name, "value": value})

    def file(self, path: str, data: bytes) -> None:
        """Writes the file below ``artifacts/``."""
        to = os.path.join(self.folder, "artifacts", *path.split("/"))
        os.makedirs(os.path.dirname(to), exist_ok=True)
        with open(to, "wb") as file:
            file.write(data)
        self._line({"file": path, "bytes": len(data)})

    def end(self, status: str) -> None:
        """Keeps a line."""
        self._line({"status": status})

    def clear(self) -> None:
        """Removes what an earlier run left."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def lines(self) -> List[Dict[str, Any]]:
        """What was kept so far."""
        try:
            with open(os.path.join(self.folder, "run.jsonl"), encoding="utf-8") as file:
                return [json.loads(line) for line in file]
        except FileNotFoundError:
            return []

    def _line(self, value: Dict[str, Any]) -> None:
        os.makedirs(self.folder, exist_ok=True)
        with open(os.path.join(self.folder, "run.jsonl"), "a", encoding="utf-8") as file:
            file.write(json.dumps(value) + "\n")


def wire(value: float) -> Any:
    """A double as MLflow writes it: what JSON has no number for as text."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    return value
