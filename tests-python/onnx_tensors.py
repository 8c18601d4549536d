"""A model over inputs of three axes and of texts, for `onnx run`.

    onnx_tensors.py make FOLDER     writes FOLDER/model.onnx and FOLDER/in/input_N.pb
    onnx_tensors.py check FOLDER    compares FOLDER/out/output_N.pb with what onnxruntime makes of them
"""

import pathlib
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper


def make(folder):
    nodes = [
        helper.make_node("Transpose", ["x"], ["y"], perm=[2, 0, 1]),
        helper.make_node("ReduceSum", ["y", "axes"], ["sums"], keepdims=0),
        helper.make_node("Identity", ["words"], ["same"]),
    ]
    infos = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, None]),
             helper.make_tensor_value_info("words", TensorProto.STRING, [None])]
    outputs = [helper.make_tensor_value_info("sums", TensorProto.FLOAT, None), helper.make_tensor_value_info("same", TensorProto.STRING, None)]
    axes = numpy_helper.from_array(np.array([1], dtype=np.int64), "axes")
    graph = helper.make_graph(nodes, "tensors", infos, outputs, [axes])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    (folder / "in").mkdir()
    values = [np.arange(24, dtype=np.float32).reshape(2, 3, 4), np.array(["a", "ü"], dtype=object)]
    for at, value in enumerate(values):
        (folder / f"in/input_{at}.pb").write_bytes(numpy_helper.from_array(value, infos[at].name).SerializeToString())


def read(path):
    proto = TensorProto()
    proto.ParseFromString(path.read_bytes())
    array = numpy_helper.to_array(proto)
    return array.astype(object) if array.dtype.kind in "SUO" else array


def check(folder):
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    fed = {info.name: read(folder / f"in/input_{at}.pb") for at, info in enumerate(session.get_inputs())}
    for at, expected in enumerate(session.run(None, fed)):
        np.testing.assert_array_equal(read(folder / f"out/output_{at}.pb"), expected)


if __name__ == "__main__":
    {"make": make, "check": check}[sys.argv[1]](pathlib.Path(sys.argv[2]))
