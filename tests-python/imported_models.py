"""Makes models with LightGBM, XGBoost and scikit-learn, as files and as MLflow folders, and writes what the libraries
themselves answer on rows at thresholds, next to them, at zero and without a value.

Usage: imported_models.py FOLDER. Writes FOLDER/cases.json: a list of name, path, rows, values and labels, some with
contributions: of each row the base value, then what every column adds to the answer.
"""

import json
import sys
import warnings
from pathlib import Path

import lightgbm
import mlflow
import numpy as np
import pandas as pd
import shapley
import skops.io
import xgboost
from mlflow.models import infer_signature
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.feature_selection import RFE, SelectFdr, SelectFromModel, SelectKBest, SelectPercentile, VarianceThreshold
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    HuberRegressor,
    Lasso,
    LogisticRegression,
    LogisticRegressionCV,
    Perceptron,
    PoissonRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    TweedieRegressor,
)
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import (
    Binarizer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, NuSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

warnings.filterwarnings("ignore")
folder = Path(sys.argv[1])
random = np.random.default_rng(7)
cases = []


def plain(value):
    """A cell as JSON has it; a missing one is null."""
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def case(name, path, frame, values, labels=None, contributions=None):
    rows = [dict(zip(frame.columns, map(plain, row))) for row in frame.astype(object).to_numpy()]
    labels = None if labels is None else [plain(label) for label in labels]
    values = None if values is None else np.asarray(values, dtype=float).tolist()
    made = {"name": name, "path": str(path), "rows": rows, "values": values, "labels": labels}
    if contributions is not None:
        made["contributions"] = np.asarray(contributions, dtype=float).tolist()
    cases.append(made)


def carried(parts, link):
    """Contributions of a margin, its base value last, through a curve of one variable: each by its share of the rise."""
    start, end = parts[:, -1], parts.sum(axis=1)
    slope = (link(end) - link(start)) / (end - start)
    return np.column_stack([link(start), parts[:, :-1] * slope[:, None]])


def logistic(margin):
    return 1 / (1 + np.exp(-margin))


def of_answer(parts):
    """Contributions to the probability of the second of two classes, as those to the predicted one's."""
    first = parts.sum(axis=1) <= 0.5
    parts[first] *= -1
    parts[first, 0] += 1
    return parts


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
    ("light-root", {"objective": "regression_l1", "reg_sqrt": True}, signal),
    ("light-steep", {"objective": "binary", "sigmoid": 2.5}, binary),
    ("light-each", {"objective": "multiclassova", "num_class": 3}, three),
    ("light-two", {"objective": "multiclass", "num_class": 2}, binary),
    ("light-entropy", {"objective": "cross_entropy_lambda"}, logistic(signal)),
    ("light-forest", {"objective": "binary", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}, binary),
]:
    model = lightgbm.train({**light, **more}, lightgbm.Dataset(numbers, target), 25)
    path = folder / f"{name}.txt"
    model.save_model(path)
    rows = edges(numbers, light_thresholds(model, numbers.columns))
    answer = model.predict(rows)
    parts = {"light-binary": lambda p: of_answer(carried(p, logistic)), "light-poisson": lambda p: carried(p, np.exp)}.get(name)
    parts = parts and parts(model.predict(rows, pred_contrib=True))
    case(name, path, rows, pair(answer) if more["objective"] == "binary" else answer, None, parts)
    if name == "light-binary":
        mlflow.lightgbm.save_model(model, folder / "mlflow-light", signature=infer_signature(numbers, answer))
        loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-light"))
        case("mlflow-light", folder / "mlflow-light", rows, pair(loaded.predict(rows)))

