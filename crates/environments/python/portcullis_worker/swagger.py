"""Swagger documents of a script: version 2 and OpenAPI 3.0 and 3.1, from its sample decorators or the user's files."""

from __future__ import annotations

import copy
import json
import os
import sys
from typing import Any, Callable, Dict, Optional, Set, Tuple

#: Names under which a version may be asked for, and the files in the code folder that win over the generated one.
VERSIONS: Tuple[Tuple[str, Set[str], Tuple[str, ...]], ...] = (
    ("2", {"2", "2.0"}, ("swagger.json", "swagger2.json")),
    ("3", {"3", "3.0"}, ("swagger3.json",)),
    ("3.1", {"3.1"}, ("swagger3.1.json",)),
)

_HEALTH = "Tells that the service is up."
_HEALTHY = "The service is up; the body is the text 'Healthy'."
_SCORE = "Runs the model of the service and gives its prediction."
_INPUT = "What the model is to predict from."
_RESULT = "The input was processed; here is the result."
_SPEC = "This description of the service."
_FAILED = "The call failed; the message says why."
_BEARER = {"type": "apiKey", "name": "Authorization", "in": "header", "description": "For example: Bearer abc123"}
_ERROR = {"type": "object", "properties": {"message": {"type": "string"}}}


def documents(run: Callable[..., Any], app_root: str) -> Dict[str, Any]:
    """The documents of a script by version; a version that the samples cannot be put in is left out.

    Raises ``ValueError`` when a file of the user is not JSON.
    """
    supported, given, returned = _schemas(run)
    found: Dict[str, Any] = {}
    for version, names, files in VERSIONS:
        document = _user_file(app_root, files)
        if document is None and names & supported:
            document = _generated(version, copy.deepcopy(given), copy.deepcopy(returned))
        if document is not None:
            found[version] = document
    return found


def of_model(given: Dict[str, Any], returned: Dict[str, Any]) -> Dict[str, Any]:
    """The documents of a model by version, from the schemas of what it takes and gives."""
    return {version: _generated(version, copy.deepcopy(given), copy.deepcopy(returned)) for version, _, _ in VERSIONS}


def given(run: Callable[..., Any]) -> Dict[str, Any]:
    """The schema of the arguments of a decorated script."""
    return dict(_schemas(run)[1])


def result(run: Callable[..., Any]) -> Dict[str, Any]:
    """The schema of what it gives."""
    return dict(_schemas(run)[2])


def _schemas(run: Callable[..., Any]) -> Tuple[Set[str], Any, Any]:
    util = sys.modules.get("inference_schema.schema_util")
    if util is None or not util.is_schema_decorated(run):
        anything = {"type": "object", "example": {}}
        return {"2.0", "3.0", "3.1"}, anything, anything
    return set(util.get_supported_versions(run)), util.get_input_schema(run), util.get_output_schema(run)


def _user_file(app_root: str, names: Tuple[str, ...]) -> Optional[Any]:
    for name in names:
        path = os.path.join(app_root, name)
        try:
            with open(path, encoding="utf-8") as file:
                document = json.load(file)
        except FileNotFoundError:
            continue
        except ValueError as error:
            raise ValueError("%s in the code folder is not JSON: %s" % (name, error)) from None
        if document:
            return document
    return None


def _generated(version: str, given: Any, returned: Any) -> Dict[str, Any]:
    name = os.environ.get("SERVICE_NAME") or "ML service"
    info = {
        "title": name,
        "description": "API specification for the Azure Machine Learning service %s" % name,
        "version": os.environ.get("SERVICE_VERSION") or "1.0",
    }
    prefix = os.environ.get("SERVICE_PATH_PREFIX", "").strip("/")
    prefix = "/" + prefix if prefix else ""
    schemas = {"ServiceInput": given, "ServiceOutput": returned, "ErrorResponse": _ERROR}
    if version == "2":
        return _version_two(info, prefix, schemas)
    return _version_three("3.1.0" if version == "3.1" else "3.0.3", info, prefix, schemas)


def _version_two(info: Dict[str, Any], prefix: str, schemas: Dict[str, Any]) -> Dict[str, Any]:
    def answers(text: str, schema: Dict[str, Any], **more: Any) -> Dict[str, Any]:
        failed = {"description": _FAILED, "schema": {"$ref": "#/definitions/ErrorResponse"}}
        return {"200": dict({"description": text, "schema": schema}, **more), "default": failed}

    payload = {
        "name": "serviceInputPayload",
        "in": "body",
        "description": _INPUT,
        "schema": {"$ref": "#/definitions/ServiceInput"},
    }
    asked = {"name": "version", "in": "query", "required": False, "type": "integer", "enum": [2, 3]}
    text = {"type": "string"}
    healthy = answers(_HEALTHY, text, examples={"application/json": "Healthy"})
    result = answers(_RESULT, {"$ref": "#/definitions/ServiceOutput"})
    return {
        "swagger": "2.0",
        "info": info,
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json"],
        "securityDefinitions": {"Bearer": _BEARER},
        "paths": {
            prefix + "/": {"get": _operation("ServiceHealthCheck", _HEALTH, healthy)},
            prefix + "/score": {
                "post": _operation("RunMLService", _SCORE, result, security=[{"Bearer": []}], parameters=[payload])
            },
            prefix + "/swagger.json": {
                "get": _operation("GetSwaggerSpec", _SPEC, answers(_SPEC, text), parameters=[asked])
            },
        },
        "definitions": schemas,
    }


def _version_three(openapi: str, info: Dict[str, Any], prefix: str, schemas: Dict[str, Any]) -> Dict[str, Any]:
    def content(media: str, schema: Dict[str, Any]) -> Dict[str, Any]:
        return {media: {"schema": schema}}

    def answers(text: str, body: Dict[str, Any]) -> Dict[str, Any]:
        error = content("application/json", {"$ref": "#/components/schemas/ErrorResponse"})
        return {"200": {"description": text, "content": body}, "default": {"description": _FAILED, "content": error}}

    asked = {"name": "version", "in": "query", "required": False, "schema": {"type": "integer", "enum": [2, 3]}}
    given = content("application/json", {"$ref": "#/components/schemas/ServiceInput"})
    result = answers(_RESULT, content("application/json", {"$ref": "#/components/schemas/ServiceOutput"}))
    healthy = answers(_HEALTHY, content("text/plain", {"type": "string", "example": "Healthy"}))
    document = answers(_SPEC, content("text/plain", {"type": "string"}))
    body = {"description": _INPUT, "content": given}
    return {
        "openapi": openapi,
        "info": info,
        "security": [{"Bearer": []}],
        "paths": {
            prefix + "/": {"get": _operation("ServiceHealthCheck", _HEALTH, healthy)},
            prefix + "/score": {"post": _operation("RunMLService", _SCORE, result, requestBody=body)},
            prefix + "/swagger.json": {"get": _operation("GetSwaggerSpec", _SPEC, document, parameters=[asked])},
        },
        "components": {"schemas": schemas, "securitySchemes": {"Bearer": _BEARER}},
    }


def _operation(name: str, text: str, responses: Dict[str, Any], **more: Any) -> Dict[str, Any]:
    operation: Dict[str, Any] = {"operationId": name, "description": text}
    operation.update(more)
    operation["responses"] = responses
    return operation
