"""What every system's script does alike: read a split, predict, time single rows, write one JSON object.

A script is started as ``python SYSTEM.py TRAIN.csv TEST.csv SPEC.json OUT.json`` with two cores; ``SPEC.json`` holds target, task, seconds,
seed and a work folder. ``OUT.json`` gets predictions for the test rows and what the fit took.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Sequence, Tuple

import numpy
import pandas

# Single rows that are timed, and the calls before them that are not.
TIMED, WARM = 200, 20


def read() -> Tuple[pandas.DataFrame, pandas.DataFrame, Dict[str, Any]]:
    """Training rows, test rows, specification. Texts stay texts: a class is never a number."""
    spec = json.loads(Path(sys.argv[3]).read_text())
    types = {spec["target"]: str} if spec["task"] == "classification" else None
    train, test = (pandas.read_csv(path, dtype=types) for path in sys.argv[1:3])
    return train, test, spec


def microseconds(predict: Callable[[Any], Any], rows: Sequence[Any]) -> float:
    """Median microseconds of one call with one row; real rows in turn."""
    times: List[float] = []
    for at in range(WARM + TIMED):
        row = rows[at % len(rows)]
        start = time.perf_counter()
        predict(row)
        times.append(time.perf_counter() - start)
    return float(numpy.median(times[WARM:]) * 1e6)


def size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size


def write(predictions: numpy.ndarray, classes: Sequence[Any], **facts: Any) -> None:
    """Writes the answer: probabilities in the order of ``classes``, or numbers."""
    answer = {"classes": [str(c) for c in classes], "predictions": numpy.asarray(predictions, dtype=float).tolist(), **facts}
    Path(sys.argv[4]).write_text(json.dumps(answer))
