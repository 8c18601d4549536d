"""Writes scikit-learn models through skl2onnx, with inputs and what onnxruntime makes of them.

Usage: export.py FOLDER; writes FOLDER/NAME/{model.onnx, input_N.pb, output_N.pb}.
"""

import pathlib
import sys
import warnings

import numpy as np
import onnxruntime
from onnx import numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, Normalizer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

warnings.filterwarnings("ignore")
onnxruntime.set_default_logger_severity(3)
OUT = pathlib.Path(sys.argv[1])
ROWS = 300
RANDOM = np.random.default_rng(0)
NUMBERS, TEXTS = ["age", "emp.var.rate"], ["job", "sex"]

numbers = RANDOM.normal(size=(ROWS, 6)).astype(np.float32)
age = RANDOM.normal(40, 10, ROWS).astype(np.float32)
rate = RANDOM.normal(0, 1, ROWS).astype(np.float32)
job = RANDOM.choice(["admin", "student", "retired"], ROWS).astype(object)
sex = RANDOM.choice(["male", "female"], ROWS).astype(object)
mixed = np.empty((ROWS, 4), dtype=object)
mixed[:, 0], mixed[:, 1], mixed[:, 2], mixed[:, 3] = age, rate, job, sex
binary = (numbers[:, 0] + numbers[:, 1] ** 2 + RANDOM.normal(0, 0.3, ROWS) > 1).astype(int)
several = np.array(["low", "mid", "high"])[np.digitize(numbers[:, 0] + numbers[:, 2], [-0.7, 0.7])]
value = numbers[:, 0] * 3 + numbers[:, 2] + 100


def columns():
    scale = Pipeline([("fill", SimpleImputer()), ("scale", StandardScaler())])
    return ColumnTransformer([("n", scale, [0, 1]), ("c", OneHotEncoder(handle_unknown="ignore"), [2, 3])])


def write(name, model, inputs, zipmap=False):
    types = [(n, StringTensorType([None, v.shape[1]]) if v.dtype == object else FloatTensorType([None, v.shape[1]]))
             for n, v in inputs.items()]
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    options = {id(model): {"zipmap": zipmap}} if hasattr(last, "classes_") else None
    proto = convert_sklearn(model, initial_types=types, options=options)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    feed = dict(zip(names, inputs.values()))
    outputs = session.run(None, feed)
    folder = OUT / name
    folder.mkdir()
    (folder / "model.onnx").write_bytes(proto.SerializeToString())
    for index, (key, array) in enumerate(feed.items()):
        (folder / f"input_{index}.pb").write_bytes(numpy_helper.from_array(array, key).SerializeToString())
    for index, (info, array) in enumerate(zip(session.get_outputs(), outputs)):
        if isinstance(array, list):
            array = np.array([list(row.values()) for row in array], dtype=np.float32)
        tensor = numpy_helper.from_array(array, info.name)
        (folder / f"output_{index}.pb").write_bytes(tensor.SerializeToString())


one = {"float_input": numbers}
many = {"age": age[:, None], "emp.var.rate": rate[:, None], "job": job[:, None], "sex": sex[:, None]}
for zipmap in (False, True):
    suffix = "_zipmap" if zipmap else ""
    write(f"columns_logistic{suffix}",
          Pipeline([("c", columns()), ("m", LogisticRegression())]).fit(mixed, binary), many, zipmap)
    write(f"forest{suffix}", RandomForestClassifier(20, random_state=0).fit(numbers, binary), one, zipmap)
write("columns_multi", Pipeline([("c", columns()), ("m", LogisticRegression())]).fit(mixed, several), many)
write("columns_forest", Pipeline([("c", columns()), ("m", RandomForestClassifier(15, random_state=0))])
      .fit(mixed, several), many)
write("boosting", GradientBoostingClassifier(n_estimators=25).fit(numbers, binary), one)
write("boosting_multi", GradientBoostingClassifier(n_estimators=10).fit(numbers, several), one)
write("boosting_value", GradientBoostingRegressor(n_estimators=20).fit(numbers, value), one)
write("forest_value", RandomForestRegressor(15, random_state=0).fit(numbers, value), one)
write("tree", DecisionTreeClassifier(max_depth=5).fit(numbers, several), one)
write("elastic_net", ElasticNet(0.1).fit(numbers, value), one)
write("normalized", make_pipeline(MinMaxScaler(), Normalizer(), LogisticRegression()).fit(numbers, binary), one)
write("network", MLPClassifier(max_iter=30).fit(numbers, several), one)
members = [("l", LogisticRegression()), ("f", RandomForestClassifier(5)), ("e", ExtraTreesClassifier(5))]
write("voting", VotingClassifier(members, voting="soft", flatten_transform=False).fit(numbers, several), one)
write("stacking", StackingClassifier(members[:2]).fit(numbers, binary), one)
