"""Tracebacks as the user's own code begins them: the frames of this package and of the import machinery say nothing."""

from __future__ import annotations

import os
import traceback
from typing import Optional

_OWN = os.path.dirname(os.path.abspath(__file__)) + os.sep


def text(error: BaseException) -> str:
    """The traceback of an error and of those it came from."""
    seen = set()
    link: Optional[BaseException] = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        frame = link.__traceback__
        while frame is not None and _foreign(frame.tb_frame.f_code.co_filename):
            frame = frame.tb_next
        link.__traceback__ = frame
        link = link.__cause__ or link.__context__
    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _foreign(file: str) -> bool:
    return file.startswith(_OWN) or file.startswith("<frozen ")
