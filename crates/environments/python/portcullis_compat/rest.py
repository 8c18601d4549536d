"""The server that a script talks to: MLflow's REST calls and the control plane, over urllib.

The address is ``MLFLOW_TRACKING_URI`` or ``PORTCULLIS_SERVER``; the token ``MLFLOW_TRACKING_TOKEN``, ``PORTCULLIS_TOKEN``
or the content of the file ``PORTCULLIS_TOKEN_FILE``. Inside a job all of it is set.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from typing import Any, Dict, List, Optional, Tuple
from urllib.parse import quote, urlencode, urlsplit

#: Seconds that one call may take.
TIMEOUT = 120
#: How often a call that failed for now is made, and after how many seconds again (doubled each time).
TRIES, PAUSE = 5, 0.5
_FOR_NOW = (408, 429, 500, 502, 503, 504)


class ServerError(Exception):
    """The server refused a call, or could not be reached; ``code`` is MLflow's error code where there is one."""

    def __init__(self, status: int, code: str, text: str):
        super().__init__(text)
        self.status = status
        self.code = code


class Server:
    """One server, with credentials."""

    def __init__(self, url: str, headers: Dict[str, str]):
        self.url = url.rstrip("/")
        self._headers = headers
        self._opener = urllib.request.build_opener(*_no_proxy(url), *_trusting())

    def mlflow(self, method: str, path: str, values: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        """A call below ``/api/2.0/mlflow/``; ``values`` are the query of a GET, else the JSON body."""
        return self.json(method, "/api/2.0/mlflow/" + path, values)

    def control(self, method: str, path: str, values: Optional[Dict[str, Any]] = None) -> Any:
        """A call of the control plane, below ``/api/v1/``."""
        return self.json(method, "/api/v1/" + path, values)

    def json(self, method: str, path: str, values: Optional[Dict[str, Any]] = None) -> Any:
        """A call that is answered in JSON. Raises ``ServerError``."""
        if method == "GET" and values:
            path += "?" + urlencode([(k, v) for k, v in values.items() if v is not None])
        body = None if method == "GET" or values is None else json.dumps(values).encode("utf-8")
        answer = self.bytes(method, path, body, "application/json")
        return json.loads(answer) if answer.strip() else {}

    def bytes(self, method: str, path: str, body: Optional[bytes] = None, content_type: str = "") -> bytes:
        """A call, again when it failed for now. Raises ``ServerError``."""
        request = urllib.request.Request(self.url + path, data=body, method=method, headers=dict(self._headers))
        if body is not None:
            request.add_header("Content-Type", content_type or "application/octet-stream")
        for left in range(TRIES - 1, -1, -1):
            try:
                with self._opener.open(request, timeout=TIMEOUT) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code not in _FOR_NOW or left == 0:
                    raise _refusal(error, method, path) from None
                wait = _retry_after(error)
            except (urllib.error.URLError, OSError) as error:
                if left == 0:
                    reason = getattr(error, "reason", error)
                    raise ServerError(0, "", "the server %s cannot be reached: %s" % (self.url, reason)) from None
                wait = None
            time.sleep(wait if wait is not None else PAUSE * 2 ** (TRIES - 1 - left))
        raise AssertionError("unreachable")

    def put_artifact(self, path: str, data: bytes) -> None:
        """Keeps bytes under a path of the artifact store."""
        self.bytes("PUT", "/api/2.0/mlflow-artifacts/artifacts/" + quote(path), data)

    def get_artifact(self, path: str) -> bytes:
        """The bytes under a path of the artifact store."""
        return self.bytes("GET", "/api/2.0/mlflow-artifacts/artifacts/" + quote(path))

    def list_artifacts(self, path: str) -> List[Dict[str, Any]]:
        """What lies in a folder of the artifact store: ``path`` (relative to it), ``is_dir``, ``file_size``."""
        found = self.json("GET", "/api/2.0/mlflow-artifacts/artifacts", {"path": path})
        return list(found.get("files", []))

    def walk_artifacts(self, path: str) -> List[str]:
        """Paths of all files below a folder, relative to it."""
        files: List[str] = []
        for item in self.list_artifacts(path):
            if item.get("is_dir"):
                files += ["%s/%s" % (item["path"], deeper) for deeper in self.walk_artifacts(path + "/" + item["path"])]
            else:
                files.append(item["path"])
        return files


def configured() -> Optional[Server]:
    """The server that the environment names, if it names one over HTTP."""
    for name in ("MLFLOW_TRACKING_URI", "PORTCULLIS_SERVER"):
        url = os.environ.get(name, "")
        if url.startswith(("http://", "https://")):
            return Server(url, _credentials())
    return None


def needed(what: str) -> Server:
    """The configured server; ``RuntimeError`` says how to name one."""
    found = configured()
    if found is None:
        raise RuntimeError(
            "%s needs a server: set MLFLOW_TRACKING_URI (and MLFLOW_TRACKING_TOKEN), as inside a job they are" % what
        )
    return found


def _credentials() -> Dict[str, str]:
    token = os.environ.get("MLFLOW_TRACKING_TOKEN") or os.environ.get("PORTCULLIS_TOKEN")
    path = os.environ.get("PORTCULLIS_TOKEN_FILE")
    if not token and path:
        with open(path, encoding="utf-8") as file:
            token = file.read().strip()
    if token:
        return {"Authorization": "Bearer " + token}
    name, word = os.environ.get("MLFLOW_TRACKING_USERNAME"), os.environ.get("MLFLOW_TRACKING_PASSWORD")
    if name and word:
        pair = base64.b64encode(("%s:%s" % (name, word)).encode("utf-8")).decode("ascii")
        return {"Authorization": "Basic " + pair}
    return {}


def _no_proxy(url: str) -> Tuple[urllib.request.ProxyHandler, ...]:
    """Loopback is never asked through a proxy."""
    host = urlsplit(url).hostname or ""
    return (urllib.request.ProxyHandler({}),) if host in ("localhost", "::1") or host.startswith("127.") else ()


def _trusting() -> Tuple[urllib.request.HTTPSHandler, ...]:
    """The certificate that ``MLFLOW_TRACKING_SERVER_CERT_PATH`` names, beside those of the system."""
    path = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    if not path:
        return ()
    context = ssl.create_default_context()
    context.load_verify_locations(path)
    return (urllib.request.HTTPSHandler(context=context),)


def _refusal(error: urllib.error.HTTPError, method: str, path: str) -> ServerError:
    text = error.read().decode("utf-8", "replace")
    code, message = "", text
    try:
        value = json.loads(text)
        code = str(value.get("error_code", ""))
        message = str(value.get("message") or value.get("detail") or value.get("title") or text)
    except (ValueError, AttributeError):
        pass
    short = path.partition("?")[0]
    return ServerError(error.code, code, "%s %s: %d %s" % (method, short, error.code, message or error.reason))


def _retry_after(error: urllib.error.HTTPError) -> Optional[float]:
    try:
        return min(float(error.headers.get("Retry-After", "")), 30.0)
    except ValueError:
        return None
