"""The user's scoring script: loaded once, asked how it wants its input, called once a request."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import time
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional, Tuple

from . import answers, forms, inference, inputs, swagger
from .request import Request


class ScriptError(Exception):
    """The script cannot be served; the message says what it lacks."""


class Failure(Exception):
    """The script answered ``{"error": text}`` where the protocol has another form for that."""


class Script:
    """A loaded script. ``inputs`` are the names of the arguments of a decorated ``run()``, else ``None``.

    What ``run()`` gets on each path, and what becomes of its result:

    * ``/score``: the body (see ``inputs``); the result is encoded as JSON once more.
    * ``/invocations``: rows in one of MLflow's forms, as ``forms`` says; the result as ``{"predictions": result}``. A body
      that has none of the forms comes as it would on ``/score``, and so does its answer: such a script decides itself.
      CSV has a form for decorated scripts only; others get its text.
    * ``/v1/predict``: the rows in ``instances``; the result as ``{"predictions": result}``.
    * ``/v2/infer``: the tensors as rows or arguments, as ``forms`` says; the result as tensors, as ``outputs`` says.
    * ``run(request)`` with ``@rawhttp`` gets the request on every path, and its answer is not touched; nor is a whole
      response that any other ``run()`` gives.

    A result that is JSON in a text is opened once on the last three; one that is an object of nothing but ``predictions``,
    ``result`` or ``Results`` is that member for MLflow's forms; one of nothing but the text ``error`` is an error there.
    """

    def __init__(self, module: ModuleType, app_root: str):
        self._init: Callable[[], Any] = _function(module, "init")
        self._run: Callable[..., Any] = _real_run(module)
        self._app_root = app_root
        self.wants_headers = False
        self.raw = False
        self.decorated = False
        self.inputs: Optional[List[str]] = None
        self._arguments: Optional[forms.Arguments] = None
        self._text = ""
        self._parse = self._choose_parser()

    def init(self) -> None:
        """The user's ``init()``; whatever it raises goes on."""
        self._init()

    def ready(self) -> Dict[str, Any]:
        """What the first frame says of this script."""
        return {
            "inputs": self.inputs,
            "decorated": self.decorated,
            "wants_headers": self.wants_headers or self.raw,
            "swagger": swagger.documents(self._run, self._app_root),
            "metadata": self.metadata(),
        }

    def metadata(self) -> Dict[str, Any]:
        """What the samples say of inputs and outputs."""
        found: Dict[str, Any] = {"platform": "python_script", "inputs": [], "outputs": []}
        if self._arguments is not None:
            found["inputs"] = self._arguments.tensors()
            found["outputs"] = forms.results(swagger.result(self._run))
        return found

    def score(self, request: Request) -> answers.Answer:
        """One call. Raises ``inputs.Refused`` before ``run()`` and whatever ``run()`` raises."""
        return self._encoded(*self._result(self._parse(request), request))

    def invocations(self, request: Request) -> answers.Answer:
        """Rows in MLflow's forms; whatever else comes is the script's own matter."""
        table = None if self.raw or request.method != "POST" else self._table(request)
        return self.score(request) if table is None else self._predictions(table, request)

    def predict(self, request: Request) -> answers.Answer:
        """Rows in ``instances``."""
        if self.raw:
            return self.score(request)
        table = forms.of_json(request.body, ("instances",))
        if table is None:
            raise inputs.Refused(400, "the body is no JSON object with the list 'instances'")
        return self._predictions(table, request)

    def infer(self, request: Request) -> answers.Answer:
        """Tensors."""
        if self.raw:
            return self.score(request)
        asked = inference.read(request)
        table = forms.of_tensors(asked)
        result, exec_ms = self._result(self._filled(table), request)
        if answers.is_response(result):
            return answers.from_result(result, exec_ms)
        try:
            return inference.answer((request, asked), _opened(result), exec_ms, len(table.rows))
        except Failure as failure:
            return answers.message(500, str(failure))

    def _table(self, request: Request) -> Optional[forms.Table]:
        media = (request.content_type or "").partition(";")[0].strip().lower()
        if self.decorated and media == "text/csv":
            return forms.of_csv(request.body)
        return forms.of_json(request.body)

    def _filled(self, table: forms.Table) -> Dict[str, Any]:
        if self._arguments is None:
            return {self._text: forms.as_text(table)}
        return self._arguments.fill(table)

    def _predictions(self, table: forms.Table, request: Request) -> answers.Answer:
        result, exec_ms = self._result(self._filled(table), request)
        if answers.is_response(result):
            return answers.from_result(result, exec_ms)
        try:
            return answers.predictions(_only(_opened(result)), exec_ms, len(table.rows))
        except Failure as failure:
            return answers.message(500, str(failure))
        except (TypeError, ValueError, RecursionError) as error:
            return _no_json(error)

    def _result(self, arguments: Dict[str, Any], request: Request) -> Tuple[Any, float]:
        """What ``run()`` gives, and the milliseconds it took."""
        if self.wants_headers:
            arguments["request_headers"] = dict(request.headers)
        started = time.perf_counter()
        result = self._run(**arguments)
        return result, (time.perf_counter() - started) * 1000

    @staticmethod
    def _encoded(result: Any, exec_ms: float) -> answers.Answer:
        try:
            return answers.from_result(result, exec_ms)
        except (TypeError, ValueError, RecursionError) as error:
            return _no_json(error)

    def _choose_parser(self) -> inputs.Parser:
        parameters = list(inspect.signature(self._run).parameters.values())
        if any(p.kind not in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters):
            raise ScriptError("run() cannot accept positional-only arguments, *args, or **kwargs.")
        self.wants_headers = any(p.name == "request_headers" for p in parameters)
        parameters = [p for p in parameters if p.name != "request_headers"]
        if not parameters and self.wants_headers:
            raise ScriptError('run() needs to accept an argument other than "request_headers".')
        if not parameters:
            raise ScriptError("run() needs to accept an argument for input data.")
        self.decorated = _decorated(self._run)
        if _wants_request(self._run):
            if self.decorated:
                raise ScriptError("run() cannot be decorated with both @rawhttp and @input_schema")
            self.raw = True
            return inputs.as_request(parameters[0].name)
        if self.decorated:
            self.inputs = [p.name for p in parameters]
            optional = [p.name for p in parameters if p.default is not p.empty]
            self._arguments = forms.Arguments(self.inputs, optional, swagger.given(self._run))
            return inputs.as_values(parameters)
        self._text = parameters[0].name
        return inputs.as_text(self._text)


