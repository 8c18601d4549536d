"""Samples that are numpy arrays."""

from __future__ import annotations

from typing import Any, Dict

import numpy as np

from .abstract_parameter_type import AbstractParameterType
from .dtypes import example_of, nested, schema_of_type

_UNITS = {
    "years": "Y",
    "months": "M",
    "weeks": "W",
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
    "nanoseconds": "ns",
    "picoseconds": "ps",
    "femtoseconds": "fs",
    "attoseconds": "as",
}


class NumpyParameterType(AbstractParameterType):
    """An array. What comes in gets the sample's type, and must have its shape but for the number of rows."""

    def __init__(self, sample_input: Any, enforce_column_type: bool = True, enforce_shape: bool = True):
        if not isinstance(sample_input, np.ndarray):
            raise Exception("Invalid sample input provided, must provide a sample Numpy array.")
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape

    def deserialize_input(self, input_data: Any) -> Any:
        """The array for a list. Raises ``ValueError`` for what is no list or has another shape."""
        if isinstance(input_data, np.ndarray):
            return input_data
        if not isinstance(input_data, list):
            raise ValueError("Invalid input format: expected an array of items.")
        if self.enforce_column_type:
            dtype = self.sample_input.dtype
            array = np.array([_element(item, dtype) for item in input_data], dtype=dtype)
        else:
            array = np.array(input_data)
        if self.enforce_shape:
            check_shape(array.shape, self.sample_input.shape, "array", "an array", "array")
        return array

    def input_to_swagger(self) -> Dict[str, Any]:
        """Nested arrays of the element's type."""
        sample = self.sample_input
        schema = nested(schema_of_type(sample.dtype), sample.shape)
        schema["example"] = [example_of(schema["items"], item) for item in sample]
        schema["format"] = "numpy.ndarray"
        return schema


def check_shape(shape: Any, expected: Any, what: str, one: str, short: str) -> None:
    """Raises ``ValueError`` when dimensions differ, or sizes beyond the first."""
    if len(shape) != len(expected):
        raise ValueError(
            "Invalid input %s: %s with %d dimensions is expected; input has %d [shape %s]"
            % (what, one, len(expected), len(shape), tuple(shape))
        )
    for place in range(1, len(expected)):
        if shape[place] != expected[place]:
            raise ValueError(
                "Invalid input %s: %s has size %d on dimension #%d, while expected value is %d"
                % (what, short, shape[place], place, expected[place])
            )


def _element(value: Any, dtype: Any) -> Any:
    if dtype.names:
        fields = enumerate(dtype.names)
        pick = value.__getitem__
        return tuple(_element(pick(n if isinstance(value, dict) else i), dtype[n]) for i, n in fields)
    if dtype.name.lower().startswith("datetime"):
        return np.datetime64(value)
    if dtype.name.lower().startswith("timedelta"):
        return _span(value)
    return value


def _span(text: str) -> Any:
    amount, _, unit = text.strip().partition(" ")
    wrong = "Invalid numpy.timestamp64 value specified: %s. " % text
    if not unit:
        raise ValueError(wrong + "Format should be <value> <time_unit_code>")
    if unit.strip().lower() not in _UNITS:
        raise ValueError(wrong + "Unrecognized time unit code")
    return np.timedelta64(int(amount), _UNITS[unit.strip().lower()])
