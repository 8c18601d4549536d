"""A scoring request as it came over the socket."""

from __future__ import annotations

from typing import Any, Dict, NamedTuple, Optional


class Request(NamedTuple):
    """One call. ``headers`` have the usual spelling of names (``Content-Type``).

    ``model`` and ``version`` are what answers of Open Inference call the model; ``json_bytes`` is the length of the JSON
    part of a body with binary tensors.
    """

    id: str
    method: str
    path: str
    query: str
    headers: Dict[str, str]
    content_type: Optional[str]
    timeout_ms: int
    body: bytes
    model: str = ""
    version: str = ""
    json_bytes: Optional[int] = None


def spelled(name: str) -> str:
    """``x-ms-request-id`` as scripts look it up: ``X-Ms-Request-Id``."""
    return "-".join(part.capitalize() for part in name.split("-"))


def from_frame(head: Dict[str, Any], body: bytes) -> Request:
    """The request of a frame; what the head does not say has the value of a plain POST."""
    headers = {spelled(str(name)): str(value) for name, value in (head.get("headers") or {}).items()}
    content_type = head.get("content_type") or headers.get("Content-Type")
    if content_type and "Content-Type" not in headers:
        headers["Content-Type"] = content_type
    return Request(
        id=str(head.get("id") or ""),
        method=str(head.get("method") or "POST").upper(),
        path=str(head.get("path") or "/score"),
        query=str(head.get("query") or ""),
        headers=headers,
        content_type=content_type,
        timeout_ms=int(head.get("timeout_ms") or 0),
        body=body,
        model=str(head.get("model") or ""),
        version=str(head.get("version") or ""),
        json_bytes=head.get("json_bytes"),
    )
