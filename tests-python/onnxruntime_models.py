"""Writes models that the engine of this program does not cover, rows for them, and what onnxruntime answers: cases.json and *.onnx."""

import json
import pathlib
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as n

folder = pathlib.Path(sys.argv[1])
random = np.random.default_rng(5)
ROWS = 7
LABELS = ["low", "mid", "high"]


def f32(*shape):
    return random.normal(size=shape).astype(np.float32)


def constant(name, array):
    return n.from_array(np.asarray(array), name)


def made(name, nodes, inputs, outputs, constants=(), metadata=None):
    """A model of nodes between declared values."""
    value = h.make_tensor_value_info
    known = [value(*o) if isinstance(o, tuple) else o for o in outputs]
    graph = h.make_graph(nodes, name, [value(*i) for i in inputs], known, list(constants))
    imports = [h.make_opsetid("", 17), h.make_opsetid("ai.onnx.ml", 1)]
    model = h.make_model(graph, opset_imports=imports, ir_version=8)
    h.set_model_props(model, metadata or {})
    return model


def conv():
    nodes = [
        h.make_node("Conv", ["x", "w"], ["c"], name="first", kernel_shape=[3]),
        h.make_node("Relu", ["c"], ["r"]),
        h.make_node("Flatten", ["r"], ["f"]),
        h.make_node("MatMul", ["f", "d"], ["m"]),
        h.make_node("Softmax", ["m"], ["p"], axis=-1),
    ]
    constants = [constant("w", f32(4, 2, 3)), constant("d", f32(4 * 6, 3))]
    return made("conv", nodes, [("x", T.FLOAT, ["N", 2, 8])], [("p", T.FLOAT, ["N", 3])], constants)


def net(name, inner):
    """Operators that the engine of this program covers, over rows of this shape."""
    nodes = [
        h.make_node("Flatten", ["x"], ["f"]),
        h.make_node("Gemm", ["f", "a", "b"], ["g"]),
        h.make_node("Relu", ["g"], ["r"]),
        h.make_node("Gemm", ["r", "c"], ["m"]),
        h.make_node("Softmax", ["m"], ["p"], axis=-1),
    ]
    constants = [constant("a", f32(int(np.prod(inner)), 5)), constant("b", f32(5)), constant("c", f32(5, 3))]
    return made(name, nodes, [("x", T.FLOAT, ["N", *inner])], [("p", T.FLOAT, ["N", 3])], constants)


def lstm():
    nodes = [
        h.make_node("Unsqueeze", ["x", "zero"], ["s"]),
        h.make_node("LSTM", ["s", "w", "r"], ["", "y"], name="memory", hidden_size=3),
        h.make_node("Squeeze", ["y", "zero"], ["q"]),
        h.make_node("MatMul", ["q", "d"], ["value"]),
    ]
    constants = [
        constant("zero", np.array([0])),
        constant("w", f32(1, 12, 5)),
        constant("r", f32(1, 12, 3)),
        constant("d", f32(3, 1)),
    ]
    return made("lstm", nodes, [("x", T.FLOAT, ["N", 5])], [("value", T.FLOAT, ["N", 1])], constants)


def branch(factor):
    node = h.make_node("Mul", ["x", f"by{factor}"], [f"out{factor}"])
    output = h.make_tensor_value_info(f"out{factor}", T.FLOAT, ["N", 1])
    return h.make_graph([node], "branch", [], [output], [constant(f"by{factor}", np.float32([factor]))])


def control():
    node = h.make_node("If", ["yes"], ["value"], name="choice", then_branch=branch(2), else_branch=branch(3))
    inputs, outputs = [("x", T.FLOAT, ["N", 1])], [("value", T.FLOAT, ["N", 1])]
    return made("control", [node], inputs, outputs, [constant("yes", np.array(True))])


def half():
    nodes = [
        h.make_node("Cast", ["x"], ["h"], name="narrow", to=T.FLOAT16),
        h.make_node("MatMul", ["h", "w"], ["m"]),
        h.make_node("Cast", ["m"], ["value"], to=T.FLOAT),
    ]
    constants = [constant("w", f32(4, 1).astype(np.float16))]
    return made("half", nodes, [("x", T.FLOAT, ["N", 4])], [("value", T.FLOAT, ["N", 1])], constants)


def single():
    nodes = [h.make_node("LpNormalization", ["x"], ["l"]), h.make_node("ReduceSum", ["l", "one"], ["value"])]
    inputs, outputs = [("x", T.FLOAT, [1, 3])], [("value", T.FLOAT, [1, 1])]
    return made("single", nodes, inputs, outputs, [constant("one", np.array([1]))])


def beside():
    """Takes the mean over the rows of a call away: alone, a row leaves nothing of itself but the bias."""
    nodes = [
        h.make_node("ReduceMean", ["x"], ["mean"], axes=[0], keepdims=1),
        h.make_node("Sub", ["x", "mean"], ["left"]),
        h.make_node("LpNormalization", ["bias"], ["one"]),
        h.make_node("Add", ["left", "one"], ["value"]),
    ]
    inputs, outputs = [("x", T.FLOAT, ["N", 1])], [("value", T.FLOAT, ["N", 1])]
    return made("beside", nodes, inputs, outputs, [constant("bias", np.float32([[3]]))])


