"""Samples of standard Python types."""

from __future__ import annotations

import base64
import datetime
import json
from typing import Any, Dict

from .abstract_parameter_type import AbstractParameterType
from .schemas import schema_of


class StandardPythonParameterType(AbstractParameterType):
    """A value of a standard type; lists and objects may hold other samples."""

    def __init__(self, sample_input: Any):
        super().__init__(sample_input)
        inner = AbstractParameterType
        is_dict, is_list = isinstance(sample_input, dict), isinstance(sample_input, (list, tuple))
        self.sample_data_type_map = (
            {name: item for name, item in sample_input.items() if isinstance(item, inner)} if is_dict else {}
        )
        self.sample_data_type_list = [item for item in sample_input if isinstance(item, inner)] if is_list else []

    def deserialize_input(self, input_data: Any) -> Any:
        """Dates, times and bytes from their text; any other value must have the sample's type (an int may be a float)."""
        kind = self.sample_data_type
        value = input_data
        if isinstance(value, str):
            if kind is datetime.date:
                value = datetime.date.fromisoformat(value)
            elif kind is datetime.datetime:
                value = _moment(value)
            elif kind is datetime.time:
                value = _moment("1970-01-01 " + value).timetz()
            elif kind in (bytes, bytearray):
                value = kind(base64.b64decode(value.encode("utf-8")))
        if not isinstance(value, kind) and not (kind is float and type(value) is int):
            raise ValueError("Invalid input data type to parse. Expected: %s but got %s" % (kind, type(value)))
        return value

    def input_to_swagger(self) -> Dict[str, Any]:
        """The schema of the sample. Raises ``ValueError`` for ``None``, ``TypeError`` for what JSON cannot hold."""
        if self.sample_input is None:
            raise ValueError("Sample input cannot be None")
        schema = schema_of(self.sample_input)
        try:
            json.dumps(schema)
        except TypeError as error:
            raise TypeError(
                "Invalid python data sample provided: ensure that the data is fully JSON serializable to be able to "
                "generate swagger schema from it. Actual error: %s" % error
            ) from None
        return schema


_FORMS = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")


def _moment(text: str) -> datetime.datetime:
    """A date and time in ISO 8601 or in the form of the examples. Raises ``ValueError`` for other texts."""
    clean = text.strip().replace("T", " ", 1)
    clean = clean[:-1] + "+0000" if clean.endswith(("Z", "z")) else clean
    for form in _FORMS:
        for zone in ("", "%z", " %z"):
            try:
                return datetime.datetime.strptime(clean, form + zone)
            except ValueError:
                continue
    raise ValueError("Invalid date or time: %r; write it as 2024-01-31T12:30:00+00:00" % text)
