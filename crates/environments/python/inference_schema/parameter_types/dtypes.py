"""Schemas and examples of numpy types."""

from __future__ import annotations

import base64
from typing import Any, Dict, Optional, Tuple

_NUMBERS: Dict[str, Tuple[str, Optional[str]]] = {
    "bool": ("boolean", None),
    "float16": ("number", "float"),
    "float32": ("number", "float"),
    "float64": ("number", "double"),
    "object": ("object", None),
}
_PREFIXES: Tuple[Tuple[str, Optional[str]], ...] = (
    ("datetime", "date-time"),
    ("str", None),
    ("bytes", "binary"),
    ("void", "binary"),
    ("timedelta", "timedelta"),
)


def schema_of_type(dtype: Any) -> Dict[str, Any]:
    """The schema of one element of a type: a scalar, an array inside an element, or a record."""
    if dtype.names:
        return {"type": "object", "properties": {name: schema_of_type(dtype[name]) for name in dtype.names}}
    if dtype.subdtype is not None:
        return nested(schema_of_type(dtype.subdtype[0]), dtype.subdtype[1])
    name = dtype.name.lower()
    if name.startswith(("int", "uint")):
        return {"type": "integer", "format": name}
    if name in _NUMBERS:
        return _schema(*_NUMBERS[name])
    for prefix, form in _PREFIXES:
        if name.startswith(prefix):
            return _schema("string", form)
    raise TypeError("We currently do not support extracting schema from data of type %s" % name)


def nested(items: Dict[str, Any], shape: Tuple[int, ...]) -> Dict[str, Any]:
    """Arrays of arrays, one for every dimension."""
    schema = {"type": "array", "items": items}
    for _ in range(len(shape) - 1):
        schema = {"type": "array", "items": schema}
    return schema


def example_of(schema: Dict[str, Any], value: Any) -> Any:
    """An element as it is written in an example."""
    kind = schema["type"]
    if kind == "array":
        return [example_of(schema["items"], item) for item in value]
    if kind == "object" and "properties" in schema:
        return {name: example_of(inner, value[name]) for name, inner in schema["properties"].items()}
    if kind in ("number", "integer", "boolean"):
        return {"number": float, "integer": int, "boolean": bool}[kind](value)
    if schema.get("format") == "date-time":
        return value.astype("datetime64[us]").item().strftime("%Y-%m-%d %H:%M:%S,%f")
    if schema.get("format") == "binary":
        return base64.b64encode(bytes(value)).decode("ascii")
    return str(value)


def _schema(name: str, form: Optional[str]) -> Dict[str, Any]:
    return {"type": name, "format": form} if form else {"type": name}