for name, ending, more, target in [
    ("extreme-binary", "json", {"objective": "binary:logistic"}, binary),
    ("extreme-multiclass", "ubj", {"objective": "multi:softprob", "num_class": 3}, three),
    ("extreme-dart", "ubj", {"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.2}, signal),
    ("extreme-two", "json", {"objective": "multi:softprob", "num_class": 2}, binary),
    ("extreme-gamma", "ubj", {"objective": "reg:gamma"}, np.abs(signal) + 0.1),
    # The last one is used once more below.
    ("extreme-squared", "json", {"objective": "reg:squarederror"}, signal),
]:
    data = xgboost.DMatrix(numbers, target)
    model = xgboost.train({"max_depth": 5, "nthread": 1, "seed": 1, **more}, data, 20)
    path = folder / f"{name}.{ending}"
    model.save_model(path)
    rows = edges(numbers, extreme_thresholds(model, numbers.columns))
    answer = model.predict(xgboost.DMatrix(rows))
    parts = {"extreme-binary": lambda p: of_answer(carried(p, logistic)), "extreme-squared": lambda p: np.roll(p, 1, axis=1)}.get(name)
    parts = parts and parts(model.predict(xgboost.DMatrix(rows), pred_contribs=True).astype(float))
    case(name, path, rows, pair(answer) if name == "extreme-binary" else answer, None, parts)
    if name == "extreme-binary":
        mlflow.xgboost.save_model(model, folder / "mlflow-extreme", signature=infer_signature(numbers, answer))
        loaded = mlflow.pyfunc.load_model(str(folder / "mlflow-extreme"))
        case("mlflow-extreme", folder / "mlflow-extreme", rows, pair(loaded.predict(rows)))

# As versions before 2 wrote files that were stopped early: without the ends of the iterations.
document = json.loads((folder / "extreme-squared.json").read_text())
document["learner"]["attributes"] = {"best_iteration": "9", "scikit_learn": "{}"}
del document["learner"]["gradient_booster"]["model"]["iteration_indptr"]
path = folder / "extreme-early.json"
path.write_text(json.dumps(document))
case("extreme-early", path, rows, model.predict(xgboost.DMatrix(rows), iteration_range=(0, 10)))

stopped = xgboost.XGBRegressor(n_estimators=60, early_stopping_rounds=2, max_depth=4, n_jobs=1, random_state=1)
stopped.fit(numbers[:500], signal[:500], eval_set=[(numbers[500:], signal[500:])], verbose=False)
assert stopped.best_iteration < 50
stopped.save_model(folder / "extreme-stopped.json")
case("extreme-stopped", folder / "extreme-stopped.json", numbers[:200], stopped.predict(numbers[:200]))
straight = xgboost.train({"booster": "gblinear", "objective": "reg:squarederror", "nthread": 1}, xgboost.DMatrix(filled, signal), 20)
straight.save_model(folder / "extreme-linear.json")
case("extreme-linear", folder / "extreme-linear.json", filled[:100], straight.predict(xgboost.DMatrix(filled[:100])))

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
    ("table-ridge", prepared(hot, RidgeClassifier())),
    ("table-uncentred", prepared(make_pipeline(hot, StandardScaler(with_mean=False)), LogisticRegression())),
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
for name, model in [
    ("forest-regressor", RandomForestRegressor(20, max_depth=8, random_state=0)),
    ("histogram-regressor", HistGradientBoostingRegressor(max_iter=20, random_state=0)),
]:
    model.fit(filled, signal)
    skops.io.dump(model, folder / f"{name}.skops")
    if name == "forest-regressor":
        trees, start = [shapley.plain(e.tree_, 1 / 20) for e in model.estimators_], 0.0
    else:
        trees = [shapley.histogram(round[0]) for round in model._predictors]
        start = float(np.ravel(model._baseline_prediction)[0])
    rows, parts = filled[:8], []
    for row in rows.to_numpy():
        shares, base = shapley.contributions(trees, row, 4)
        parts.append([base + start, *shares])
    case(name, folder / f"{name}.skops", rows, model.predict(rows), None, parts)
kinds = table.assign(kind=table["kind"].astype("category"))
model = HistGradientBoostingClassifier(max_iter=20, categorical_features="from_dtype").fit(kinds, words)
skops.io.dump(model, folder / "table-categories.skops")
rows = kinds[:200].assign(kind=asked["kind"].where(asked["kind"] != "never seen").astype(kinds["kind"].dtype))
case("table-categories", folder / "table-categories.skops", rows, model.predict_proba(rows), model.predict(rows))
sorts = numbers.assign(kind=table["kind"].astype("category"), size=table["size"].astype("category"))
model = lightgbm.train({**light, "objective": "binary", "min_data_per_group": 1, "cat_smooth": 1}, lightgbm.Dataset(sorts, binary), 20)
model.save_model(folder / "light-sorts.txt")
rows = sorts[:200].copy()
rows.loc[:9, "kind"] = np.nan
case("light-sorts", folder / "light-sorts.txt", rows, pair(model.predict(rows)))
rare = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=0.3, drop="first", sparse_output=False)
rough = make_pipeline(SimpleImputer(add_indicator=True), RobustScaler())
for name, model, frame, target in [
    ("vectors-three", make_pipeline(StandardScaler(), SVC()), filled, three),
    ("vectors-numbers", make_pipeline(StandardScaler(), SVR(kernel="poly", degree=2, coef0=1.0)), filled, signal),
    ("vectors-bent", make_pipeline(StandardScaler(), SVR(kernel="sigmoid", gamma=0.05)), filled, signal),
    ("network", make_pipeline(StandardScaler(), MLPClassifier(hidden_layer_sizes=(8, 4), max_iter=60, random_state=0)), filled, three),
    ("network-numbers", make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(6,), activation="tanh", max_iter=60, random_state=0)), filled, signal),
    ("vote", VotingClassifier([("l", LogisticRegression()), ("t", RandomForestClassifier(5, random_state=0))], voting="soft"), filled, binary),
    ("searched", GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}), filled, three),
    ("calibrated", CalibratedClassifierCV(RandomForestClassifier(10, random_state=0), cv=3), filled, binary),
    ("exponential", GradientBoostingClassifier(loss="exponential", n_estimators=15), filled, binary),
    ("boosted-three", GradientBoostingClassifier(n_estimators=10), filled, three),
    ("stochastic", make_pipeline(StandardScaler(), SGDClassifier(loss="log_loss", random_state=0)), filled, three),
    ("huber", make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber", random_state=0)), filled, binary),
    ("poisson", make_pipeline(StandardScaler(), PoissonRegressor()), filled, np.abs(signal)),
    ("rough", make_pipeline(rough, LogisticRegression()), numbers, binary),
    ("rare", make_pipeline(ColumnTransformer([("k", rare, ["kind", "size"])], remainder="drop"), LogisticRegression()), table, binary),
]:
    model.fit(frame, target)
    skops.io.dump(model, folder / f"{name}.skops")
    chances = hasattr(model, "predict_proba") and name != "vectors-three"
    if hasattr(model, "classes_"):
        case(name, folder / f"{name}.skops", frame[:100], model.predict_proba(frame[:100]) if chances else None, model.predict(frame[:100]))
    else:
        case(name, folder / f"{name}.skops", frame[:100], model.predict(frame[:100]))
