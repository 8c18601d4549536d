"""Checks models written by this crate, and compares onnxruntime's outputs with ours.

Usage: judge.py FOLDER, with FOLDER/NAME/{model.onnx, input_N.pb, output_N.pb}.
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

TOLERANCE = 1e-5


def read(folder, stem):
    files = sorted(folder.glob(f"{stem}_*.pb"), key=lambda p: int(p.stem.split("_")[1]))
    tensors = [onnx.load_tensor(str(f)) for f in files]
    return {t.name: numpy_helper.to_array(t) for t in tensors}


def values(array):
    if array.dtype.kind == "O":
        return np.array([v.decode() if isinstance(v, bytes) else v for v in array.ravel()]).reshape(array.shape)
    return array


def judge(folder):
    path = str(folder / "model.onnx")
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    inputs = {k: values(v).astype(object) if v.dtype.kind == "O" else v for k, v in read(folder, "input").items()}
    expected = session.run(None, inputs)
    got = read(folder, "output")
    for info, want in zip(session.get_outputs(), expected):
        have = values(got[info.name])
        assert have.shape == want.shape, (folder.name, info.name, have.shape, want.shape)
        if want.dtype.kind == "f":
            worst = float(np.abs(have - want).max() / max(1.0, float(np.abs(want).max())))
            assert worst <= TOLERANCE, (folder.name, info.name, worst)
            print(f"{folder.name} {info.name}: largest difference {worst:.1e}")
        else:
            assert (have == values(want)).all(), (folder.name, info.name)


for case in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    judge(case)
