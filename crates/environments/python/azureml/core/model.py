"""``Model``: registered models and their files."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Optional

from portcullis_compat import rest
from portcullis_compat.missing import not_supported
from portcullis_compat.recorders import Online

_DEPLOY = "deploy with `portcullis deployment create` or `portcullis up models/NAME --data DATA`"


class Model:
    """One version of a registered model; without ``version`` the newest."""

    def __init__(
        self, workspace: Any, name: Optional[str] = None, id: Optional[str] = None, version: Any = None, **kwargs: Any
    ):
        self.workspace = workspace
        if id and not name:
            name, _, version = id.partition(":")
        if not name:
            raise ValueError("Model needs a name, or an id NAME:VERSION")
        server = rest.needed("Model")
        found = _latest(server, name) if version is None else _version(server, name, str(version))
        self._take(found)

    @classmethod
    def _of(cls, workspace: Any, found: Dict[str, Any]) -> "Model":
        model = cls.__new__(cls)
        model.workspace = workspace
        model._take(found)
        return model

    def _take(self, found: Dict[str, Any]) -> None:
        self.name = str(found["name"])
        self.version = int(found["version"])
        self.id = "%s:%d" % (self.name, self.version)
        self.run_id = found.get("run_id")
        self.description = found.get("description")
        self.tags = {tag["key"]: tag["value"] for tag in found.get("tags", [])}
        self.properties = dict(self.tags)

    @staticmethod
    def get_model_path(model_name: str, version: Any = None, _workspace: Any = None) -> str:
        """Where a model's file or folder is: that of a worker, or one fetched from the server into ``azureml-models``.

        A model of one file gives the file's path, any other its folder's, as in Azure ML.
        """
        folder = os.environ.get("AZUREML_MODEL_DIR")
        if folder is None:
            model = Model(_workspace, model_name, version=version)
            folder = os.path.join("azureml-models", model.name, str(model.version))
            if not os.path.isdir(folder):
                model.download(folder)
        entries = os.listdir(folder)
        return os.path.join(folder, entries[0]) if len(entries) == 1 else folder

    def download(self, target_dir: str = ".", exist_ok: bool = False, exists_ok: Optional[bool] = None) -> str:
        """Writes the version's files into a folder, whose path it gives."""
        server = rest.needed("Model.download")
        query = {"name": self.name, "version": str(self.version)}
        uri = str(server.mlflow("GET", "model-versions/get-download-uri", query)["artifact_uri"])
        if not uri.startswith("mlflow-artifacts:"):
            raise RuntimeError("model %s is at %s: fetch it with the mlflow client" % (self.id, uri))
        root = uri.partition(":")[2].lstrip("/")
        paths = server.walk_artifacts(root)
        for path in paths or [""]:
            data = server.get_artifact(root + "/" + path if path else root)
            to = os.path.join(target_dir, *(path or os.path.basename(root)).split("/"))
            os.makedirs(os.path.dirname(os.path.abspath(to)), exist_ok=True)
            with open(to, "wb") as file:
                file.write(data)
        return os.path.join(target_dir, paths[0]) if len(paths) == 1 and "/" not in paths[0] else target_dir

    @classmethod
    def list(cls, workspace: Any, name: Optional[str] = None, latest: bool = False, **kwargs: Any) -> "List[Model]":
        """Versions of all models or of one, newest first; with ``latest`` one of each."""
        server = rest.needed("Model.list")
        query: Dict[str, Any] = {"filter": "name = '%s'" % name.replace("'", "")} if name else {}
        found: List[Dict[str, Any]] = []
        while True:
            page = server.mlflow("GET", "model-versions/search", query)
            found += page.get("model_versions", [])
            if not page.get("next_page_token"):
                break
            query["page_token"] = page["next_page_token"]
        found.sort(key=lambda item: (item["name"], -int(item["version"])))
        first = {}
        for item in found:
            first.setdefault(item["name"], item)
        return [cls._of(workspace, item) for item in (first.values() if latest else found)]

    @classmethod
    def register(
        cls,
        workspace: Any,
        model_path: str,
        model_name: str,
        tags: Optional[Dict[str, Any]] = None,
        properties: Optional[Dict[str, Any]] = None,
        description: Optional[str] = None,
        datasets: Any = None,
        **kwargs: Any,
    ) -> "Model":
        """Registers a local file or folder, kept in a run of its own."""
        from .experiment import Experiment

        with Experiment(workspace, "registered-models").start_logging() as run:
            run._takes_outputs = False
            name = os.path.basename(os.path.abspath(model_path))
            if os.path.isdir(model_path):
                run.upload_folder(name, model_path)
            else:
                run.upload_file(name, model_path)
            model = run.register_model(model_name, name, tags, properties, description, datasets)
        return model  # type: ignore[no-any-return]

    def delete(self) -> None:
        """Deletes this version."""
        body = {"name": self.name, "version": str(self.version)}
        rest.needed("Model.delete").mlflow("DELETE", "model-versions/delete", body)

    @staticmethod
    def deploy(*args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("Model.deploy", _DEPLOY)

    @staticmethod
    def package(*args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("Model.package", "`portcullis serve-model MODEL` is what a container image runs")

    def __repr__(self) -> str:
        return "Model(name=%s, id=%s, version=%d, tags=%r)" % (self.name, self.id, self.version, self.tags)


class InferenceConfig:
    """Not supported as an object: the file ``inference-config.yml`` is."""

    def __init__(self, *args: Any, **kwargs: Any):
        raise not_supported("azureml.core.model.InferenceConfig", "write config/inference-config.yml; " + _DEPLOY)


def register_from_run(
    recorder: Online, workspace: Any, name: str, path: str, tags: Dict[str, Any], description: Optional[str]
) -> Model:
    """The next version of a model from a file or folder of a run."""
    server = recorder.server
    try:
        server.mlflow("POST", "registered-models/create", {"name": name})
    except rest.ServerError as error:
        if error.code != "RESOURCE_ALREADY_EXISTS":
            raise
    body: Dict[str, Any] = {
        "name": name,
        "source": "mlflow-artifacts:/%s/%s" % (recorder.root(), path),
        "run_id": recorder.run_id,
        "tags": [{"key": str(key), "value": str(value)} for key, value in tags.items()],
    }
    if description:
        body["description"] = description
    return Model._of(workspace, server.mlflow("POST", "model-versions/create", body)["model_version"])


def _version(server: rest.Server, name: str, version: str) -> Dict[str, Any]:
    found: Dict[str, Any] = server.mlflow("GET", "model-versions/get", {"name": name, "version": version})
    return dict(found["model_version"])


def _latest(server: rest.Server, name: str) -> Dict[str, Any]:
    found = server.mlflow("GET", "model-versions/search", {"filter": "name = '%s'" % name.replace("'", "")})
    versions = found.get("model_versions", [])
    if not versions:
        raise KeyError("there is no model %r with a version" % name)
    return dict(max(versions, key=lambda item: int(item["version"])))
