"""Standard output and error of the script, line by line, each line with the request it belongs to.

A line of a request is written as ``\\x1e<request id>\\x1f<text>\\n``, a line outside any request as it is. So the log of
a deployment can be searched by request id, also for what a thread prints that ``run()`` started.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Iterator

#: Longest piece of a line that waits for its end.
MAX_LINE = 64 * 1024

_request: "contextvars.ContextVar[str]" = contextvars.ContextVar("portcullis_request", default="")
_lock = threading.Lock()


def current_request() -> str:
    """Id of the request that this thread or task works for; empty outside of any."""
    return _request.get() or getattr(threading.current_thread(), "portcullis_request", "")


@contextlib.contextmanager
def of_request(request_id: str) -> Iterator[None]:
    """Lines printed inside belong to this request; an unended line is ended with it."""
    token = _request.set("".join(c for c in request_id if c.isprintable()))
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, Tagged):
                stream.end_line()
        _request.reset(token)


class _Bytes(io.RawIOBase):
    """The ``buffer`` of a marked stream, for scripts that write bytes."""

    def __init__(self, text: "Tagged"):
        super().__init__()
        self._text = text

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        raw = bytes(data)
        self._text.write(raw.decode("utf-8", "backslashreplace"))
        return len(raw)


class Tagged(io.TextIOBase):
    """A text stream that writes whole lines to a file descriptor, with the request's mark before each."""

    def __init__(self, descriptor: int):
        super().__init__()
        self._descriptor = descriptor
        self._open = threading.local()
        self.buffer = _Bytes(self)

    encoding = "utf-8"
    errors = "backslashreplace"

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def flush(self) -> None:
        """Whole lines are out already; a line that is not ended waits for its end."""

    def write(self, text: str) -> int:
        kept = getattr(self._open, "text", "") + text
        *lines, rest = kept.split("\n")
        if len(rest) > MAX_LINE:
            lines, rest = [*lines, rest], ""
        self._open.text = rest
        if lines:
            self._emit(lines)
        return len(text)

    def end_line(self) -> None:
        """Writes what this thread printed without an end of line."""
        rest = getattr(self._open, "text", "")
        self._open.text = ""
        if rest:
            self._emit([rest])

    def _emit(self, lines: "list[str]") -> None:
        request = current_request()
        mark = "\x1e%s\x1f" % request if request else ""
        data = "".join("%s%s\n" % (mark, line) for line in lines).encode("utf-8", self.errors)
        with _lock, contextlib.suppress(OSError):
            while data:
                data = data[os.write(self._descriptor, data) :]


def install() -> None:
    """Puts marked streams in place of ``sys.stdout`` and ``sys.stderr``, and lets threads keep their request."""
    sys.stdout = Tagged(1)
    sys.stderr = Tagged(2)
    _follow_threads()


def _follow_threads() -> None:
    start = threading.Thread.start
    submit = ThreadPoolExecutor.submit

    def started(self: threading.Thread) -> None:
        self.portcullis_request = current_request()  # type: ignore[attr-defined]
        start(self)

    def submitted(self: ThreadPoolExecutor, function: Any, /, *args: Any, **kwargs: Any) -> Any:
        return submit(self, contextvars.copy_context().run, function, *args, **kwargs)

    threading.Thread.start = started  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submitted  # type: ignore[method-assign, assignment]