def mixed(maps):
    """Every type of input; a label that is a text; probabilities as a tensor or as maps."""
    parts = ["double", "long", "int", "truth"]
    nodes = [h.make_node("Cast", [part], [f"{part}_f"], to=T.FLOAT) for part in parts]
    words = {"keys_strings": ["a", "b"], "values_floats": [1.0, -1.0], "default_float": 0.0}
    nodes += [
        h.make_node("LabelEncoder", ["text"], ["text_f"], domain="ai.onnx.ml", **words),
        h.make_node("Concat", ["pair", "text_f"] + [f"{part}_f" for part in parts], ["all"], axis=1),
        h.make_node("LpNormalization", ["all"], ["l"], name="norm", axis=1, p=2),
        h.make_node(
            "LinearClassifier", ["l"], ["label", "p"], domain="ai.onnx.ml", post_transform="SOFTMAX",
            coefficients=f32(21).tolist(), intercepts=[0.0] * 3, classlabels_strings=LABELS,
        ),
    ]  # fmt: skip
    shares = ("p", T.FLOAT, ["N", 3])
    if maps:
        nodes.append(h.make_node("ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", classlabels_strings=LABELS))
        item = h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(T.FLOAT, []))
        shares = h.make_value_info("maps", h.make_sequence_type_proto(item))
    inputs = [
        ("pair", T.FLOAT, ["N", 2]),
        ("text", T.STRING, ["N", 1]),
        ("double", T.DOUBLE, ["N", 1]),
        ("long", T.INT64, ["N", 1]),
        ("int", T.INT32, ["N", 1]),
        ("truth", T.BOOL, ["N", 1]),
    ]
    model = made("mixed", nodes, inputs, [("label", T.STRING, ["N"]), shares])
    # Version 2 of the encoder has the attributes above.
    model.opset_import[1].version = 2
    return model


def neighbours():
    from skl2onnx import to_onnx
    from sklearn.datasets import load_iris
    from sklearn.neighbors import KNeighborsClassifier

    x, y = load_iris(return_X_y=True)
    fitted = KNeighborsClassifier(5).fit(x.astype(np.float32), y)
    return to_onnx(fitted, x[:1].astype(np.float32), options={"zipmap": True})


def rows_of(session):
    """Tensors for a session, and the same as records."""
    feed, records = {}, [{} for _ in range(ROWS)]
    for one in session.get_inputs():
        shape = [ROWS] + [d for d in one.shape[1:]]
        if "string" in one.type:
            array = np.array(random.choice(["a", "b", "other"], size=shape), dtype=object)
        elif "bool" in one.type:
            array = random.integers(0, 2, size=shape).astype(bool)
        elif "int" in one.type:
            array = random.integers(-9, 9, size=shape).astype({"tensor(int64)": np.int64, "tensor(int32)": np.int32}[one.type])
        else:
            array = random.normal(size=shape).astype(np.float64 if "double" in one.type else np.float32)
        feed[one.name] = array
        flat = array.reshape(ROWS, -1)
        for at, record in enumerate(records):
            for column in range(flat.shape[1]):
                name = one.name if flat.shape[1] == 1 else f"{one.name}_{column}"
                record[name] = flat[at, column].item() if hasattr(flat[at, column], "item") else flat[at, column]
    return feed, records


def answers(session, feed):
    """Labels, and probabilities or values, as onnxruntime gives them."""
    fixed = session.get_inputs()[0].shape[0] == 1
    steps = [{name: array[at : at + 1] for name, array in feed.items()} for at in range(ROWS)] if fixed else [feed]
    labels, values = [], []
    for step in steps:
        for output in session.run(None, step):
            if isinstance(output, list):
                # A map comes back in the order of its keys.
                values += [[m[key] for key in (LABELS if LABELS[0] in m else sorted(m))] for m in output]
            elif output.dtype == object or output.dtype == np.int64:
                labels += output.reshape(-1).tolist()
            elif output.ndim == 2 and output.shape[1] > 1:
                values += output.tolist()
            else:
                values += output.reshape(-1).tolist()
    return labels, values


cases = []
builders = {
    "conv": conv, "lstm": lstm, "control": control, "half": half, "single": single,
    "mixed": lambda: mixed(False), "maps": lambda: mixed(True), "neighbours": neighbours,
    "images": lambda: net("images", [4, 4]),
}  # fmt: skip
for name, build in builders.items():
    model = build()
    path = folder / f"{name}.onnx"
    path.write_bytes(model.SerializeToString())
    session = ort.InferenceSession(str(path))
    feed, records = rows_of(session)
    labels, values = answers(session, feed)
    if not labels and isinstance(values[0], list):
        labels = np.argmax(values, axis=1).tolist()
    cases.append({"name": name, "path": str(path), "rows": records, "labels": labels, "values": values})

# What no engine may or can run.
inner = control()
kept = inner.graph.node[0].attribute[0].g.initializer[0]
kept.ClearField("raw_data")
kept.data_location = T.EXTERNAL
kept.external_data.add(key="location", value="/etc/hostname")
(folder / "external.onnx").write_bytes(inner.SerializeToString())
whole = conv().SerializeToString()
(folder / "broken.onnx").write_bytes(whole[: len(whole) // 2])
raw = conv()
raw.graph.node.pop()
raw.graph.node[-1].output[0] = "p"
(folder / "scores.onnx").write_bytes(raw.SerializeToString())
unknown = conv()
unknown.graph.node[0].op_type = "Convolute"
(folder / "unknown.onnx").write_bytes(unknown.SerializeToString())
(folder / "beside.onnx").write_bytes(beside().SerializeToString())
plain = made(
    "plain", [h.make_node("Mul", ["x", "two"], ["value"])],
    [("x", T.FLOAT, ["N", 1])], [("value", T.FLOAT, ["N", 1])], [constant("two", np.float32([2]))],
)  # fmt: skip
(folder / "plain.onnx").write_bytes(plain.SerializeToString())
(folder / "net.onnx").write_bytes(net("net", [16]).SerializeToString())
(folder / "cases.json").write_text(json.dumps(cases))
print("made", len(cases))
