"""One call: from a frame to an answer, whatever the script does."""

from __future__ import annotations

import signal
import sys
import threading
from types import FrameType
from typing import Any, Dict, Optional, Protocol

from . import answers, inputs, logs, request, traces


class Model(Protocol):
    """What is served: a scoring script or an MLflow model."""

    def init(self) -> None:
        """Makes it ready, once."""

    def ready(self) -> Dict[str, Any]:
        """What the first frame says of it."""

    def score(self, request: request.Request) -> answers.Answer:
        """``/score``. Like those below it raises ``inputs.Refused`` for a request it cannot read."""

    def invocations(self, request: request.Request) -> answers.Answer:
        """``/invocations`` of MLflow and SageMaker."""

    def infer(self, request: request.Request) -> answers.Answer:
        """``/v2/infer``: tensors of Open Inference."""

    def predict(self, request: request.Request) -> answers.Answer:
        """``/v1/predict``: ``instances`` in, ``predictions`` out."""


def dispatched(model: Model, call: request.Request) -> answers.Answer:
    """The answer of the protocol that the path is of."""
    if call.path == "/invocations":
        return model.invocations(call)
    if call.path == "/v2/infer":
        return model.infer(call)
    if call.path == "/v1/predict":
        return model.predict(call)
    return model.score(call)


class Overtime(BaseException):
    """The call took too long. No ``Exception``, so that a script that catches those cannot swallow it."""


def allow_time_limits() -> None:
    """Lets ``answer`` stop a call in the main thread when its time is over."""

    def over(number: int, frame: Optional[FrameType]) -> None:
        raise Overtime

    signal.signal(signal.SIGALRM, over)


def answer(model: Model, call: request.Request) -> answers.Answer:
    """The answer to one call; the trace of what went wrong goes to the log under the request's id."""
    if call.method == "OPTIONS":
        return answers.Answer(200, b"", "text/html; charset=utf-8")
    with logs.of_request(call.id):
        try:
            return _limited(model, call)
        except inputs.Refused as refused:
            return answers.message(refused.status, refused.message)
        except Overtime:
            print("run() was stopped after %d ms" % call.timeout_ms, file=sys.stderr)
            return answers.message(500, "Scoring timeout after %d ms" % call.timeout_ms, failed=True)
        except (Exception, SystemExit) as error:
            print("Encountered Exception: " + traces.text(error), file=sys.stderr)
            return answers.message(500, answers.SCRIPT_FAILED, failed=True)


def _limited(model: Model, call: request.Request) -> answers.Answer:
    """In other threads than the main one the server's own clock decides: a signal does not reach them."""
    if call.timeout_ms <= 0 or threading.current_thread() is not threading.main_thread():
        return dispatched(model, call)
    signal.setitimer(signal.ITIMER_REAL, call.timeout_ms / 1000)
    try:
        return dispatched(model, call)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