late = SimpleImputer(strategy="constant", fill_value=-1)
model = make_pipeline(MinMaxScaler(clip=True), late, LogisticRegression()).fit(numbers, binary)
skops.io.dump(model, folder / "filled-late.skops")
rows = numbers[:100] * 3
case("filled-late", folder / "filled-late.skops", rows, model.predict_proba(rows), model.predict(rows))
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


def sklearn_case(name, model, frame, target, rows=None, labels_only=False):
    """Trains a model and keeps what it answers on rows; of some only the labels are compared."""
    model.fit(frame, target)
    rows = frame[:100] if rows is None else rows
    path = folder / f"{name}.skops"
    skops.io.dump(model, path)
    if hasattr(model, "classes_"):
        chances = hasattr(model, "predict_proba") and not labels_only
        case(name, path, rows, model.predict_proba(rows) if chances else None, model.predict(rows))
    else:
        case(name, path, rows, model.predict(rows))


# Estimators of estimators.
logistic_model, small_forest = LogisticRegression(), RandomForestClassifier(8, min_samples_leaf=5, random_state=0)
pair_of = [("l", logistic_model), ("t", small_forest)]
trio = [*pair_of, ("g", GaussianNB())]
numeric = ["a", "b.x", "c_c", "d"]
few = GradientBoostingClassifier(n_estimators=8)
positive = np.abs(signal)
for name, model, frame, target in [
    ("vote-hard", VotingClassifier(trio), filled, three),
    ("vote-hard-words", VotingClassifier([*pair_of, ("s", LinearSVC())], weights=[1, 2, 2]), filled, words),
    ("vote-numbers", VotingRegressor([("r", Ridge()), ("t", DecisionTreeRegressor(max_depth=4))]), filled, signal),
    ("stack", StackingClassifier([*pair_of, ("s", LinearSVC())], cv=3), filled, words),
    ("stack-three", StackingClassifier(trio, LogisticRegression(C=0.5), cv=3, passthrough=True), filled, three),
    ("stack-labels", StackingClassifier(pair_of, cv=3, stack_method="predict"), filled, three),
    ("stack-numbers", StackingRegressor([("r", Ridge()), ("t", DecisionTreeRegressor(max_depth=4))], cv=3), filled, signal),
    ("bagged", BaggingClassifier(n_estimators=7, max_features=0.7, random_state=0), filled, words),
    ("bag-three", BaggingClassifier(DecisionTreeClassifier(max_depth=4), 9, random_state=0), filled, three),
    ("bag-logistic", BaggingClassifier(logistic_model, 5, max_features=3, random_state=0), filled, three),
    ("bag-labels", BaggingClassifier(LinearSVC(), 5, random_state=0), filled, binary),
    ("bag-numbers", BaggingRegressor(n_estimators=6, random_state=0), filled, signal),
    ("bag-ridge", BaggingRegressor(Ridge(), 5, max_features=2, random_state=0), filled, signal),
    ("adaboost", AdaBoostClassifier(n_estimators=15, random_state=0), filled, words),
    ("adaboost-three", AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=12, random_state=0), filled, three),
    ("adaboost-logistic", AdaBoostClassifier(LogisticRegression(), n_estimators=5, random_state=0), filled, three),
    ("adaboost-numbers", AdaBoostRegressor(n_estimators=15, random_state=0), filled, signal),
    ("rest", OneVsRestClassifier(LogisticRegression()), filled, three),
    ("rest-bayes", OneVsRestClassifier(GaussianNB()), filled, three),
    ("rest-two", OneVsRestClassifier(few), filled, words),
    ("rest-labels", OneVsRestClassifier(LinearSVC()), filled, three),
    ("calibrated-logistic", CalibratedClassifierCV(LogisticRegression(), cv=3), filled, words),
    ("calibrated-vectors", CalibratedClassifierCV(make_pipeline(StandardScaler(), SVC()), cv=3), filled[:150], binary[:150]),
    ("calibrated-three", CalibratedClassifierCV(LinearSVC(), cv=3), filled, three),
    ("calibrated-forest", CalibratedClassifierCV(small_forest, cv=3, ensemble=False), filled, three),
    ("calibrated-boosting", CalibratedClassifierCV(few, cv=3), filled, three),
    ("calibrated-exponential", CalibratedClassifierCV(GradientBoostingClassifier(loss="exponential", n_estimators=8), cv=3), filled, binary),
    ("calibrated-histogram", CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=8), cv=3), filled, binary),
    ("calibrated-adaboost", CalibratedClassifierCV(AdaBoostClassifier(n_estimators=8, random_state=0), cv=3), filled, three),
    ("target-scaled", TransformedTargetRegressor(Ridge(), transformer=StandardScaler()), filled, signal * 50 + 1000),
    ("target-ranged", TransformedTargetRegressor(RandomForestRegressor(5, random_state=0), transformer=MinMaxScaler()), filled, signal),
    ("target-logarithm", TransformedTargetRegressor(Ridge(), func=np.log1p, inverse_func=np.expm1), filled, positive),
    ("dummy", DummyClassifier(), filled, words),
    ("dummy-frequent", DummyClassifier(strategy="most_frequent"), table, three),
    ("dummy-numbers", DummyRegressor(), table, signal),
]:
    sklearn_case(name, model, frame, target)

