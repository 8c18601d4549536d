"""Tensors of the Open Inference Protocol, version 2, as JSON or with its binary tensor extension.

Everything here is plain lists: a model that wants arrays makes them itself. Source: the protocol's REST specification, and
the extension ``binary_tensor_data``: the JSON part of a body is as long as the header ``Inference-Header-Content-Length``
says, and behind it follow the tensors that have ``parameters.binary_data_size``, little-endian, in the order of their heads.
"""

from __future__ import annotations

import array
import json
import math
import struct
import sys
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Sequence, Tuple

from .inputs import Refused

#: Element codes of ``array`` and ``struct`` by datatype; ``BYTES`` has elements of different lengths.
CODES = {
    "BOOL": "?",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
    "FP16": "e",
    "FP32": "f",
    "FP64": "d",
}
#: Bytes of one element by datatype.
SIZES = {datatype: struct.calcsize("<" + code) for datatype, code in CODES.items()}

_MAX_DIMENSIONS = 32


class Tensor(NamedTuple):
    """One input: its values in row-major order, as many as its shape says."""

    name: str
    shape: List[int]
    datatype: str
    values: List[Any]

    def nested(self) -> Any:
        """The values as lists within lists, as the shape has them; a bare value for a shape without dimensions."""
        return nest(self.values, self.shape)

    @property
    def is_column(self) -> bool:
        """Whether it holds one value a row: shape [N] or [N, 1]."""
        return len(self.shape) == 1 or (len(self.shape) == 2 and self.shape[1] == 1)


class Asked(NamedTuple):
    """An inference request. ``outputs`` are those asked for with their parameters, ``None`` for all."""

    id: Optional[str]
    parameters: Dict[str, Any]
    inputs: List[Tensor]
    outputs: Optional[Dict[str, Dict[str, Any]]]

    @property
    def is_table(self) -> bool:
        """Whether the inputs are the columns of a table, as the content type ``pd`` says or several columns look like."""
        columns = all(tensor.is_column for tensor in self.inputs)
        if self.parameters.get("content_type") == "pd" and not columns:
            raise Refused(400, "the content type 'pd' is a table: every input has the shape [N] or [N, 1]")
        return columns and (self.parameters.get("content_type") == "pd" or len(self.inputs) > 1)


class Output(NamedTuple):
    """One output."""

    name: str
    shape: List[int]
    datatype: str
    values: List[Any]


def nest(values: List[Any], shape: Sequence[int]) -> Any:
    """Flat values as lists within lists; a shape without elements is an empty list."""
    if not shape:
        return values[0]
    for size in reversed(shape[1:]):
        values = [values[at : at + size] for at in range(0, len(values), size)] if size else []
    return values


def read(body: bytes, json_bytes: Optional[int]) -> Asked:
    """The request in a body. Raises ``Refused`` (400) for whatever is not one."""
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise Refused(400, "the header Inference-Header-Content-Length is no length of the body's JSON part")
    head, rest = (body, b"") if json_bytes is None else (body[:json_bytes], body[json_bytes:])
    try:
        value = json.loads(head)
    except (ValueError, RecursionError) as error:
        raise Refused(400, "the body could not be decoded as JSON: %s" % error) from None
    if not isinstance(value, dict) or not isinstance(value.get("inputs"), list) or not value["inputs"]:
        raise Refused(400, "the body is no inference request: it is an object with a list 'inputs' of at least one tensor")
    given = value.get("id")
    inputs: List[Tensor] = []
    for one in value["inputs"]:
        tensor, rest = _tensor(one, rest)
        if any(tensor.name == other.name for other in inputs):
            raise Refused(400, "the input '%s' is there twice" % tensor.name)
        inputs.append(tensor)
    if rest:
        raise Refused(400, "%d bytes follow the last binary tensor" % len(rest))
    return Asked(None if given is None else str(given), _parameters(value), inputs, _outputs(value))


def _parameters(value: Dict[str, Any]) -> Dict[str, Any]:
    found = value.get("parameters")
    if found is not None and not isinstance(found, dict):
        raise Refused(400, "'parameters' is no object")
    return found or {}


def _outputs(value: Dict[str, Any]) -> Optional[Dict[str, Dict[str, Any]]]:
    asked = value.get("outputs")
    if not asked:
        return None
    if not isinstance(asked, list) or not all(isinstance(o, dict) and isinstance(o.get("name"), str) for o in asked):
        raise Refused(400, "'outputs' is no list of objects with a name")
    return {output["name"]: _parameters(output) for output in asked}


def _tensor(one: Any, rest: bytes) -> Tuple[Tensor, bytes]:
    if not isinstance(one, dict) or not isinstance(one.get("name"), str):
        raise Refused(400, "an input has no name")
    name, shape, datatype = one["name"], one.get("shape"), one.get("datatype")
    if datatype != "BYTES" and datatype not in CODES:
        known = ", ".join([*CODES, "BYTES"])
        raise Refused(400, "the input '%s' has the datatype %s, which is none of %s" % (name, datatype, known))
    whole = isinstance(shape, list) and all(type(size) is int and size >= 0 for size in shape)
    if not whole or len(shape) > _MAX_DIMENSIONS:
        raise Refused(400, "the input '%s' has no shape: a list of sizes of at least 0" % name)
    if math.prod(shape) == 0 and shape[0] != 0:
        raise Refused(400, "the input '%s' has rows without elements: %s" % (name, shape))
    length = _parameters(one).get("binary_data_size")
    if length is None:
        values = _flat(one.get("data"), name)
        values = [_element(value, name, datatype) for value in values]
    else:
        if type(length) is not int or not 0 <= length <= len(rest) or "data" in one:
            raise Refused(400, "the input '%s' has %d bytes behind the JSON part, not binary_data_size" % (name, len(rest)))
        values, rest = _unpacked(rest[:length], name, datatype), rest[length:]
    if math.prod(shape) != len(values):
        raise Refused(400, "the input '%s' has %d elements, its shape %s has %d" % (name, len(values), shape, math.prod(shape)))
    return Tensor(name, shape, datatype, values), rest


