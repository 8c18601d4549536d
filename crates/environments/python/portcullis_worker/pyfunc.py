"""An MLflow model through its ``python_function`` flavour, with the request forms of MLflow's own server.

Source: the MLflow documentation, "Deploy MLflow Model as a Local Inference Server". Beside ``dataframe_split``,
``dataframe_records``, ``instances`` and ``inputs``, the members ``input_data`` and ``data`` of Azure's endpoints are read.
"""

from __future__ import annotations

import io
import json
import time
from typing import Any, Dict, Optional, Sequence, Tuple

from . import answers, forms, inference, inputs, outputs, schemas, signatures, swagger
from .request import Request

_FORMS = (*forms.FORMS, "input_data", "data")


class ModelError(Exception):
    """The model cannot be loaded here."""


class Pyfunc:
    """One loaded model."""

    def __init__(self, folder: str):
        self._folder = folder
        self._model: Any = None

    def init(self) -> None:
        """Loads the model with the packages of its environment."""
        try:
            from mlflow import pyfunc
        except ImportError as error:
            raise ModelError(
                "this model needs the package mlflow in its environment (%s): deploy it with an environment that has it" % error
            ) from None
        self._model = pyfunc.load_model(self._folder)

    def ready(self) -> Dict[str, Any]:
        """Nothing of a script: the model's own signature describes it."""
        described = {
            "platform": "mlflow_pyfunc",
            "inputs": schemas.tensors(self._schema(), "input"),
            "outputs": schemas.tensors(self._model.metadata.get_output_schema(), outputs.UNNAMED, (-1,)),
        }
        documents = swagger.of_model(*signatures.bodies(self._folder, self._model.metadata))
        return {"inputs": None, "decorated": False, "wants_headers": False, "swagger": documents, "metadata": described}

    def score(self, request: Request) -> answers.Answer:
        """One call of ``predict``; the answer's shape follows the request's: ``input_data`` gives bare predictions."""
        if request.method != "POST":
            raise inputs.Refused(405, "Method not allowed")
        try:
            form, table, params = self._read(request)
            result, elapsed = self._predict(table, params)
        except _bad_input() as error:
            return _refused(str(error))
        value = answers.jsonable(result)
        body = value if form == "input_data" else {"predictions": value}
        rows = len(table) if hasattr(table, "__len__") else 0
        return answers.Answer(200, json.dumps(body, default=answers.plain).encode("utf-8"), exec_ms=elapsed, rows=rows)

    def invocations(self, request: Request) -> answers.Answer:
        """As on ``/score``, but for an unknown content type, which MLflow's server tells in plain text."""
        try:
            return self.score(request)
        except inputs.Refused as refused:
            if refused.status != 415:
                raise
            return answers.Answer(415, refused.message.encode("utf-8"), "text/plain; charset=utf-8")

    def predict(self, request: Request) -> answers.Answer:
        """Rows in ``instances``."""
        try:
            _, table, params = self._read_json(request.body, ("instances",))
            result, elapsed = self._predict(table, params)
        except _bad_input() as error:
            raise inputs.Refused(400, str(error)) from None
        return answers.predictions(result, elapsed, len(table) if hasattr(table, "__len__") else 0)

    def infer(self, request: Request) -> answers.Answer:
        """Tensors, by the model's signature where it has one: see ``schemas.table``."""
        asked = inference.read(request)
        try:
            table, rows = schemas.table(asked, self._schema())
            result, elapsed = self._predict(table, schemas.params(asked, self._model.metadata.get_params_schema()))
        except _bad_input() as error:
            raise inputs.Refused(400, str(error)) from None
        unnamed = schemas.only_name(self._model.metadata.get_output_schema()) or outputs.UNNAMED
        return inference.answer((request, asked), result, elapsed, rows, unnamed)

    def _predict(self, table: Any, params: Optional[Dict[str, Any]]) -> Tuple[Any, float]:
        """What the model gives, and the milliseconds it took."""
        started = time.perf_counter()
        result = self._model.predict(table, params=params) if params else self._model.predict(table)
        return result, (time.perf_counter() - started) * 1000

    def _read(self, request: Request) -> Tuple[str, Any, Optional[Dict[str, Any]]]:
        media, _, rest = (request.content_type or "").partition(";")
        media = media.strip().lower()
        if rest.strip() and rest.strip().lower().replace(" ", "") != "charset=utf-8":
            raise inputs.Refused(415, "Unrecognized content type parameters: '%s'." % rest.strip())
        if media == "text/csv":
            return "csv", _csv(request.body, self._schema()), None
        if media == "application/vnd.apache.parquet":
            return "parquet", _parquet(request.body), None
        if media != "application/json":
            raise inputs.Refused(
                415,
                "This predictor only supports the following content types: text/csv, application/json, "
                "application/vnd.apache.parquet. Got '%s'." % (request.content_type or ""),
            )
        return self._read_json(request.body)

    def _read_json(
        self, body: bytes, known: Sequence[str] = _FORMS
    ) -> Tuple[str, Any, Optional[Dict[str, Any]]]:
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise BadRequest("Failed to parse input from JSON: %s" % error) from None
        if not isinstance(value, dict):
            raise BadRequest("The input must be a JSON dictionary with exactly one of the input fields %s" % (known,))
        # Other members mean nothing to MLflow's server, even when they are forms of another.
        own = [form for form in forms.FORMS if form in value and form in known]
        given = own or [form for form in known if form in value]
        if len(given) != 1:
            raise BadRequest(
                "The input must be a JSON dictionary with exactly one of the input fields %s. Received: %s"
                % (known, given or sorted(value))
            )
        params = value.get("params")
        if params is not None and not isinstance(params, dict):
            raise BadRequest("'params' must be a JSON dictionary")
        return given[0], self._table(given[0], value), params

    def _table(self, form: str, value: Dict[str, Any]) -> Any:
        from mlflow.utils import proto_json_utils as wire

        data = value[form]
        if form in ("input_data", "data"):
            form = "dataframe_split" if isinstance(data, dict) and {"columns", "data"} <= set(data) else "instances"
        if form.startswith("dataframe_"):
            return wire.dataframe_from_parsed_json(data, pandas_orient=form.partition("_")[2], schema=self._schema())
        rows_of_names = isinstance(data, list) and data and isinstance(data[0], dict)
        if rows_of_names and form == "instances":
            return wire.dataframe_from_parsed_json(data, pandas_orient="records", schema=self._schema())
        return wire.parse_tf_serving_input({form: data}, schema=self._schema())

    def _schema(self) -> Any:
        return self._model.metadata.get_input_schema()


class BadRequest(ValueError):
    """The body has none of the forms."""


def _bad_input() -> Tuple[type, ...]:
    from mlflow.exceptions import MlflowException

    return (BadRequest, MlflowException)


def _refused(text: str) -> answers.Answer:
    body = {"error_code": "BAD_REQUEST", "message": text}
    return answers.Answer(400, json.dumps(body).encode("utf-8"))


def _csv(body: bytes, schema: Any) -> Any:
    import pandas

    types: Dict[str, Any] = {}
    if schema is not None and schema.has_input_names() and not schema.is_tensor_spec():
        named = zip(schema.input_names(), schema.pandas_types())
        types = {name: kind for name, kind in named if getattr(kind, "kind", "O") != "M"}
    try:
        return pandas.read_csv(io.BytesIO(body), dtype=types)
    except ValueError as error:
        raise BadRequest("Failed to parse input as CSV: %s" % error) from None


def _parquet(body: bytes) -> Any:
    import pandas

    try:
        return pandas.read_parquet(io.BytesIO(body))
    except (ValueError, ImportError, OSError) as error:
        raise BadRequest("Failed to parse input as Parquet: %s" % error) from None