# Other estimators.
for name, model, frame, target in [
    ("bayes", GaussianNB(), filled, words),
    ("bayes-steep", GaussianNB(), filled.assign(d=np.where(np.asarray(three) == 0, 0.5, filled["d"])), three),
    ("bayes-codes", prepared(hot, GaussianNB()), table, words),
    ("bayes-three", prepared(hot, GaussianNB(var_smoothing=0.01)), table, three),
    ("bayes-counts", make_pipeline(MinMaxScaler(), MultinomialNB()), filled, three),
    ("bayes-complement", make_pipeline(MinMaxScaler(), ComplementNB()), filled, binary),
    ("bayes-truths", BernoulliNB(binarize=0.3), filled, three),
    ("discriminant", LinearDiscriminantAnalysis(), filled, words),
    ("discriminant-three", prepared(hot, LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1)), table, three),
    ("tweedie", TweedieRegressor(power=1.5), filled, positive),
    ("tweedie-plain", TweedieRegressor(power=0), filled, signal),
    ("tree", DecisionTreeClassifier(max_depth=6, random_state=0), filled, words),
    ("tree-numbers", DecisionTreeRegressor(max_depth=6, random_state=0), filled, signal),
    ("extra-trees", ExtraTreesClassifier(10, max_depth=8, random_state=0), filled, three),
    ("boosting-numbers", GradientBoostingRegressor(n_estimators=12, loss="huber"), filled, signal),
    ("nu-vectors-numbers", make_pipeline(StandardScaler(), NuSVR()), filled[:120], signal[:120]),
    ("lasso", Lasso(alpha=0.05), filled, signal),
    ("elastic", ElasticNet(alpha=0.05), filled, signal),
    ("huber-numbers", HuberRegressor(), filled, signal),
    ("logistic-searched", LogisticRegressionCV(Cs=3, cv=3), filled, three),
    ("perceptron", Perceptron(random_state=0), filled, three),
    ("searched-pipeline", GridSearchCV(prepared(hot, Ridge()), {"ridge__alpha": [0.1, 10.0]}, cv=3), table, signal),
    ("forest-missing", RandomForestClassifier(10, max_depth=8, random_state=0), numbers, three),
]:
    sklearn_case(name, model, frame, target)
