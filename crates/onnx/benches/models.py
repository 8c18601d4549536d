"""Writes the models and rows that `evaluate` measures.

Usage: models.py FOLDER BANK.csv [ENSEMBLE.onnx]; writes FOLDER/NAME/{model.onnx, input_N.pb}.

BANK.csv is the bank marketing table; its last rows are the ones scored. ENSEMBLE.onnx is what AutoML made of the table.
Needs lightgbm, numpy, onnx, onnxmltools, pandas, scikit-learn and skl2onnx.
"""

import pathlib
import sys
import warnings

import lightgbm
import numpy as np
import onnx
import onnxmltools
import pandas
from onnx import numpy_helper
from onnxmltools.convert.common.data_types import FloatTensorType as LightFloat
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

warnings.filterwarnings("ignore")
OUT = pathlib.Path(sys.argv[1])
ROWS = 4096
table = pandas.read_csv(sys.argv[2])
labels = (table.pop("y") == "yes").astype(int)
table.columns = [name.replace(".", "_") for name in table.columns]
texts = [c for c in table.columns if not pandas.api.types.is_numeric_dtype(table[c])]
numbers = [c for c in table.columns if c not in texts]
train, test = table.iloc[:-ROWS], table.iloc[-ROWS:]
known = labels.iloc[:-ROWS]


def write(name, model, inputs):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for index, (key, values) in enumerate(inputs.items()):
        tensor = numpy_helper.from_array(values, key)
        (folder / f"input_{index}.pb").write_bytes(tensor.SerializeToString())
    print(name, "written")


def columns(frame):
    """An input for each column."""
    return {c: frame[[c]].to_numpy(dtype=object if c in texts else np.float32) for c in table.columns}


def wide(frame):
    """All columns as numbers, texts one-hot."""
    both = pandas.get_dummies(pandas.concat([train, frame]), columns=texts)
    return both.to_numpy(dtype=np.float32)[len(train):]


def light():
    whole = wide(table)
    model = lightgbm.LGBMClassifier(n_estimators=300, num_leaves=31, learning_rate=0.05, n_jobs=1, verbose=-1)
    model.fit(whole[:-ROWS], known)
    graph = onnxmltools.convert_lightgbm(
        model, initial_types=[("x", LightFloat([None, whole.shape[1]]))], zipmap=False, target_opset=15
    )
    rows = whole[-ROWS:]
    write("lightgbm 300x31", graph, {"x": rows})


def pipeline(name, model, scale):
    first = StandardScaler() if scale else "passthrough"
    steps = [("n", first, numbers), ("c", OneHotEncoder(handle_unknown="ignore"), texts)]
    whole = make_pipeline(ColumnTransformer(steps), model)
    whole.fit(train, known)
    types = [(c, (StringTensorType if c in texts else FloatTensorType)([None, 1])) for c in table.columns]
    graph = to_onnx(whole, initial_types=types, options={id(whole): {"zipmap": False}})
    write(name, graph, columns(test))


def ensemble(path):
    graph = onnx.load(path)
    given = {}
    for value in graph.graph.input:
        column = test[value.name.replace(".", "_")]
        kind = value.type.tensor_type.elem_type
        values = column.to_numpy(dtype=object if kind == onnx.TensorProto.STRING else
                                 np.int64 if kind == onnx.TensorProto.INT64 else np.float32)
        given[value.name] = values.reshape(-1, 1)
    write("automl ensemble", graph, given)


light()
pipeline("scaler, one-hot, logistic", LogisticRegression(max_iter=500), True)
pipeline("one-hot, boosting 100 x depth 4", GradientBoostingClassifier(max_depth=4, subsample=0.5), False)
pipeline("one-hot, random forest 100", RandomForestClassifier(100, min_samples_leaf=2, n_jobs=1), False)
if len(sys.argv) > 3:
    ensemble(sys.argv[3])