def _opened(result: Any) -> Any:
    """A result that is JSON in a text, opened once; raises ``Failure`` for one that is an error."""
    if isinstance(result, str):
        try:
            result = json.loads(result)
        except (ValueError, RecursionError):
            return result
    if isinstance(result, dict) and set(result) == {"error"} and isinstance(result["error"], str):
        raise Failure(result["error"])
    return result


def _only(result: Any) -> Any:
    """The predictions of a result that is an object of nothing else."""
    if isinstance(result, dict) and len(result) == 1:
        (name,) = result
        return result[name] if name in ("predictions", "result", "Results") else result
    return result


def _no_json(error: Exception) -> answers.Answer:
    print("run() returned a value that has no JSON form: %s" % error, file=sys.stderr)
    return answers.message(500, answers.INTERNAL)


def load(entry: str, app_root: str) -> Script:
    """Imports the script ``entry``, a path in ``app_root``, under the module name the Azure server gives it.

    Raises ``ScriptError`` for a script that cannot be served, and whatever its import raises.
    """
    path = os.path.join(app_root, entry)
    if not os.path.isfile(path):
        raise ScriptError("scoring script %s is not in the code folder; it holds: %s" % (entry, _listing(app_root)))
    for folder in (os.path.dirname(os.path.abspath(path)), os.path.abspath(app_root)):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location("entry_module", path)
    if spec is None or spec.loader is None:
        raise ScriptError("scoring script %s is no Python file: its name must end in .py" % entry)
    module = importlib.util.module_from_spec(spec)
    sys.modules["entry_module"] = module
    spec.loader.exec_module(module)
    return Script(module, app_root)


def _listing(folder: str) -> str:
    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        return "nothing (%s)" % error.strerror
    return ", ".join(names[:20]) + (", …" if len(names) > 20 else "") or "nothing"


def _function(module: ModuleType, name: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise ScriptError("User script at %s does not have a %s() function defined." % (module.__file__, name))
    return found


def _real_run(module: ModuleType) -> Callable[..., Any]:
    """``run()`` of the script, or of the script behind a generated driver."""
    driven = getattr(module, "driver_module", None)
    if isinstance(driven, ModuleType) and hasattr(driven, "run"):
        _function(module, "run")
        return _function(driven, "run")
    return _function(module, "run")


def _decorated(run: Callable[..., Any]) -> bool:
    util = sys.modules.get("inference_schema.schema_util")
    return util is not None and bool(util.is_schema_decorated(run))


def _wants_request(run: Callable[..., Any]) -> bool:
    return bool(getattr(run, "__portcullis_rawhttp__", False))