sklearn_case("nu-vectors", make_pipeline(StandardScaler(), NuSVC(nu=0.3)), filled, three, labels_only=True)
sklearn_case("platt", make_pipeline(StandardScaler(), SVC(probability=True, random_state=0)), filled, words, labels_only=True)
holes = table.assign(kind=random.choice(["u", "v", "w", "x"], count, p=[0.5, 0.3, 0.15, 0.05]))
holes.loc[random.random(count) < 0.2, "kind"] = np.nan
rarely = OrdinalEncoder(
    handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2, min_frequency=0.2
)
for name, encoder in [
    ("codes-missing", OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=9, encoded_missing_value=-2)),
    ("codes-rare", rarely),
]:
    asked_holes = holes[:200].copy()
    asked_holes.loc[:9, "kind"] = "never seen"
    sklearn_case(name, prepared(encoder, RandomForestClassifier(10, random_state=0)), holes, words, asked_holes)

# Transformers.
small_tree = DecisionTreeClassifier(max_depth=5, random_state=0)
selected = make_pipeline(StandardScaler(), SelectFromModel(Lasso(alpha=0.3)), Ridge())
both = make_union(PCA(2), SelectKBest(k=2), StandardScaler())
mixed = ColumnTransformer(
    [("p", make_pipeline(SimpleImputer(), PolynomialFeatures(2)), ["a", "d"]), ("k", hot, ["kind"])],
    remainder=make_pipeline(SimpleImputer(strategy="median"), StandardScaler()),
)
for name, model, frame, target in [
    ("normal", make_pipeline(Normalizer(), LogisticRegression()), filled, words),
    ("normal-first", make_pipeline(StandardScaler(), Normalizer("l1"), LogisticRegression()), filled, three),
    ("normal-largest", make_pipeline(Normalizer("max"), Ridge()), filled, signal),
    ("truths", make_pipeline(Binarizer(threshold=0.1), small_tree), filled, three),
    ("truths-scaled", make_pipeline(StandardScaler(), Binarizer(), StandardScaler(), LogisticRegression()), filled, words),
    ("polynomial", make_pipeline(PolynomialFeatures(2), StandardScaler(), LogisticRegression()), filled, three),
    ("polynomial-apart", make_pipeline(PolynomialFeatures(3, interaction_only=True, include_bias=False), Ridge()), filled, signal),
    ("polynomial-high", make_pipeline(PolynomialFeatures((2, 3)), Ridge()), filled[["a", "d"]], signal),
    ("components", make_pipeline(StandardScaler(), PCA(3), LogisticRegression()), filled, words),
    ("components-white", prepared(hot, make_pipeline(PCA(4, whiten=True), LinearDiscriminantAnalysis())), table, three),
    ("components-two", make_pipeline(TruncatedSVD(2, random_state=0), Ridge()), filled, signal),
    ("union", make_pipeline(SimpleImputer(), both, LogisticRegression()), numbers, binary),
    ("best", make_pipeline(SelectKBest(k=2), RandomForestClassifier(5, random_state=0)), filled, three),
    ("best-percent", make_pipeline(SelectPercentile(percentile=60), LogisticRegression()), filled, words),
    ("best-found", prepared(hot, make_pipeline(SelectFdr(alpha=0.2), LogisticRegression())), table, three),
    ("varied", make_pipeline(VarianceThreshold(0.8), GaussianNB()), filled * [1, 2, 0.1, 1], words),
    ("weighed", selected, filled, signal),
    ("weighed-forest", make_pipeline(SelectFromModel(small_forest, threshold="0.9*median"), small_tree), filled, three),
    ("weighed-few", make_pipeline(SelectFromModel(few, max_features=2, threshold=-np.inf), small_tree), filled, binary),
    ("eliminated", make_pipeline(RFE(LogisticRegression(), n_features_to_select=2), LogisticRegression()), filled, three),
    ("mixed", make_pipeline(mixed, LogisticRegression()), table, words),
]:
    sklearn_case(name, model, frame, target)
