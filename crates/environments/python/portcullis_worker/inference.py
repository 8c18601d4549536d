"""One inference call of the Open Inference Protocol: from the request to tensors, and from a result to the answer."""

from __future__ import annotations

import sys
from typing import Any, Tuple

from . import answers, outputs, tensors
from .inputs import Refused
from .request import Request


def read(request: Request) -> tensors.Asked:
    """The tensors of a request. Raises ``Refused``."""
    if request.method != "POST":
        raise Refused(405, "Method not allowed")
    return tensors.read(request.body, request.json_bytes)


def answer(
    call: Tuple[Request, tensors.Asked], result: Any, exec_ms: float, rows: int, unnamed: str = outputs.UNNAMED
) -> answers.Answer:
    """The answer for a result. One that is no tensor is a fault of the model: 500, which names the output.

    Raises ``Refused`` for an output that is asked for and not there.
    """
    request, asked = call
    try:
        body, json_bytes = tensors.write(asked, request.model, request.version, outputs.of(result, unnamed))
    except outputs.Unfit as unfit:
        print("the result cannot be answered as tensors: %s" % unfit, file=sys.stderr)
        return answers.message(500, str(unfit), failed=True)
    kind = "application/json" if json_bytes is None else "application/octet-stream"
    return answers.Answer(200, body, kind, exec_ms=exec_ms, json_bytes=json_bytes, rows=rows)
