"""No worker outlives its server.

Standard input is a pipe whose other end the server holds. When it closes, however the server ended, this process ends
with everything its script started.
"""

from __future__ import annotations

import os
import signal
import stat
import threading


def watch() -> bool:
    """Watches standard input if it is a pipe or a socket, and gives the script an empty one in its place.

    Says whether there is a lifeline; a terminal, a file or ``/dev/null`` is none.
    """
    try:
        mode = os.fstat(0).st_mode
    except OSError:
        return False
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)):
        return False
    line = os.dup(0)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    threading.Thread(target=_wait, args=(line,), name="lifeline", daemon=True).start()
    return True


def _wait(line: int) -> None:
    try:
        while os.read(line, 4096):
            pass
    except OSError:
        pass
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(4)
