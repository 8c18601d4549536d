"""What an MLflow model takes and gives as schemas of a swagger document: from its signature and its input example."""

from __future__ import annotations

import json
import os
from typing import Any, Dict, List, Optional, Tuple

#: The example as a request, beside the MLmodel file (MLflow 2.16 and later).
_EXAMPLE = "serving_input_example.json"
_ROWS = 2
_TYPES: Dict[str, Tuple[Dict[str, Any], Any]] = {
    "boolean": ({"type": "boolean"}, False),
    "integer": ({"type": "integer", "format": "int32"}, 0),
    "long": ({"type": "integer", "format": "int64"}, 0),
    "float": ({"type": "number", "format": "float"}, 0.0),
    "double": ({"type": "number", "format": "double"}, 0.0),
    "string": ({"type": "string"}, "text"),
    "binary": ({"type": "string", "format": "byte"}, ""),
    "datetime": ({"type": "string", "format": "date-time"}, "2026-01-01T00:00:00"),
}


def bodies(folder: str, metadata: Any) -> Tuple[Dict[str, Any], Dict[str, Any]]:
    """The schema of a request on ``/score`` and of its answer."""
    example = _example(folder)
    inputs = metadata.get_input_schema()
    if inputs is None:
        given: Dict[str, Any] = {"type": "object", "example": example or {}}
    elif inputs.is_tensor_spec():
        given = _tensors(inputs, example)
    else:
        given = _rows(inputs, example)
    return given, _answer(metadata.get_output_schema())


def _example(folder: str) -> Optional[Dict[str, Any]]:
    try:
        with open(os.path.join(folder, _EXAMPLE), encoding="utf-8") as file:
            found = json.load(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _rows(schema: Any, example: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    names = [spec.name for spec in schema.inputs]
    kinds = [_type(spec) for spec in schema.inputs]
    if None in names:
        row: Dict[str, Any] = {"type": "array", "items": {}}
        sample: List[Any] = [[value for _, value in kinds]]
    else:
        row = {"type": "object", "properties": {name: kind for name, (kind, _) in zip(names, kinds)}}
        needed = [spec.name for spec in schema.inputs if getattr(spec, "required", True)]
        if needed:
            row["required"] = needed
        sample = [{name: value for name, (_, value) in zip(names, kinds)}]
        split = (example or {}).get("dataframe_split")
        if isinstance(split, dict) and split.get("columns") and split.get("data"):
            sample = [dict(zip(split["columns"], values)) for values in split["data"][:_ROWS]]
    return _object("input_data", {"type": "array", "items": row}, {"input_data": sample})


def _tensors(schema: Any, example: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    named = [spec for spec in schema.inputs if spec.name]
    if named:
        properties = {spec.name: _nested(spec) for spec in named}
        inputs: Dict[str, Any] = {"type": "object", "properties": properties}
    else:
        inputs = _nested(schema.inputs[0])
    shown = example if example and "inputs" in example else {}
    return _object("inputs", inputs, shown)


def _object(member: str, schema: Dict[str, Any], example: Dict[str, Any]) -> Dict[str, Any]:
    return {"type": "object", "properties": {member: schema}, "required": [member], "example": example}


def _answer(schema: Any) -> Dict[str, Any]:
    if schema is None:
        return {"type": "array", "items": {}}
    if schema.is_tensor_spec():
        return _nested(schema.inputs[0]) if len(schema.inputs) == 1 else {"type": "object"}
    names = [spec.name for spec in schema.inputs]
    if len(names) == 1:
        # A series gives bare values, a data frame of one column objects.
        return {"type": "array", "items": _type(schema.inputs[0])[0] if names[0] is None else {}}
    properties = {str(name): _type(spec)[0] for name, spec in zip(names, schema.inputs)}
    return {"type": "array", "items": {"type": "object", "properties": properties}}


def _type(spec: Any) -> Tuple[Dict[str, Any], Any]:
    schema, value = _TYPES.get(getattr(spec.type, "name", ""), ({}, None))
    return dict(schema), value


def _nested(spec: Any) -> Dict[str, Any]:
    kind = getattr(spec.type, "kind", "O")
    schema: Dict[str, Any] = {"b": {"type": "boolean"}, "i": {"type": "integer"}, "u": {"type": "integer"}}.get(
        kind, {"type": "number"} if kind == "f" else {"type": "string"}
    )
    for _ in spec.shape:
        schema = {"type": "array", "items": schema}
    return schema
