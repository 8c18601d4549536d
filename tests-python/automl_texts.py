"""Scores a model file with onnxruntime and compares with the answers next to it.

    automl_texts.py FOLDER

FOLDER holds `model.onnx` and `answers.json`: columns by name, and the probabilities of each row.
"""

import json
import pathlib
import sys

import numpy as np
import onnxruntime

TOLERANCE = 1e-6


def main():
    folder = pathlib.Path(sys.argv[1])
    answers = json.loads((folder / "answers.json").read_text(encoding="utf-8"))
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    inputs = {}
    for info in session.get_inputs():
        values = answers["inputs"][info.name]
        kind = object if info.type == "tensor(string)" else np.float32
        inputs[info.name] = np.array(values, dtype=kind).reshape(-1, 1)
    expected = np.array(answers["probabilities"], dtype=np.float32)
    whole = session.run(["probabilities"], inputs)[0]
    # Alone, a row has no longer ones beside it.
    rows = range(0, len(expected), 7)
    alone = [session.run(["probabilities"], {n: x[i : i + 1] for n, x in inputs.items()})[0][0] for i in rows]
    for what, got, want in [("all rows", whole, expected), ("single rows", np.array(alone), expected[list(rows)])]:
        worst = np.abs(got - want).max(axis=1)
        at = int(worst.argmax())
        print(f"{what}: {len(want)}, largest difference {worst[at]:.3g}")
        if worst[at] > TOLERANCE:
            sys.exit(f"row {at} of {what}: {got[at]}, expected {want[at]}")


if __name__ == "__main__":
    main()
