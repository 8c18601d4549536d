"""A worker process as the server starts it, and calls over its socket."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import time

HERE = os.path.dirname(os.path.abspath(__file__))
REPOSITORY = os.path.dirname(os.path.dirname(HERE))
PACKAGE = os.path.join(REPOSITORY, "crates", "environments", "python")
sys.path.insert(0, PACKAGE)

from portcullis_worker import frames  # noqa: E402

#: Seconds that anything may take here.
DEADLINE = 60


def until(condition, what):
    """Waits for a condition, not for luck."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.01)
    raise AssertionError("no %s within %d s" % (what, DEADLINE))


class Worker(contextlib.ExitStack):
    """A worker for a script (its text, or its path), ended with the block."""

    def __init__(self, script=None, env=None, threads=1, files=None, app_root=None, entry="score.py", mlflow=None):
        super().__init__()
        self.folder = tempfile.mkdtemp()
        self.callback(shutil.rmtree, self.folder, True)
        self.path = os.path.join(self.folder, "s")
        root = app_root or self.folder
        for name, text in dict(files or {}, **({} if script is None else {entry: textwrap.dedent(script)})).items():
            with open(os.path.join(root, name), "w", encoding="utf-8") as file:
                file.write(text)
        what = ["--mlflow", mlflow] if mlflow else ["--entry", entry, "--app-root", root]
        self.output = open(os.path.join(self.folder, "out"), "wb+")
        self.callback(self.output.close)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "portcullis_worker", "--socket", self.path, "--threads", str(threads), *what],
            stdin=subprocess.PIPE,
            stdout=self.output,
            stderr=subprocess.STDOUT,
            cwd=root,
            env=dict(os.environ, PYTHONPATH=PACKAGE, **(env or {})),
            start_new_session=True,
        )
        self.callback(self._end)

    def _end(self):
        self.process.stdin.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def connect(self):
        """A connection and the first frame on it."""

        def attempt():
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(self.path)
            except OSError:
                connection.close()
                return None
            return connection

        connection = until(attempt, "socket")
        connection.settimeout(DEADLINE)
        self.callback(connection.close)
        head, body = frames.read(connection)
        assert body == b""
        return connection, head

    def ready(self):
        """The first frame of a new connection, which later calls use."""
        self.connection, head = self.connect()
        return head

    def call(self, body=b"", connection=None, **head):
        """One call: the answer's head and body."""
        connection = connection or self.connection
        head.setdefault("id", "r1")
        head.setdefault("method", "POST")
        frames.write(connection, head, body)
        return frames.read(connection)

    def json(self, body, **head):
        """A call with JSON: the answer's status and body as text."""
        answer, found = self.call(body, content_type="application/json", **head)
        return answer["status"], found.decode()

    def log(self):
        """What it printed so far."""
        with open(os.path.join(self.folder, "out"), encoding="utf-8") as file:
            return file.read()
