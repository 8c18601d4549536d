"""Frames between the server and a worker.

A frame is the length of a JSON head as four bytes, big endian; the head in UTF-8; the length of the body as four bytes,
big endian; the body. The worker listens, the server connects: one connection for every call that may run at the same
time. After a connection is made the worker speaks first, with one frame without a body:

    {"ready": true, "pid": 1, "inputs": ["data"] | null, "decorated": true, "wants_headers": false,
     "swagger": {"2": {...}, "3": {...}, "3.1": {...}} | null,
     "metadata": {"platform": "python_script", "inputs": [tensors], "outputs": [tensors]}}
    {"ready": false, "error": "why, with the trace"}

The socket appears under its name only once it accepts connections, and that is before ``init()`` ends: the first frame
comes when ``init()`` has ended. After a frame with ``"ready": false`` the worker ends with exit status 3.

Then, in turn, a request and its answer:

    {"id": "...", "method": "POST", "query": "a=1", "headers": {...}, "content_type": "...", "timeout_ms": 60000,
     "path": "/score", "model": "name", "version": "1", "json_bytes": n | absent} and the raw body
    {"id": "...", "status": 200, "headers": {...}, "content_type": "application/json", "failed": false,
     "exec_ms": 1.234 | null, "json_bytes": n | null, "rows": 0} and the raw body

The path is ``/score``, ``/invocations``, ``/v2/infer`` or ``/v1/predict``. A tensor of the metadata is an object of name,
datatype and shape; lists are empty where nothing is known.

Instead of a request ``{"ping": n}`` is answered by ``{"pong": n, "busy": calls running, "served": calls ended}``.
``exec_ms`` is the time inside ``run()`` and absent (null) when the call did not end well. A connection ends when the
server closes it. A worker with one thread answers a ping between calls, one with more at once.

Lines of standard output and error that belong to a request begin with ``\\x1e<request id>\\x1f`` (see ``logs``).
"""

from __future__ import annotations

import json
import socket
import struct
from typing import Any, Dict, Optional, Tuple

#: Most bytes of a head that are read.
MAX_HEAD = 4 * 1024 * 1024
#: Most bytes of a body that are read; the server has its own, smaller bound.
MAX_BODY = 1024 * 1024 * 1024

_LENGTH = struct.Struct(">I")


class FrameError(Exception):
    """What came over the socket is no frame: the connection is of no more use."""


def _exactly(source: socket.socket, count: int) -> Optional[bytearray]:
    """``count`` bytes, or ``None`` at an end of the stream before the first of them."""
    data = bytearray(count)
    view = memoryview(data)
    done = 0
    while done < count:
        got = source.recv_into(view[done:])
        if got == 0:
            if done == 0:
                return None
            raise FrameError("the stream ended after %d of %d bytes" % (done, count))
        done += got
    return data


def _part(source: socket.socket, limit: int, what: str) -> Optional[bytearray]:
    length = _exactly(source, _LENGTH.size)
    if length is None:
        return None
    (count,) = _LENGTH.unpack(length)
    if count > limit:
        raise FrameError("%s of %d bytes is over the limit of %d" % (what, count, limit))
    if count == 0:
        return bytearray()
    data = _exactly(source, count)
    if data is None:
        raise FrameError("the stream ended before %s" % what)
    return data


def read(source: socket.socket) -> Optional[Tuple[Dict[str, Any], bytes]]:
    """The next frame: head and body; ``None`` when the other side closed between frames.

    Raises ``FrameError`` for anything that is no frame and ``OSError`` from the socket.
    """
    raw = _part(source, MAX_HEAD, "a head")
    if raw is None:
        return None
    try:
        head = json.loads(raw.decode("utf-8"))
    except ValueError as error:
        raise FrameError("the head is not JSON: %s" % error) from None
    if not isinstance(head, dict):
        raise FrameError("the head is not a JSON object")
    body = _part(source, MAX_BODY, "a body")
    if body is None:
        raise FrameError("the stream ended before the length of the body")
    return head, bytes(body)


def write(target: socket.socket, head: Dict[str, Any], body: bytes = b"") -> None:
    """Sends one frame, whole."""
    text = json.dumps(head, separators=(",", ":")).encode("utf-8")
    start = b"".join((_LENGTH.pack(len(text)), text, _LENGTH.pack(len(body))))
    if len(body) <= 65536:
        target.sendall(start + body)
    else:
        target.sendall(start)
        target.sendall(body)
