"""From what ``run()`` returned to an answer."""

from __future__ import annotations

import json
import math
from typing import Any, Dict, List, NamedTuple, Optional

#: The header that says whether ``run()`` failed; the server writes it from ``Answer.failed``.
FAILED_HEADER = "x-ms-run-function-failed"

SCRIPT_FAILED = "An unexpected error occurred in scoring script. Check the logs for more info."
INTERNAL = "An unexpected internal error occurred. Check the logs for more info."


class Answer(NamedTuple):
    """One answer. ``exec_ms`` is the time in ``run()`` of a call that went well, else ``None``.

    ``json_bytes`` is the length of the JSON part of a body that goes on with binary tensors; ``rows`` those scored, 0 where
    nothing says how many a call has.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: Dict[str, str] = {}
    failed: bool = False
    exec_ms: Optional[float] = None
    json_bytes: Optional[int] = None
    rows: int = 0

    def head(self, request_id: str) -> Dict[str, Any]:
        """The head of the frame that carries this answer."""
        return {
            "id": request_id,
            "status": self.status,
            "headers": self.headers,
            "content_type": self.content_type,
            "failed": self.failed,
            "exec_ms": None if self.exec_ms is None else round(self.exec_ms, 3),
            "json_bytes": self.json_bytes,
            "rows": self.rows,
        }


def message(status: int, text: str, failed: bool = False) -> Answer:
    """An error as callers of the Azure server know it: ``{"message": "..."}``."""
    return Answer(status, json.dumps({"message": text}).encode("utf-8"), failed=failed)


def plain(value: Any) -> Any:
    """What ``json`` does not know: arrays, data frames and their scalars, and dates, as plain values."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return value.to_dict(orient="records")
    for name in ("tolist", "isoformat"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)


def jsonable(value: Any) -> Any:
    """Predictions as plain values: rows as a list, a data frame as a list of records, no number as ``None``."""
    if hasattr(value, "to_dict") and hasattr(value, "columns"):
        return _finite(value.to_dict(orient="records"))
    if hasattr(value, "tolist"):
        return _finite(value.tolist())
    return _finite(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(name): jsonable(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        items: List[Any] = [jsonable(item) for item in value]
        return items
    return value


def predictions(value: Any, exec_ms: float, rows: int = 0) -> Answer:
    """The answer of MLflow's server: ``{"predictions": value}``. Raises ``TypeError`` for what has no JSON form."""
    body = json.dumps({"predictions": jsonable(value)}, default=plain)
    return Answer(200, body.encode("utf-8"), exec_ms=exec_ms, rows=rows)


def is_response(value: Any) -> bool:
    """Whether ``run()`` gave a whole response: ours, or that of a web framework of the same shape."""
    return all(hasattr(value, name) for name in ("status_code", "headers", "get_data"))


def from_result(value: Any, exec_ms: float) -> Answer:
    """The answer for a value of ``run()``: encoded as JSON once more, ``None`` as ``{}``, a response as it is.

    Raises ``TypeError`` or ``ValueError`` when the value has no JSON form.
    """
    if is_response(value):
        return _from_response(value, exec_ms)
    text = "{}" if value is None else json.dumps(value, default=plain)
    return Answer(200, text.encode("utf-8"), exec_ms=exec_ms)


def _from_response(value: Any, exec_ms: float) -> Answer:
    headers: Dict[str, str] = {}
    content_type = ""
    failed = int(value.status_code) >= 500
    for name, text in value.headers.items():
        lower = str(name).lower()
        if lower == FAILED_HEADER:
            failed = failed or str(text) == "True"
        elif lower == "content-type":
            content_type = str(text)
        elif lower != "content-length":
            headers[str(name)] = headers[str(name)] + ", " + str(text) if str(name) in headers else str(text)
    return Answer(int(value.status_code), bytes(value.get_data()), content_type, headers, failed, exec_ms)
