"""Our own search, through the command; its ONNX file is scored by ONNX Runtime, so that the same probabilities are compared that any
other program would get. Single rows are timed there too, which is the slower of the two ways to score it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Dict, List

import common
import numpy
import onnxruntime
import pandas

_FLOATS = ("tensor(float)", "tensor(double)")


def feed(session: onnxruntime.InferenceSession, frame: pandas.DataFrame) -> Dict[str, numpy.ndarray]:
    """One column a graph input."""
    fed: Dict[str, numpy.ndarray] = {}
    for slot in session.get_inputs():
        column = frame[slot.name]
        if slot.type in _FLOATS:
            values = pandas.to_numeric(column).to_numpy(dtype=numpy.float32)
        elif slot.type == "tensor(int64)":
            values = column.to_numpy(dtype=numpy.int64)
        elif slot.type == "tensor(bool)":
            values = column.to_numpy(dtype=bool)
        else:
            values = column.astype(object).where(column.notna(), "").map(str).to_numpy(dtype=object)
        fed[slot.name] = values.reshape(-1, 1)
    return fed


def main() -> None:
    train, test, spec = common.read()
    work, seconds = Path(spec["work"]), spec["seconds"]
    command: List[str] = [os.environ["PORTCULLIS"], "automl", "run", "--json", "--data", sys.argv[1], "--target", spec["target"]]
    command += ["--time-limit", f"{seconds}s", "--seed", str(spec["seed"]), "--metric", spec["metric"]]
    command += ["--out", str(work / "out"), "--data-dir", str(work / "data")]
    command += ["--task", "regression"] if spec["task"] == "regression" else []
    start = time.perf_counter()
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    took = time.perf_counter() - start
    if ran.returncode:
        raise SystemExit(ran.stderr[-2000:])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    file = work / "out/model.onnx"
    session = onnxruntime.InferenceSession(str(file), options)
    answers = dict(zip([output.name for output in session.get_outputs()], session.run(None, feed(session, test))))
    rows = [feed(session, test.iloc[[at]]) for at in range(min(len(test), common.TIMED))]
    timed = common.microseconds(lambda row: session.run(None, row), rows)
    if spec["task"] == "regression":
        predictions, classes = next(iter(answers.values())).ravel(), []
    else:
        predictions = next(v for v in answers.values() if getattr(v, "ndim", 0) == 2 and v.dtype.kind == "f")
        metadata: Dict[str, Any] = session.get_modelmeta().custom_metadata_map
        classes = json.loads(metadata["portcullis.signature"])["output"]["classes"] if "portcullis.signature" in metadata else None
        classes = classes or sorted(train[spec["target"]].unique())
    common.write(predictions, classes, seconds=took, bytes=common.size(file), microseconds=timed)


if __name__ == "__main__":
    main()
