"""Schemas of standard Python values, by their exact types."""

from __future__ import annotations

import base64
import datetime
from typing import Any, Dict, Optional, Tuple

from .abstract_parameter_type import AbstractParameterType

#: How dates and times are written in examples.
DATE, DATETIME, TIME = "%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f %z", "%H:%M:%S.%f %z"

_PLAIN: Dict[type, Tuple[str, Optional[str]]] = {
    int: ("integer", "int64"),
    float: ("number", "double"),
    str: ("string", None),
    bool: ("boolean", None),
}


def schema_of(value: Any) -> Dict[str, Any]:
    """The schema of a value, with ``example``. What has no type of its own is an ``object``."""
    if isinstance(value, AbstractParameterType):
        return value.input_to_swagger()
    kind = type(value)
    if kind in _PLAIN:
        name, form = _PLAIN[kind]
        return _schema(name, form, value)
    if kind in (bytes, bytearray):
        return _schema("string", "byte", base64.b64encode(value).decode("ascii"))
    if kind is datetime.date:
        return _schema("string", "date", value.strftime(DATE))
    if kind is datetime.datetime:
        return _schema("string", "date-time", _with_zone(value).strftime(DATETIME))
    if kind is datetime.time:
        return _schema("string", "time", _with_zone(value).strftime(TIME))
    if kind in (list, tuple, range):
        return _list(value)
    if kind is dict:
        return _object(value)
    return {"type": "object", "example": value}


def _schema(name: str, form: Optional[str], example: Any) -> Dict[str, Any]:
    return {"type": name, "format": form, "example": example} if form else {"type": name, "example": example}


def _with_zone(value: Any) -> Any:
    return value if value.tzinfo is not None else value.replace(tzinfo=datetime.timezone.utc)


def _list(values: Any) -> Dict[str, Any]:
    """An array; its items are described by the last element."""
    items: Dict[str, Any] = {"type": "object"}
    example = []
    for value in values:
        items = schema_of(value)
        example.append(items.pop("example"))
    return {"type": "array", "items": items, "example": example}


def _object(values: Dict[str, Any]) -> Dict[str, Any]:
    properties: Dict[str, Any] = {}
    example: Dict[str, Any] = {}
    for name, value in values.items():
        properties[name] = schema_of(value)
        example[name] = properties[name].pop("example")
    return {"type": "object", "required": list(values), "properties": properties, "example": example}
