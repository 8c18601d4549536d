"""The user's scoring script: loaded once, asked how it wants its input, called once a request."""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
import time
from types import ModuleType
from typing import Any, Callable, Dict, List, Optional

from . import answers, inputs, swagger
from .request import Request


class ScriptError(Exception):
    """The script cannot be served; the message says what it lacks."""


class Script:
    """A loaded script. ``inputs`` are the names of the arguments of a decorated ``run()``, else ``None``."""

    def __init__(self, module: ModuleType, app_root: str):
        self._init: Callable[[], Any] = _function(module, "init")
        self._run: Callable[..., Any] = _real_run(module)
        self._app_root = app_root
        self.wants_headers = False
        self.raw = False
        self.decorated = False
        self.inputs: Optional[List[str]] = None
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
        }

    def score(self, request: Request) -> answers.Answer:
        """One call. Raises ``inputs.Refused`` before ``run()`` and whatever ``run()`` raises."""
        arguments = self._parse(request)
        if self.wants_headers:
            arguments["request_headers"] = dict(request.headers)
        started = time.perf_counter()
        result = self._run(**arguments)
        return self._encoded(result, (time.perf_counter() - started) * 1000)

    @staticmethod
    def _encoded(result: Any, exec_ms: float) -> answers.Answer:
        try:
            return answers.from_result(result, exec_ms)
        except (TypeError, ValueError, RecursionError) as error:
            print("run() returned a value that has no JSON form: %s" % error, file=sys.stderr)
            return answers.message(500, answers.INTERNAL)

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
            return inputs.as_values(parameters)
        return inputs.as_text(parameters[0].name)


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
