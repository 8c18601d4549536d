"""``Workspace``: one Portcullis server."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, Mapping, Optional

from portcullis_compat import rest
from portcullis_compat.missing import not_supported

_FILES = ("config.json", os.path.join(".azureml", "config.json"), os.path.join("aml_config", "config.json"))


class Workspace:
    """A server under the names of Azure ML. Subscription and resource group are kept as they are given."""

    def __init__(
        self,
        subscription_id: str = "",
        resource_group: str = "",
        workspace_name: str = "",
        auth: Any = None,
        **kwargs: Any,
    ):
        self.subscription_id = subscription_id
        self.resource_group = resource_group
        self.name = workspace_name
        self.location = "local"

    @classmethod
    def from_config(cls, path: Optional[str] = None, auth: Any = None, _logger: Any = None, **kwargs: Any) -> "Workspace":
        """The workspace that ``config.json`` names, looked for from the working folder (or ``path``) upwards.

        Inside a job, and wherever ``MLFLOW_TRACKING_URI`` is set, no file is needed. The file's names do not lead to a
        server: that is what the environment says.
        """
        found = _find(path or os.getcwd())
        if found is None:
            if rest.configured() is not None:
                return cls.of_environment()
            raise UserErrorException(
                "no config.json in %s or a folder above it, and MLFLOW_TRACKING_URI is not set: set it to the address of "
                "the server, and MLFLOW_TRACKING_TOKEN to a token" % (path or os.getcwd())
            )
        with open(found, encoding="utf-8") as file:
            try:
                values = json.load(file)
            except ValueError as error:
                raise UserErrorException("%s is not JSON: %s" % (found, error)) from None
        missing = [n for n in ("subscription_id", "resource_group", "workspace_name") if not values.get(n)]
        if missing:
            raise UserErrorException("%s lacks %s" % (found, ", ".join(missing)))
        return cls(values["subscription_id"], values["resource_group"], values["workspace_name"])

    @classmethod
    def get(
        cls, name: str, auth: Any = None, subscription_id: str = "", resource_group: str = "", **kwargs: Any
    ) -> "Workspace":
        """The workspace of a name: the configured server."""
        return cls(subscription_id, resource_group, name)

    @classmethod
    def of_environment(cls) -> "Workspace":
        """The workspace of a job or a worker, by the names that Azure ML sets there."""
        return cls(
            os.environ.get("AZUREML_ARM_SUBSCRIPTION", ""),
            os.environ.get("AZUREML_ARM_RESOURCEGROUP", ""),
            os.environ.get("AZUREML_ARM_WORKSPACE_NAME") or os.environ.get("WORKSPACE_NAME") or "portcullis",
        )

    @classmethod
    def create(cls, *args: Any, **kwargs: Any) -> "Workspace":
        """Not supported."""
        raise not_supported("Workspace.create", "one data directory is one workspace: `portcullis serve --data-dir DIR`")

    @property
    def webservices(self) -> Dict[str, Any]:
        """Endpoints by name."""
        from .webservice import Webservice

        return {service.name: service for service in Webservice.list(self)}

    @property
    def models(self) -> Dict[str, Any]:
        """The newest version of every model, by name."""
        from .model import Model

        return {model.name: model for model in Model.list(self, latest=True)}

    @property
    def experiments(self) -> Mapping[str, Any]:
        """Experiments by name."""
        from .experiment import Experiment

        found = rest.needed("Workspace.experiments").mlflow("POST", "experiments/search", {"max_results": 1000})
        return {item["name"]: Experiment(self, item["name"]) for item in found.get("experiments", [])}

    def get_mlflow_tracking_uri(self) -> str:
        """The address for ``mlflow.set_tracking_uri``."""
        return rest.needed("Workspace.get_mlflow_tracking_uri").url

    def get_details(self) -> Dict[str, str]:
        """The names."""
        return {
            "name": self.name,
            "subscriptionId": self.subscription_id,
            "resourceGroup": self.resource_group,
            "location": self.location,
        }

    def write_config(self, path: Optional[str] = None, file_name: Optional[str] = None) -> None:
        """Writes ``.azureml/config.json`` for ``from_config``."""
        folder = os.path.join(path or os.getcwd(), ".azureml")
        os.makedirs(folder, exist_ok=True)
        names = {
            "subscription_id": self.subscription_id,
            "resource_group": self.resource_group,
            "workspace_name": self.name,
        }
        with open(os.path.join(folder, file_name or "config.json"), "w", encoding="utf-8") as file:
            json.dump(names, file, indent=4)

    def get_default_datastore(self) -> Any:
        """Not supported."""
        raise not_supported(
            "Workspace.get_default_datastore", "register the table with `portcullis data register NAME FILE`"
        )

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "Workspace.%s is not supported by Portcullis: use webservices, models, experiments, or the command line" % name
        )

    def __repr__(self) -> str:
        return "Workspace.create(name=%r, subscription_id=%r, resource_group=%r)" % (
            self.name,
            self.subscription_id,
            self.resource_group,
        )


class UserErrorException(Exception):
    """The caller's mistake."""


def _find(start: str) -> Optional[str]:
    if os.path.isfile(start):
        return start
    folder = os.path.abspath(start)
    while True:
        for name in _FILES:
            if os.path.isfile(os.path.join(folder, name)):
                return os.path.join(folder, name)
        if os.path.dirname(folder) == folder:
            return None
        folder = os.path.dirname(folder)
