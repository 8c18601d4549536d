"""What a model gave, as tensors of the Open Inference Protocol.

A data frame, a list of records and an object have one output for each column or member, under its name; everything else is
one output, ``predict``. Arrays and data frames keep the type of their numbers; plain values have the narrowest of ``BOOL``,
``INT64``, ``FP64`` and ``BYTES`` that holds them all. Dates are text. A missing value is null, which only numbers of floating
point and texts may be: whole numbers and truths with one become ``FP64``.
"""

from __future__ import annotations

import math
from typing import Any, Dict, List, Optional, Tuple

from .answers import plain
from .tensors import Output

#: The name of an output that the model gives no name.
UNNAMED = "predict"

_DATATYPES = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP32",
    "float32": "FP32",
    "float64": "FP64",
}


class Unfit(Exception):
    """The model's answer is no tensor; the message names the output."""


def of(value: Any, unnamed: str = UNNAMED) -> List[Output]:
    """The outputs in a value. Raises ``Unfit`` for ragged lists, mixed types and objects within lists."""
    return [_output(name, part) for name, part in _parts(value, unnamed)]


def datatype_of(dtype: Any) -> Optional[str]:
    """The datatype of a type of numpy or pandas; ``None`` when the values decide."""
    return _DATATYPES.get(str(dtype))


def _parts(value: Any, unnamed: str) -> List[Tuple[str, Any]]:
    if hasattr(value, "columns") and hasattr(value, "to_dict"):
        return [(str(name), value[name]) for name in value.columns]
    if isinstance(value, dict):
        return [(str(name), part) for name, part in value.items()]
    if isinstance(value, (list, tuple)) and value and all(isinstance(row, dict) for row in value):
        names = list(value[0])
        if any(set(row) != set(names) for row in value):
            raise Unfit("the rows of the answer have different members, so they are no outputs")
        return [(str(name), [row[name] for row in value]) for name in names]
    return [] if value is None else [(unnamed, value)]


def _output(name: str, part: Any) -> Output:
    known = datatype_of(getattr(part, "dtype", None))
    flat, shape = _flat(name, _plain(part))
    shape = shape or [1]
    if known is None or None in flat:
        known, flat = _typed(name, flat)
    return Output(name, shape, known, flat)


def _plain(value: Any) -> Any:
    """Arrays and scalars of numpy, dates and what stands for no value, as plain values."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str, dict)):
        # Scalars of numpy that are numbers of Python too.
        return value.item() if hasattr(value, "item") else value
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "replace")
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    try:
        return _plain(plain(value))
    except TypeError:
        return str(value)


def _flat(name: str, value: Any) -> Tuple[List[Any], List[int]]:
    """Values in row-major order, and their shape."""
    if not isinstance(value, list):
        return [value], []
    shape = [len(value)]
    while value and any(isinstance(item, list) for item in value):
        sizes = {len(item) if isinstance(item, list) else -1 for item in value}
        if len(sizes) > 1:
            raise Unfit("the output '%s' is ragged: its lists have different lengths" % name)
        shape.append(sizes.pop())
        value = [inner for item in value for inner in item]
    return value, shape


def _typed(name: str, values: List[Any]) -> Tuple[str, List[Any]]:
    if any(isinstance(value, str) for value in values):
        # What pandas has for a missing text.
        values = [None if isinstance(value, float) and math.isnan(value) else value for value in values]
    kinds = {type(value) for value in values}
    empty = type(None) in kinds
    kinds.discard(type(None))
    if not kinds <= {bool, int, float, str}:
        raise Unfit("the output '%s' holds objects, which no tensor can" % name)
    if str in kinds:
        if kinds != {str}:
            raise Unfit("the output '%s' mixes texts with other values" % name)
        return "BYTES", values
    if kinds == {bool} and not empty:
        return "BOOL", values
    if kinds == {int} and not empty and all(-(1 << 63) <= value < 1 << 63 for value in values):
        return "INT64", values
    try:
        return "FP64", [math.nan if value is None else float(value) for value in values]
    except OverflowError:
        raise Unfit("the output '%s' holds a number that is too large" % name) from None


def described(name: str, datatype: str, shape: List[int]) -> Dict[str, Any]:
    """An input or output as metadata tells of it; -1 for a size that calls decide."""
    return {"name": name, "datatype": datatype, "shape": shape}
