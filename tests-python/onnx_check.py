"""Judges a model file of ours with the reference tools.

    onnx_check.py MODEL.onnx ROWS.json OURS.json

`onnx.checker` must accept the file in full, onnxruntime must run it on the rows (a list of records, or
{"data": [records]}) and give the labels of `portcullis onnx score --json` (OURS: {"predictions": [...],
"probabilities": [[...]] or null}) and numbers no further from them than 1e-5. A member that is missing or null goes in
as NaN or empty text, as the signature has it. Prints the figures as JSON; ends with 1 and the difference otherwise.
"""

import json
import math
import sys

import numpy
import onnx
import onnxruntime

TOLERANCE = 1e-5
DTYPES = {"tensor(float)": numpy.float32, "tensor(double)": numpy.float64, "tensor(int64)": numpy.int64}


def number(value):
    """A cell as a float; missing is NaN."""
    return math.nan if value is None or value == "" else float(value)


def text(value):
    """A cell as text; missing is empty, numbers and booleans as JSON writes them."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def feeds(session, rows):
    """One [N, 1] array per input of the graph."""
    arrays = {}
    for slot in session.get_inputs():
        cells = [row.get(slot.name) for row in rows]
        if slot.type == "tensor(string)":
            arrays[slot.name] = numpy.array([[text(cell)] for cell in cells], dtype=object)
        else:
            arrays[slot.name] = numpy.array([[number(cell)] for cell in cells]).astype(DTYPES[slot.type])
    return arrays


def furthest(theirs, ours):
    """The largest difference, relative to the size of large numbers."""
    theirs, ours = numpy.asarray(theirs, dtype=numpy.float64), numpy.asarray(ours, dtype=numpy.float64)
    if theirs.size != ours.size:
        sys.exit(f"{theirs.shape} from onnxruntime, {ours.shape} from us")
    ours = ours.reshape(theirs.shape)
    return float(numpy.max(numpy.abs(theirs - ours) / numpy.maximum(1.0, numpy.abs(theirs))))


def compare(outputs, ours):
    """Largest difference in numbers; labels must be equal."""
    probabilities = ours["probabilities"]
    if probabilities is None:
        return furthest(outputs["variable"], ours["predictions"])
    theirs = [text(label) for label in outputs["label"].tolist()]
    labels = [text(label) for label in ours["predictions"]]
    differing = [row for row, pair in enumerate(zip(theirs, labels, strict=True)) if pair[0] != pair[1]]
    for row in differing:
        top = sorted(outputs["probabilities"][row])[-2:]
        if top[1] - top[0] > TOLERANCE:  # a tie may fall either way
            sys.exit(f"row {row}: onnxruntime says {theirs[row]}, we say {labels[row]}")
    return furthest(outputs["probabilities"], probabilities)


def main():
    model_file, rows_file, ours_file = sys.argv[1:]
    onnx.checker.check_model(model_file, full_check=True)
    with open(rows_file, encoding="utf-8") as file:
        rows = json.load(file)
    rows = rows["data"] if isinstance(rows, dict) else rows
    with open(ours_file, encoding="utf-8") as file:
        ours = json.load(file)
    session = onnxruntime.InferenceSession(model_file, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    difference = compare(dict(zip(names, session.run(names, feeds(session, rows)))), ours)
    if not difference <= TOLERANCE:
        sys.exit(f"largest difference {difference} over {TOLERANCE}")
    print(json.dumps({"rows": len(rows), "largest_difference": difference}))


if __name__ == "__main__":
    main()
