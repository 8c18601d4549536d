"""Listens, says that it is ready, and serves calls until it is told to end."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import threading
import time
from typing import Any, Dict, Set

from . import calls, frames, request

#: Connections that may wait before ``init()`` has ended.
BACKLOG = 128
#: Seconds that a worker which could not start waits for someone to tell it to.
TELL_FAILURE = 5.0


def listen(path: str) -> socket.socket:
    """A listening Unix socket at ``path``; the name appears when connections are accepted, not before."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    early = "%s.%d" % (path, os.getpid())
    with contextlib.suppress(FileNotFoundError):
        os.unlink(early)
    listener.bind(early)
    os.chmod(early, 0o600)
    listener.listen(BACKLOG)
    os.rename(early, path)
    return listener


def tell_failure(listener: socket.socket, error: str) -> None:
    """Tells everyone who has connected, or does so within some seconds, that the worker is not ready."""
    deadline = time.monotonic() + TELL_FAILURE
    while True:
        listener.settimeout(max(deadline - time.monotonic(), 0.001))
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with contextlib.closing(connection), contextlib.suppress(OSError):
            connection.setblocking(True)
            frames.write(connection, {"ready": False, "error": error})
        deadline = min(deadline, time.monotonic() + 0.05)


class Server:
    """Serves one model. With one thread, calls run in the main thread, where their time can be limited."""

    def __init__(self, model: calls.Model, listener: socket.socket, threads: int):
        self._model = model
        self._listener = listener
        self._threads = threads
        self._room = threading.BoundedSemaphore(threads)
        self._count = threading.Lock()
        self._busy = 0
        self._served = 0
        self._ready: Dict[str, Any] = {"ready": True, "pid": os.getpid(), **model.ready()}
        self._open: Set[socket.socket] = set()

    def run(self) -> None:
        """Serves until SIGTERM; a call that runs then is still answered."""
        told, tell = socket.socketpair()
        tell.setblocking(False)
        signal.set_wakeup_fd(tell.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        calls.allow_time_limits()
        with selectors.DefaultSelector() as selector, told, tell:
            selector.register(told, selectors.EVENT_READ)
            selector.register(self._listener, selectors.EVENT_READ)
            while not self._round(selector, told):
                pass
            signal.set_wakeup_fd(-1)
        self._listener.close()
        while self._busy:
            time.sleep(0.01)

    def _round(self, selector: selectors.BaseSelector, told: socket.socket) -> bool:
        """Whatever waits now; true when it is time to end."""
        for key, _ in selector.select():
            if key.fileobj is told:
                if signal.SIGTERM in told.recv(4096):
                    return True
            elif key.fileobj is self._listener:
                self._accept(selector)
            elif isinstance(key.fileobj, socket.socket) and not self._one(key.fileobj):
                selector.unregister(key.fileobj)
                key.fileobj.close()
        return False

    def _accept(self, selector: selectors.BaseSelector) -> None:
        connection, _ = self._listener.accept()
        try:
            frames.write(connection, self._ready)
        except OSError:
            connection.close()
            return
        if self._threads == 1:
            selector.register(connection, selectors.EVENT_READ)
        else:
            threading.Thread(target=self._all, args=(connection,), daemon=True).start()

    def _all(self, connection: socket.socket) -> None:
        with connection:
            while self._one(connection):
                pass

    def _one(self, connection: socket.socket) -> bool:
        """One frame and its answer; false when the connection is over."""
        try:
            frame = frames.read(connection)
            if frame is None:
                return False
            head, body = frame
            if "ping" in head:
                frames.write(connection, {"pong": head["ping"], "busy": self._busy, "served": self._served})
                return True
            call = request.from_frame(head, body)
            self._call(connection, call)
            return True
        except (OSError, frames.FrameError):
            return False

    def _call(self, connection: socket.socket, call: request.Request) -> None:
        with self._room:
            with self._count:
                self._busy += 1
            try:
                answer = calls.answer(self._model, call)
                frames.write(connection, answer.head(call.id), answer.body)
            finally:
                with self._count:
                    self._busy -= 1
                    self._served += 1
