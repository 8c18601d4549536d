"""``ExplanationClient``: an explanation is kept with its run as ``explanation/<id>.json``."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any, Dict, List, Optional

from . import values

#: Folder of explanations in a run's files.
FOLDER = "explanation"


class ExplanationClient:
    """Writes and reads the explanations of one run."""

    def __init__(self, run: Any):
        self._run = run

    @classmethod
    def from_run(cls, run: Any) -> "ExplanationClient":
        """The client of a run."""
        return cls(run)

    @classmethod
    def from_run_id(cls, workspace: Any, experiment_name: str, run_id: str) -> "ExplanationClient":
        """The client of the run of an id."""
        from azureml.core import Experiment, Run

        return cls(Run(Experiment(workspace, experiment_name), run_id))

    def upload_model_explanation(
        self,
        explanation: Any,
        max_num_blocks: Optional[int] = None,
        block_size: Optional[int] = None,
        top_k: Optional[int] = None,
        comment: Optional[str] = None,
        model_id: Optional[str] = None,
        **kwargs: Any,
    ) -> str:
        """Keeps an explanation with the run and gives its id. ``top_k`` keeps that many features' global importance."""
        explanation_id = str(uuid.uuid4())
        data: Dict[str, Any] = {
            "explanation_id": explanation_id,
            "comment": comment,
            "model_id": model_id,
            "upload_time": datetime.datetime.now(datetime.timezone.utc).isoformat(),
            **explanation.data(),
        }
        if top_k is not None:
            ranked = explanation.get_feature_importance_dict(top_k)
            data["global_importance_names"], data["ranked_global_values"] = list(ranked), list(ranked.values())
        self._run._recorder.file("%s/%s.json" % (FOLDER, explanation_id), values.as_json(data))
        return explanation_id

    def list_model_explanations(self, comment: Optional[str] = None, **kwargs: Any) -> List[Dict[str, Any]]:
        """Id, comment, time and features of every explanation of the run."""
        found = []
        for name in self._run.get_file_names():
            if name.startswith(FOLDER + "/"):
                data = self._read(name)
                if comment in (None, data.get("comment")):
                    keys = ("explanation_id", "comment", "upload_time", "model_id", "features")
                    found.append({key: data.get(key) for key in keys})
        return found

    def download_model_explanation(
        self, explanation_id: Optional[str] = None, top_k: Optional[int] = None, comment: Optional[str] = None, **kwargs: Any
    ) -> Any:
        """An explanation of the run: that of an id or a comment, else the newest. Raises ``KeyError`` if there is none."""
        import numpy as np

        from .explain import Explanation

        known = self.list_model_explanations(comment)
        known = [item for item in known if explanation_id in (None, item["explanation_id"])]
        if not known:
            raise KeyError("the run has no such explanation")
        newest = max(known, key=lambda item: item["upload_time"])
        data = self._read("%s/%s.json" % (FOLDER, newest["explanation_id"]))
        local = np.asarray(data["local_importance_values"], dtype=float)
        local = local[None, :, :] if local.ndim == 2 else local
        return Explanation(local, np.asarray(data["expected_values"]), data["features"], data["classes"])

    def _read(self, name: str) -> Dict[str, Any]:
        recorder = self._run._online("download_model_explanation")
        found: Dict[str, Any] = json.loads(recorder.server.get_artifact(recorder.root() + "/" + name))
        return found