for name, encode, model, target in [
    ("bins-codes", "ordinal", small_tree, three),
    ("bins-scaled", "ordinal", make_pipeline(StandardScaler(), LogisticRegression()), words),
    ("bins-hot", "onehot", LogisticRegression(), three),
    ("bins-dense", "onehot-dense", Ridge(), signal),
]:
    cut = KBinsDiscretizer(5, encode=encode, strategy="uniform" if encode == "onehot" else "quantile")
    model = make_pipeline(RobustScaler(), cut, model).fit(filled, target)
    scaler = model[0]
    found = {c: e[1:-1] * s + m for c, e, s, m in zip(numeric, cut.bin_edges_, scaler.scale_, scaler.center_)}
    sklearn_case(name, model, filled, target, edges(filled, found).dropna())

# Behind sparse matrices and indicators, and steps that do nothing.
sizes = table.assign(size=table["size"].where(random.random(count) > 0.1))
free = OneHotEncoder(handle_unknown="ignore")
beside = ColumnTransformer([("n", SimpleImputer(add_indicator=True), ["size"]), ("k", free, ["size"])])
dense = ColumnTransformer(
    [("n", make_pipeline(SimpleImputer(), StandardScaler()), numeric), ("k", free, ["kind", "size"])], sparse_threshold=0
)
sparse = ColumnTransformer([("k", free, ["kind", "size"]), ("n", "passthrough", ["a"])], sparse_threshold=1.0)
named = make_pipeline(SimpleImputer(strategy="most_frequent", add_indicator=True), free)
named = ColumnTransformer([("k", named, ["kind"])])
worded = holes.astype({"kind": object})
asked_worded = worded[:200].copy()
asked_worded.loc[:9, "kind"] = "never seen"
extreme = xgboost.XGBClassifier(n_estimators=15, max_depth=4, n_jobs=1)
light_class = lightgbm.LGBMClassifier(n_estimators=15, verbose=-1)
shared = lightgbm.LGBMClassifier(objective="cross_entropy", n_estimators=15, verbose=-1)
for name, model, frame, target, rows in [
    ("table-extreme", prepared(hot, extreme), table, binary, asked),
    ("table-extreme-dense", make_pipeline(dense, extreme), table, binary, asked),
    ("table-sparse-light", make_pipeline(sparse, light_class), table, words, asked),
    ("table-sparse-forest", make_pipeline(sparse, small_forest), filled.join(table[["kind", "size"]]), words, None),
    ("indicator-beside", make_pipeline(beside, LogisticRegression()), sizes, words, sizes[:200]),
    ("indicator-texts", make_pipeline(named, LogisticRegression()), worded, words, asked_worded),
    ("indicator-texts-forest", make_pipeline(named, small_forest), worded, words, asked_worded),
    ("passed", make_pipeline("passthrough", StandardScaler(), LogisticRegression()), filled, words, None),
    ("light-entropy-class", shared, numbers, binary, None),
]:
    sklearn_case(name, model, frame, target, rows)

(folder / "cases.json").write_text(json.dumps(cases, allow_nan=False))
print("made", len(cases))
