"""From a request to the arguments of ``run()``, with the message texts that callers of the Azure server know."""

from __future__ import annotations

import inspect
import json
from typing import Any, Callable, Dict, List, Sequence
from urllib.parse import parse_qsl

from .request import Request


class Refused(Exception):
    """The request cannot be given to ``run()``: a status below 500 and a message for the caller."""

    def __init__(self, status: int, message: str):
        super().__init__(message)
        self.status = status
        self.message = message


Parser = Callable[[Request], Dict[str, Any]]


def query_values(query: str) -> Dict[str, Any]:
    """Query parameters as input: a value is JSON if it parses, else text; a repeated name becomes a list."""
    found: Dict[str, List[Any]] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def _method(request: Request) -> str:
    if request.method not in ("GET", "POST"):
        raise Refused(405, "Method not allowed")
    return request.method


def as_text(name: str) -> Parser:
    """For a ``run()`` without decorators: the body as text, or the query as the text of a JSON object."""

    def parse(request: Request) -> Dict[str, Any]:
        if _method(request) == "GET":
            return {name: json.dumps(query_values(request.query))}
        try:
            return {name: request.body.decode("utf-8")}
        except UnicodeDecodeError as error:
            raise Refused(400, "Input cannot be decoded as UTF-8: %s" % error) from None

    return parse


def as_request(name: str) -> Parser:
    """For ``@rawhttp``: the request itself."""

    def parse(request: Request) -> Dict[str, Any]:
        from portcullis_compat.http import AMLRequest

        return {name: AMLRequest(request.method, request.path, request.query, request.headers, request.body)}

    return parse


def as_values(parameters: Sequence[inspect.Parameter]) -> Parser:
    """For a decorated ``run()``: members of the JSON object, by the names of the arguments."""

    def parse(request: Request) -> Dict[str, Any]:
        if _method(request) == "GET":
            return _pick(parameters, query_values(request.query))
        return _pick(parameters, _json_object(request))

    return parse


def _json_object(request: Request) -> Dict[str, Any]:
    media = (request.content_type or "").split(";", 1)[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise Refused(415, "Expects Content-Type to be application/json")
    if not request.body:
        raise Refused(400, "POST body is empty. Expecting a JSON dictionary.")
    try:
        value = json.loads(request.body)
    except ValueError as error:
        raise Refused(400, "POST body could not be decoded as JSON: %s" % error) from None
    except RecursionError:
        raise Refused(400, "POST body could not be decoded as JSON: it is nested too deeply") from None
    if not isinstance(value, dict):
        raise Refused(400, "POST body should be a JSON dictionary.")
    return value


def _pick(parameters: Sequence[inspect.Parameter], body: Dict[str, Any]) -> Dict[str, Any]:
    picked: Dict[str, Any] = {}
    for parameter in parameters:
        value = body.get(parameter.name, parameter.default)
        if value is inspect.Parameter.empty:
            raise Refused(400, "A value is not provided for the %r parameter." % parameter.name)
        picked[parameter.name] = value
    return picked
