"""``Webservice``: an endpoint, as the scripts for a running service use it."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import quote

from portcullis_compat import rest
from portcullis_compat.missing import not_supported

#: Names of ``update`` and how the deployment's settings are called.
_SETTINGS = {"enable_app_insights": "app_insights_enabled"}

#: Most lines of a log that the server gives at once.
LOG_LINES = 10000


class Webservice:
    """A running service by its name: the endpoint, and the deployment that answers most of its calls."""

    compute_type = "Portcullis"

    def __init__(self, workspace: Any = None, name: str = ""):
        self.workspace = workspace
        self.name = name
        self._server = rest.needed("Webservice")
        self._endpoint: Dict[str, Any] = self._server.control("GET", self._path())

    @classmethod
    def list(cls, workspace: Any, **kwargs: Any) -> "List[Webservice]":
        """All services."""
        return [cls(workspace, item["name"]) for item in rest.needed("Webservice.list").control("GET", "endpoints")]

    @property
    def scoring_uri(self) -> str:
        """Where it is called; ends in ``/score``."""
        return "%s/endpoints/%s/score" % (self._server.url, quote(self.name, safe=""))

    @property
    def swagger_uri(self) -> str:
        """Where its description is."""
        return "%s/endpoints/%s/swagger.json" % (self._server.url, quote(self.name, safe=""))

    @property
    def state(self) -> str:
        """``Healthy`` when its traffic has a deployment to go to, else ``Unhealthy``."""
        return "Healthy" if any(self._endpoint.get("traffic", {}).values()) else "Unhealthy"

    @property
    def auth_enabled(self) -> bool:
        """Whether a call needs a key."""
        return str(self._endpoint.get("auth_mode", "key")) != "open"

    def update_deployment_state(self) -> None:
        """Looks again."""
        self._endpoint = self._server.control("GET", self._path())

    def get_keys(self) -> Tuple[str, str]:
        """Primary and secondary key."""
        keys = self._server.control("GET", self._path("keys"))
        return keys["primaryKey"], keys["secondaryKey"]

    def regen_key(self, key: str = "Primary", set_key: Optional[str] = None) -> None:
        """Replaces one key; the other goes on working."""
        if set_key is not None:
            raise not_supported("Webservice.regen_key(set_key=…)", "keys are made by the server; call it without set_key")
        self._server.control("POST", self._path("keys", key.lower(), "regenerate"))

    def get_logs(self, num_lines: int = 5000, init: bool = False) -> str:
        """The newest lines that the service's script printed, as one text."""
        path = self._path("deployments", self._deployment(), "logs")
        lines = self._server.control("GET", path, {"tail": max(1, min(num_lines, LOG_LINES))})
        return "\n".join(str(line["text"]) for line in lines)

    def update(self, **kwargs: Any) -> None:
        """Changes the running service: ``enable_app_insights`` switches the record of its requests on or off."""
        wanted = {name: value for name, value in kwargs.items() if value is not None}
        unknown = sorted(set(wanted) - set(_SETTINGS))
        if unknown:
            raise not_supported(
                "Webservice.update(%s=…)" % unknown[0], "state it in the deployment's YAML and deploy again"
            )
        values = {_SETTINGS[name]: value for name, value in wanted.items()}
        if values:
            self._server.control("PATCH", self._path("deployments", self._deployment()), values)

    def run(self, input_data: Any) -> Any:
        """One call with the primary key; text is sent as it is. Gives what the answer's JSON says."""
        body = input_data if isinstance(input_data, bytes) else str(input_data).encode("utf-8")
        headers = {"Authorization": "Bearer " + self.get_keys()[0]}
        path = "/endpoints/%s/score" % quote(self.name, safe="")
        return json.loads(rest.Server(self._server.url, headers).bytes("POST", path, body, "application/json"))

    def delete(self) -> None:
        """Deletes the endpoint with its deployments."""
        self._server.bytes("DELETE", "/api/v1/" + self._path())

    def wait_for_deployment(self, show_output: bool = False, **kwargs: Any) -> None:
        """A service that is there has been started."""
        if show_output:
            print(self.state)

    def get_token(self) -> Any:
        """Not supported."""
        raise not_supported("Webservice.get_token", "publish the endpoint and use `portcullis token issue`, or get_keys()")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            "Webservice.%s is not supported by Portcullis: use scoring_uri, state, get_keys, get_logs, update, run" % name
        )

    def __repr__(self) -> str:
        return "Webservice(name=%s, state=%s)" % (self.name, self.state)

    def _path(self, *parts: str) -> str:
        return "/".join(["endpoints", *(quote(part, safe="") for part in (self.name, *parts))])

    def _deployment(self) -> str:
        names = list(self._by_traffic())
        if not names:
            raise RuntimeError("endpoint %s has no deployment" % self.name)
        return names[0]

    def _by_traffic(self) -> Iterator[str]:
        found = self._server.control("GET", self._path("deployments"))
        traffic = self._endpoint.get("traffic", {})
        for item in sorted(found, key=lambda item: -int(traffic.get(item["name"], 0))):
            yield item["name"]


class AciWebservice(Webservice):
    """A service that a file for container instances described."""

    @staticmethod
    def deploy_configuration(*args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("AciWebservice.deploy_configuration", "write config/deployment-config-aci.yml")


class AksWebservice(Webservice):
    """A service that a file for Kubernetes described."""

    @staticmethod
    def deploy_configuration(*args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("AksWebservice.deploy_configuration", "write config/deployment-config-aks.yml")


class LocalWebservice(Webservice):
    """A service on this machine."""

    @staticmethod
    def deploy_configuration(*args: Any, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("LocalWebservice.deploy_configuration", "write config/deployment-config-aci.yml")
