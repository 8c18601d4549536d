"""Writes the ONNX project's own cases of operators (`onnx.backend.test`) in the form of `onnx_conformance.py`.

    onnx_backend.py FOLDER

What their outputs should be was computed by the project in numpy. A case with an input or output that is no tensor, or with an
input of a type that the engine does not have, is left out and counted.
"""

import argparse
import warnings

import numpy as np
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

from onnx_conformance import TYPES, Writer


def tensor(value):
    """A value as an array with texts as objects; none when it is no tensor."""
    if not isinstance(value, (np.ndarray, np.generic)):
        return None
    array = np.asarray(value)
    return array.astype(object) if array.dtype.kind in "US" else array


def named(infos, values):
    """Values by the names of a graph's inputs or outputs; none when one is no tensor."""
    arrays = [tensor(value) for value in values]
    return None if any(array is None for array in arrays) else list(zip([info.name for info in infos], arrays))


def group(model):
    """The operator of a case; cases that spell a function out in operators are one group."""
    if len(model.graph.node) > 1:
        return "functions in their operators", max(entry.version for entry in model.opset_import)
    node = model.graph.node[0]
    version = next((entry.version for entry in model.opset_import if entry.domain == node.domain), 0)
    return f"{node.domain}.{node.op_type}" if node.domain else node.op_type, version


def write(writer):
    """Every case with each of its sets of data; how many were left out."""
    left_out = 0
    for case in collect_testcases():
        what, version = group(case.model)
        for given, expected in case.data_sets:
            inputs, outputs = named(case.model.graph.input, given), named(case.model.graph.output, expected)
            if inputs is None or outputs is None or any(str(array.dtype) not in TYPES for _, array in inputs):
                left_out += 1
                continue
            writer.part(case.model)
            for name, array in inputs + outputs:
                writer.part(numpy_helper.from_array(array, name))
            writer.lines.append(f"{what}\t{case.name}\t{version}\t{len(inputs)}\t{len(outputs)}")
    return left_out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    writer = Writer(asked.folder, 1, 1)
    left_out = write(writer)
    writer.close()
    print(f"{len(writer.lines)} cases, {left_out} left out: of other types than the engine has")


if __name__ == "__main__":
    main()
