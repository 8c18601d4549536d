"""``Experiment``: a named group of runs."""

from __future__ import annotations

import os
from typing import Any, Dict, Iterator, Optional

from portcullis_compat import rest
from portcullis_compat.missing import not_supported

from .run import Run, create


class Experiment:
    """An experiment of the server, made at the first run of it; offline only a name."""

    def __init__(self, workspace: Any = None, name: str = "Default", **kwargs: Any):
        self.workspace = workspace
        self.name = name
        self._id: Optional[str] = None

    @classmethod
    def of_job(cls, server: rest.Server) -> "Experiment":
        """The experiment of the running job."""
        from .workspace import Workspace

        found = os.environ.get("MLFLOW_EXPERIMENT_ID", "")
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "")
        if found and not name:
            name = str(server.mlflow("GET", "experiments/get", {"experiment_id": found})["experiment"]["name"])
        experiment = cls(Workspace.of_environment(), name or "Default")
        experiment._id = found or None
        return experiment

    @classmethod
    def offline(cls) -> "Experiment":
        """The experiment of a run without a server; its workspace has a name and no server."""
        from .workspace import Workspace

        return cls(Workspace.of_environment(), "offline")

    @property
    def id(self) -> str:
        """The experiment's id; the experiment is made if there is none of the name."""
        if self._id is None:
            self._id = self._find() or self._make()
        return self._id

    def start_logging(self, *args: Any, display_name: Optional[str] = None, **kwargs: Any) -> Run:
        """A run that this script records by itself, until ``run.complete()``; ``./outputs`` is then uploaded."""
        run = create(self, rest.needed("Experiment.start_logging"), self.id, display_name, [])
        run._takes_outputs = True
        return run

    def get_runs(self, tags: Optional[Dict[str, str]] = None, **kwargs: Any) -> Iterator[Run]:
        """Runs of this experiment, newest first."""
        server = rest.needed("Experiment.get_runs")
        body: Dict[str, Any] = {"experiment_ids": [self.id]}
        if tags:
            body["filter"] = " AND ".join("tags.`%s` = '%s'" % pair for pair in tags.items())
        while True:
            page = server.mlflow("POST", "runs/search", body)
            for run in page.get("runs", []):
                yield Run(self, run["info"]["run_id"])
            if not page.get("next_page_token"):
                return
            body["page_token"] = page["next_page_token"]

    def submit(self, *args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported(
            "Experiment.submit",
            "write the job as YAML (code, command, inputs, environment) and run `portcullis job submit -f FILE`; "
            "a *.runconfig file is taken as it is",
        )

    def _find(self) -> Optional[str]:
        server = rest.needed("an experiment")
        try:
            found = server.mlflow("GET", "experiments/get-by-name", {"experiment_name": self.name})
        except rest.ServerError as error:
            if error.status == 404:
                return None
            raise
        return str(found["experiment"]["experiment_id"])

    def _make(self) -> str:
        server = rest.needed("an experiment")
        return str(server.mlflow("POST", "experiments/create", {"name": self.name})["experiment_id"])

    def __repr__(self) -> str:
        return "Experiment(Name: %s)" % self.name
