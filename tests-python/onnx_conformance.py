"""Writes conformance cases for the ONNX engine: models, inputs, and what onnxruntime makes of them.

    onnx_conformance.py FOLDER [--seed N] [--pipelines]

Every operator is tried in each version of its operator set from 7 on, with random shapes, types and attributes and with
edge values: NaN, infinities, empty tensors, broadcasting, negative axes. Where an operator works row by row its case
is written a second time, followed by a weighted sum to one value a row, which the engine can compile. With
`--pipelines` whole models of skl2onnx and onnxmltools are written instead; a converter or learner that is not installed, or
that fails, is told and left out. `--every N` keeps one case of N.

FOLDER/cases.tsv lists the cases: group, name, version, number of inputs, number of outputs. FOLDER/cases.bin holds their
parts one after the other, each behind its length (32 bits, little-endian): the model, then inputs and outputs as
`TensorProto`. What onnxruntime refuses is not a case, and is counted in FOLDER/dropped.tsv with its first reason.
"""

import argparse
import pathlib
import struct
import warnings

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import onnx_conformance_ml
import onnx_conformance_ops
import onnx_conformance_pipelines
import onnx_conformance_texts

NEWEST = 22
TYPES = {
    "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE, "int64": TensorProto.INT64, "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8, "bool": TensorProto.BOOL, "object": TensorProto.STRING,
}
QUIET = onnxruntime.SessionOptions()
QUIET.log_severity_level = 4
QUIET.intra_op_num_threads = 1


class Writer:
    """Writes cases into a folder."""

    def __init__(self, folder, seed, every):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.random = np.random.default_rng(seed)
        self.lines, self.dropped = [], {}
        self.every, self.asked = every, 0
        self.parts = open(self.folder / "cases.bin", "wb")

    def versions(self, op, domain=""):
        """Every version of an operator, with the operator sets that first have it, 7 at least."""
        schemas = [s for s in onnx.defs.get_all_schemas_with_history() if s.name == op and s.domain == domain]
        sinces = sorted(s.since_version for s in schemas if s.since_version <= NEWEST)
        floor = 1 if domain else 7
        return sorted({max(s, floor) for s in sinces} | ({21} if not domain and sinces[-1] <= 21 else set()))

    def op(self, op, version, inputs, outputs=1, constants=(), rows=False, domain="", **attributes):
        """One node; inputs are arrays or None, those numbered in `constants` are stored in the model."""
        names = ["" if array is None else f"x{index}" for index, array in enumerate(inputs)]
        made = [f"y{index}" for index in range(outputs)]
        attributes = {k: v for k, v in attributes.items() if v is not None and (not isinstance(v, list) or v)}
        node = helper.make_node(op, names, made, name=f"{op}_under_test", domain=domain, **attributes)
        stored = [numpy_helper.from_array(a, n) for i, (a, n) in enumerate(zip(inputs, names)) if n and i in constants]
        given = {n: a for i, (a, n) in enumerate(zip(inputs, names)) if n and i not in constants}
        opsets = {"ai.onnx.ml": version, "": 17} if domain else {"": version}
        group = f"{domain}.{op}" if domain else op
        results = self.case(group, op, version, self.model([node], stored, given, made, opsets), given)
        if rows and results is not None:
            self.summed(group, op, version, (node, stored, given, opsets), results)

    def summed(self, group, op, version, parts, results):
        """The same node with its numeric results as one value a row."""
        node, stored, given, opsets = parts
        count = next(iter(given.values())).shape[0]
        nodes, stored, sums = [node], list(stored), []
        for index, array in enumerate(results):
            if array.dtype == object or array.ndim == 0 or array.shape[0] != count or array.size == 0:
                continue
            width = array.size // count
            weights = self.random.uniform(0.5, 1.5, (width, 1)).astype(np.float32)
            stored.append(numpy_helper.from_array(weights, f"w{index}"))
            nodes.append(helper.make_node("Cast", [f"y{index}"], [f"c{index}"], to=TensorProto.FLOAT))
            nodes.append(helper.make_node("Flatten", [f"c{index}"], [f"f{index}"], axis=1))
            nodes.append(helper.make_node("MatMul", [f"f{index}", f"w{index}"], [f"s{index}"]))
            sums.append(f"s{index}")
        if not sums or count == 0:
            return
        nodes.append(helper.make_node("Sum", sums, ["sum"]))
        self.case(group, f"{op} rows", version, self.model(nodes, stored, given, ["sum"], opsets), given)

    @staticmethod
    def model(nodes, stored, given, outputs, opsets):
        def info(name, array):
            dims = [f"d{i}" for i in range(array.ndim)]
            if array.ndim == 2 and array.shape[1] > 0:
                dims[1] = array.shape[1]
            return helper.make_tensor_value_info(name, TYPES[str(array.dtype)], dims)

        graph = helper.make_graph(
            nodes, "case", [info(n, a) for n, a in given.items()],
            [onnx.ValueInfoProto(name=name) for name in outputs], stored,
        )
        imports = [helper.make_opsetid(domain, version) for domain, version in opsets.items()]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)

    def case(self, group, name, version, model, given):
        """Runs onnxruntime and writes the case; nothing when it refuses."""
        self.asked += 1
        if self.asked % self.every:
            return None
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), QUIET, providers=["CPUExecutionProvider"])
            results = session.run(None, given)
        except Exception as error:  # whatever it is, there is nothing to compare with
            self.dropped.setdefault((group, version), []).append(str(error).strip().replace("\n", " ")[:160])
            return None
        results = [plain(result) for result in results]
        self.part(model)
        named = [*given.items(), *zip([info.name for info in session.get_outputs()], results)]
        for key, array in named:
            self.part(numpy_helper.from_array(array, key))
        self.lines.append(f"{group}\t{name}\t{version}\t{len(given)}\t{len(results)}")
        return results

    def part(self, message):
        content = message.SerializeToString()
        self.parts.write(struct.pack("<I", len(content)) + content)

    def close(self):
        self.parts.close()
        (self.folder / "cases.tsv").write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        lines = [f"{g}\t{v}\t{len(r)}\t{r[0]}" for (g, v), r in sorted(self.dropped.items())]
        (self.folder / "dropped.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def plain(result):
    """A result as an array; a list of maps as its values in order."""
    if isinstance(result, list):
        return np.array([list(row.values()) for row in result], dtype=np.float32)
    return np.asarray(result)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--pipelines", action="store_true")
    asked = parser.parse_args()
    warnings.filterwarnings("ignore")
    writer = Writer(asked.folder, asked.seed, asked.every)
    if asked.pipelines:
        onnx_conformance_pipelines.write(writer)
    else:
        onnx_conformance_ops.write(writer)
        onnx_conformance_ml.write(writer)
        onnx_conformance_texts.write(writer)
        onnx_conformance_ops.whole_products(writer)
        onnx_conformance_ops.norms(writer)
    writer.close()
    print(f"{len(writer.lines)} cases, {sum(map(len, writer.dropped.values()))} refused by onnxruntime")


if __name__ == "__main__":
    main()
