"""Makes models with LightGBM, XGBoost and scikit-learn, as files and as MLflow folders, and writes what the libraries
themselves answer on rows at thresholds, next to them, at zero and without a value.

Usage: imported_models.py FOLDER. Writes FOLDER/cases.json: a list of name, path, rows, values and labels.
"""

import json
import sys
import warnings
from pathlib import Path

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import skops.io
import xgboost
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.svm import SVC

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
random = np.random.default_rng(7)
cases = []


def plain(value):
    """A cell as JSON has it; a missing one is null."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def case(name, path, frame, values, labels=None):
    rows = [dict(zip(frame.columns, map(plain, row))) for row in frame.astype(object).to_numpy()]
    labels = None if labels is None else [plain(label) for label in labels]
    values = None if values is None else np.asarray(values, dtype=float).tolist()
    cases.append({"name": name, "path": str(path), "rows": rows, "values": values, "labels": labels})


def pair(positive):
    return np.column_stack([1 - positive, positive])


def edges(frame, thresholds):
    """Rows with a value at each threshold and next to it in single precision, at zero, and missing."""
    rows = []
    for column, found in thresholds.items():
        values = []
        for threshold in sorted(found)[:25]:
            single = np.float32(threshold)
            values += [single, np.nextafter(single, np.float32(-np.inf)), np.nextafter(single, np.float32(np.inf))]
        for value in [*values, 0.0, -0.0, np.nan, 1e-36, -1e-36, 3e38, -3e38]:
            row = frame.iloc[int(random.integers(len(frame)))].copy()
            row[column] = float(value)
            rows.append(row)
    return pd.concat([frame[:100], pd.DataFrame(rows, columns=frame.columns)], ignore_index=True).astype(float)


def light_thresholds(booster, names):
    found = {name: set() for name in names}
    trees = booster.trees_to_dataframe()
    for split in trees[trees.decision_type == "<="].itertuples():
        found[split.split_feature].add(float(split.threshold))
    return found


def extreme_thresholds(booster, names):
    found = {name: set() for name in names}
    trees = booster.trees_to_dataframe()
    for split in trees[trees.Feature != "Leaf"].itertuples():
        found[split.Feature].add(float(split.Split))
    return found


count = 800
numbers = pd.DataFrame(random.normal(size=(count, 4)).astype(np.float32).astype(float), columns=["a", "b.x", "c_c", "d"])
numbers[random.random(numbers.shape) < 0.1] = np.nan
numbers[random.random(numbers.shape) < 0.1] = 0.0
filled = numbers.fillna(0)
signal = filled["a"] + filled["b.x"] * filled["c_c"]
binary = (signal + random.normal(size=count) > 0.2).astype(int).to_numpy()
three = np.digitize(signal, [-0.5, 0.6])
light = {"verbose": -1, "num_leaves": 15, "min_data_in_leaf": 5, "num_threads": 1, "seed": 1}

for name, more, target in [
    ("light-binary", {"objective": "binary"}, binary),
    ("light-zero", {"objective": "binary", "zero_as_missing": True}, binary),
    ("light-multiclass", {"objective": "multiclass", "num_class": 3}, three),
    ("light-poisson", {"objective": "poisson"}, np.abs(signal)),
]:
    model = lightgbm.train({**light, **more}, lightgbm.Dataset(numbers, target), 25)
    path = folder / f"{name}.txt"
    model.save_model(path)
    rows = edges(numbers, light_thresholds(model, numbers.columns))
    answer = model.predict(rows)
    case(name, path, rows, pair(answer) if more["objective"] == "binary" else answer)
    if name == "light-binary":
        mlflow.lightgbm.save_model(model, folder / "mlflow-light", signature=infer_signature(numbers, answer))
        loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-light"))
        case("mlflow-light", folder / "mlflow-light", rows, pair(loaded.predict(rows)))

for name, ending, more, target in [
    ("extreme-binary", "json", {"objective": "binary:logistic"}, binary),
    ("extreme-multiclass", "ubj", {"objective": "multi:softprob", "num_class": 3}, three),
    ("extreme-dart", "ubj", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.2}, signal),
]:
    data = xgboost.DMatrix(numbers, target)
    model = xgboost.train({"max_depth": 5, "nthread": 1, "seed": 1, **more}, data, 20)
    path = folder / f"{name}.{ending}"
    model.save_model(path)
    rows = edges(numbers, extreme_thresholds(model, numbers.columns))
    answer = model.predict(xgboost.DMatrix(rows))
    case(name, path, rows, pair(answer) if name == "extreme-binary" else answer)
    if name == "extreme-binary":
        mlflow.xgboost.save_model(model, folder / "mlflow-extreme", signature=infer_signature(numbers, answer))
        loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-extreme"))
        case("mlflow-extreme", folder / "mlflow-extreme", rows, pair(loaded.predict(rows)))

table = numbers.copy()
table["kind"] = random.choice(["u", "v", "w"], count)
table["size"] = random.choice([1, 2, 5], count)
words = np.where((signal > 0) ^ (table["kind"] == "u") ^ (table["size"] == 5), "good", "bad")
asked = table[:200].copy()
asked.loc[:9, "kind"] = "never seen"


def prepared(encoder, model):
    numeric = make_pipeline(SimpleImputer(), StandardScaler())
    steps = [("n", numeric, ["a", "b.x", "c_c", "d"]), ("k", encoder, ["kind", "size"])]
    return make_pipeline(ColumnTransformer(steps), model)


hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
for name, model in [
    ("table-logistic", prepared(hot, LogisticRegression())),
    ("table-forest", prepared(hot, RandomForestClassifier(20, random_state=0))),
    ("table-boosting", prepared(codes, HistGradientBoostingClassifier(max_iter=20))),
    ("table-gradient", prepared(codes, GradientBoostingClassifier(n_estimators=20))),
    ("table-vectors", prepared(hot, SVC())),
    ("table-light", prepared(hot, lightgbm.LGBMClassifier(n_estimators=15, verbose=-1))),
]:
    model.fit(table, words)
    path = folder / f"{name}.skops"
    skops.io.dump(model, path)
    values = model.predict_proba(asked) if hasattr(model, "predict_proba") else None
    case(name, path, asked, values, model.predict(asked))

model = prepared(hot, Ridge()).fit(table, signal)
mlflow.sklearn.save_model(
    model, folder / "mlflow-ridge", signature=infer_signature(table, signal), skops_trusted_types=["numpy.dtype"]
)
model = make_pipeline(SimpleImputer(), MaxAbsScaler(clip=True), Ridge()).fit(filled, signal)
skops.io.dump(model, folder / "clipped.skops")
rows = filled[:50] * 3
case("clipped", folder / "clipped.skops", rows, model.predict(rows))
loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-ridge"))
case("mlflow-ridge", folder / "mlflow-ridge", asked, loaded.predict(asked))
model = RandomForestClassifier(20, random_state=0).fit(filled, words)
trusted = ["sklearn.tree._tree.Tree"]
mlflow.sklearn.save_model(
    model, folder / "mlflow-forest", signature=infer_signature(filled, words), skops_trusted_types=trusted
)
loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-forest"))
case("mlflow-forest", folder / "mlflow-forest", filled[:200], model.predict_proba(filled[:200]), loaded.predict(filled[:200]))
model = lightgbm.LGBMClassifier(n_estimators=15, verbose=-1).fit(numbers, binary)
mlflow.lightgbm.save_model(model, folder / "mlflow-light-class", signature=infer_signature(numbers, binary))
rows = edges(numbers, light_thresholds(model.booster_, numbers.columns))
loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-light-class"))
case("mlflow-light-class", folder / "mlflow-light-class", rows, model.predict_proba(rows), loaded.predict(rows))

(folder / "cases.json").write_text(json.dumps(cases, allow_nan=False))
print("made", len(cases))