def _flat(data: Any, name: str) -> List[Any]:
    if not isinstance(data, list):
        raise Refused(400, "the input '%s' has no list 'data'" % name)
    depth = 1
    while any(isinstance(item, list) for item in data):
        depth += 1
        if depth > _MAX_DIMENSIONS:
            raise Refused(400, "the input '%s' is nested more than %d levels deep" % (name, _MAX_DIMENSIONS))
        inner: List[Any] = []
        for item in data:
            inner.extend(item if isinstance(item, list) else [item])
        data = inner
    return data


def _element(value: Any, name: str, datatype: str) -> Any:
    code = CODES.get(datatype)
    if code is None:
        fits = isinstance(value, str)
    elif code == "?":
        fits = value is True or value is False or (type(value) is int and value in (0, 1))
        value = bool(value)
    elif code in "efd":
        fits = value is None or type(value) in (int, float)
        value = math.nan if value is None else value
    else:
        bits = 8 * SIZES[datatype]
        low, high = (-(1 << bits - 1), 1 << bits - 1) if code.islower() else (0, 1 << bits)
        fits = type(value) is int and low <= value < high
    if not fits:
        raise Refused(400, "the input '%s' has an element that is no %s" % (name, datatype))
    return float(value) if code and code in "efd" else value


def _unpacked(data: bytes, name: str, datatype: str) -> List[Any]:
    if datatype == "BYTES":
        return _texts(data, name)
    if len(data) % SIZES[datatype]:
        raise Refused(400, "the input '%s' has %d bytes, which are no whole number of %s" % (name, len(data), datatype))
    code = CODES[datatype]
    if code in "?e":
        return list(struct.unpack("<%d%s" % (len(data) // SIZES[datatype], code), data))
    values = array.array(code, data)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tolist()


def _texts(data: bytes, name: str) -> List[str]:
    texts, at = [], 0
    try:
        while at < len(data):
            (length,) = struct.unpack_from("<I", data, at)
            at += 4 + length
            if at > len(data):
                raise Refused(400, "the input '%s' ends within an element" % name)
            texts.append(data[at - length : at].decode("utf-8"))
    except struct.error:
        raise Refused(400, "the input '%s' ends within an element" % name) from None
    except UnicodeDecodeError as error:
        raise Refused(400, "the input '%s' has an element that is no UTF-8: %s" % (name, error)) from None
    return texts


def write(asked: Asked, model: str, version: str, outputs: Iterable[Output]) -> Tuple[bytes, Optional[int]]:
    """The answer: its body, and how long the JSON part is when binary tensors follow it.

    Raises ``Refused`` for an output that was asked for and is not there.
    """
    heads: List[Dict[str, Any]] = []
    tail: List[bytes] = []
    for output, binary in _chosen(asked, list(outputs)):
        head: Dict[str, Any] = {"name": output.name, "shape": output.shape, "datatype": output.datatype}
        parameters: Dict[str, Any] = {"content_type": "str"} if output.datatype == "BYTES" else {}
        if binary:
            tail.append(packed(output))
            parameters["binary_data_size"] = len(tail[-1])
        else:
            head["data"] = [_shown(value) for value in output.values]
        heads.append(dict(head, parameters=parameters) if parameters else head)
    answer: Dict[str, Any] = {"model_name": model, "model_version": version}
    if asked.id is not None:
        answer["id"] = asked.id
    if asked.parameters.get("content_type") == "pd":
        answer["parameters"] = {"content_type": "pd"}
    answer["outputs"] = heads
    text = json.dumps(answer, separators=(",", ":"), allow_nan=False).encode("utf-8")
    return (b"".join([text, *tail]), len(text)) if tail else (text, None)


def _chosen(asked: Asked, outputs: List[Output]) -> List[Tuple[Output, bool]]:
    binary = asked.parameters.get("binary_data_output") is True
    if asked.outputs is None:
        return [(output, binary) for output in outputs]
    by_name = {output.name: output for output in outputs}
    chosen = []
    for name, parameters in asked.outputs.items():
        if name not in by_name:
            raise Refused(400, "the model has no output '%s'; its outputs are %s" % (name[:80], ", ".join(by_name)))
        own = parameters.get("binary_data")
        chosen.append((by_name[name], own if isinstance(own, bool) else binary))
    return chosen


def _shown(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def packed(output: Output) -> bytes:
    """The values as little-endian bytes; a missing number is NaN, a missing text is empty."""
    if output.datatype == "BYTES":
        texts = [("" if value is None else value).encode("utf-8") for value in output.values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    values = [math.nan if value is None else value for value in output.values]
    return struct.pack("<%d%s" % (len(values), CODES[output.datatype]), *values)
