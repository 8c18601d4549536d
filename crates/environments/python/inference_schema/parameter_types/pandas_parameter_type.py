"""Samples that are pandas data frames."""

from __future__ import annotations

import json
from io import StringIO
from typing import Any, Dict, Iterator
from warnings import warn

import pandas as pd

from .abstract_parameter_type import AbstractParameterType
from .numpy_parameter_type import check_shape
from .schemas import schema_of

_ORIENTS = ("split", "records", "index", "columns", "values", "table")


class PandasParameterType(AbstractParameterType):
    """A data frame, written in JSON in one of pandas' orients. Columns get the sample's types; their number must agree."""

    def __init__(
        self,
        sample_input: Any,
        enforce_column_type: bool = True,
        enforce_shape: bool = True,
        apply_column_names: bool = False,
        orient: str = "records",
    ):
        if not isinstance(sample_input, pd.DataFrame):
            raise Exception("Invalid sample input provided, must provide a sample Pandas Dataframe.")
        if orient not in _ORIENTS:
            raise Exception("Invalid orient provided, must be one of %s" % (_ORIENTS,))
        if apply_column_names:
            text = "apply_column_names is a deprecated parameter and will be removed in a future update"
            warn(text, DeprecationWarning, stacklevel=2)
        super().__init__(sample_input)
        self.enforce_column_type = enforce_column_type
        self.enforce_shape = enforce_shape
        self.apply_column_names = apply_column_names
        self.orient = orient

    def deserialize_input(self, input_data: Any) -> Any:
        """The data frame for a list or an object. Raises ``ValueError`` for another number of columns."""
        if isinstance(input_data, pd.DataFrame):
            return input_data
        if not isinstance(input_data, (list, dict)):
            raise Exception("Error, unable to convert input of type %s into Pandas Dataframe" % type(input_data))
        frame: Any = pd.read_json(StringIO(json.dumps(input_data)), orient=self.orient, dtype=False)
        if self.apply_column_names:
            frame.columns = self.sample_input.columns.copy()
        if self.enforce_column_type:
            frame = self._typed(frame)
        if self.enforce_shape:
            check_shape(frame.shape, self.sample_input.shape, "data frame", "a data frame", "data frame")
        return frame

    def _typed(self, frame: Any) -> Any:
        known = self.sample_input.dtypes.to_dict()
        types = {name: known.get(name, object) for name in frame.columns}
        for name, kind in types.items():
            if str(kind).startswith("timedelta"):
                frame[name] = pd.to_timedelta(frame[name])
        try:
            return frame.astype(dtype=types)
        except TypeError as error:
            if "timezone-naive dtype to timezone-aware" not in str(error):
                raise
            raise Exception(
                "As of pandas 2.0, can no longer convert from timezone-naive dtype to timezone-aware dtype. Please make "
                "sure that the provided input data matches the expected timezone handling of the provided deployment sample."
            ) from error

    def input_to_swagger(self) -> Dict[str, Any]:
        """The schema of the sample as it is written in JSON, dates marked as such."""
        sample = self.sample_input
        schema = schema_of(json.loads(sample.to_json(orient=self.orient, date_format="iso")))
        for name in sample.columns:
            kind = str(sample.dtypes[name])
            form = "date-time" if kind.startswith("datetime") else "timedelta" if kind.startswith("timedelta") else None
            if form:
                for cell in self._cells(schema, str(name)):
                    cell["format"] = form
        schema["format"] = "pandas.DataFrame:%s" % self.orient
        return schema

    def _cells(self, schema: Dict[str, Any], name: str) -> Iterator[Dict[str, Any]]:
        """The places of the schema that describe a column."""
        if self.orient == "records":
            yield schema["items"]["properties"][name]
        elif self.orient == "index":
            yield from (row["properties"][name] for row in schema["properties"].values())
        elif self.orient == "columns":
            yield from schema["properties"][name]["properties"].values()
        elif self.orient == "table":
            yield schema["properties"]["data"]["items"]["properties"][name]
