"""Whole models of the converters (see `onnx_conformance.py`): skl2onnx over scikit-learn, onnxmltools over LightGBM and
XGBoost, with and without the map of probabilities."""

import sys

import numpy as np
import onnx
from skl2onnx import convert_sklearn
from skl2onnx.common import _container
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import ensemble, feature_selection, linear_model, naive_bayes, neighbors, neural_network, preprocessing, svm, tree
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline

ROWS = 120
JOBS = ["admin", "student", "retired", "services"]


class Tables:
    """Made data: numbers, mixed columns, targets of two classes, of three, and a value."""

    def __init__(self, random):
        self.numbers = random.normal(size=(ROWS, 5)).astype(np.float32)
        self.holes = self.numbers.copy()
        self.holes[random.random(self.holes.shape) < 0.15] = np.nan
        self.job = random.choice(JOBS, (ROWS, 1)).astype(object)
        self.sex = random.choice(["male", "female"], (ROWS, 1)).astype(object)
        self.code = random.integers(0, 4, (ROWS, 1))
        score = self.numbers[:, 0] + self.numbers[:, 1] ** 2 + (self.job[:, 0] == "admin")
        self.two = (score > 1).astype(int)
        self.words = np.where(self.two == 1, "good", "bad").astype(object)
        self.three = np.digitize(score, [0.5, 1.5])
        self.value = score * 3 + 10
        self.mixed = np.hstack([self.numbers[:, :2].astype(object), self.job, self.sex, self.code.astype(object)])
        self.columns = {"age": self.numbers[:, :1], "rate": self.numbers[:, 1:2], "job": self.job, "sex": self.sex, "code": self.code}


def classifiers():
    l, e, s = linear_model, ensemble, svm
    few = [("l", l.LogisticRegression()), ("f", e.RandomForestClassifier(5, max_depth=4, random_state=0)), ("n", naive_bayes.GaussianNB())]
    return {
        "logistic": l.LogisticRegression(), "sgd": l.SGDClassifier(loss="log_loss", random_state=0), "ridge": l.RidgeClassifier(),
        "perceptron": l.Perceptron(), "tree": tree.DecisionTreeClassifier(max_depth=5), "forest": e.RandomForestClassifier(10, random_state=0),
        "extra trees": e.ExtraTreesClassifier(10, random_state=0), "boosting": e.GradientBoostingClassifier(n_estimators=10, random_state=0),
        "HistGB": e.HistGradientBoostingClassifier(max_iter=10), "AdaBoost": e.AdaBoostClassifier(n_estimators=5, random_state=0),
        "bagging": e.BaggingClassifier(n_estimators=4, random_state=0), "SVC rbf": s.SVC(), "SVC rbf probability": s.SVC(probability=True, random_state=0),
        "SVC linear": s.SVC(kernel="linear"), "SVC poly": s.SVC(kernel="poly", degree=2), "SVC sigmoid": s.SVC(kernel="sigmoid"),
        "NuSVC": s.NuSVC(nu=0.3), "LinearSVC": s.LinearSVC(), "MLP": neural_network.MLPClassifier((8,), max_iter=60, random_state=0),
        "MLP tanh": neural_network.MLPClassifier((8, 4), activation="tanh", max_iter=60, random_state=0),
        "KNN": neighbors.KNeighborsClassifier(3), "GaussianNB": naive_bayes.GaussianNB(), "LDA": LinearDiscriminantAnalysis(),
        "QDA": QuadraticDiscriminantAnalysis(), "voting": e.VotingClassifier(few, voting="soft", flatten_transform=False),
        "voting hard": e.VotingClassifier(few, voting="hard", flatten_transform=False), "stacking": e.StackingClassifier(few[:2]),
        "calibrated sigmoid": CalibratedClassifierCV(few[0][1], cv=2), "calibrated isotonic": CalibratedClassifierCV(few[0][1], cv=2, method="isotonic"),
        "one against rest": OneVsRestClassifier(l.LogisticRegression()),
    }


def regressors():
    l, e, s = linear_model, ensemble, svm
    return {
        "linear": l.LinearRegression(), "ridge": l.Ridge(), "elastic net": l.ElasticNet(0.1), "huber": l.HuberRegressor(), "bayesian ridge": l.BayesianRidge(),
        "poisson": l.PoissonRegressor(), "tree": tree.DecisionTreeRegressor(max_depth=5), "forest": e.RandomForestRegressor(8, random_state=0),
        "extra trees": e.ExtraTreesRegressor(8, random_state=0), "boosting": e.GradientBoostingRegressor(n_estimators=10), "HistGB": e.HistGradientBoostingRegressor(max_iter=10),
        "AdaBoost": e.AdaBoostRegressor(n_estimators=4, random_state=0), "bagging": e.BaggingRegressor(n_estimators=3, random_state=0), "SVR": s.SVR(), "NuSVR": s.NuSVR(),
        "LinearSVR": s.LinearSVR(), "MLP": neural_network.MLPRegressor(hidden_layer_sizes=(6,), max_iter=60, random_state=0), "KNN": neighbors.KNeighborsRegressor(3),
        "voting": e.VotingRegressor([("a", l.Ridge()), ("b", tree.DecisionTreeRegressor(max_depth=3))]), "stacking": e.StackingRegressor([("a", l.Ridge()), ("b", l.Lasso())]),
    }


def preparations():
    p = preprocessing
    return {
        "standard": p.StandardScaler(), "min-max": p.MinMaxScaler(), "max-abs": p.MaxAbsScaler(), "robust": p.RobustScaler(),
        "normalizer": p.Normalizer(), "binarizer": p.Binarizer(), "polynomial": p.PolynomialFeatures(2), "power": p.PowerTransformer(),
        "bins one-hot": p.KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf"), "bins ordinal": p.KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf"),
        "PCA": PCA(3), "select": feature_selection.SelectKBest(k=2), "variance": feature_selection.VarianceThreshold(),
    }


def columns(job):
    """Numbers filled and scaled, texts coded, a number as a category."""
    fill = make_pipeline(SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    return ColumnTransformer([("n", fill, [0, 1]), ("c", job, [2, 3]), ("i", preprocessing.OneHotEncoder(handle_unknown="ignore"), [4])])


def write(w):
    _container.make_node = with_whole_numbers(_container.make_node)
    data = Tables(w.random)
    one = {"x": data.numbers}
    for name, model in classifiers().items():
        for target, y in [("two classes", data.two), ("texts", data.words), ("three classes", data.three)]:
            for zipmap in [False, True]:
                convert(w, f"{name}, {target}{', ZipMap' if zipmap else ''}", model, one, data.numbers, y, zipmap)
        for target, y in [("classes 1 and 2", data.two + 1), ("classes -1 and 1", data.two * 2 - 1), ("classes 10, 20, 30", data.three * 10 + 10)]:
            convert(w, f"{name}, {target}", model, one, data.numbers, y, False)
    for name, model in regressors().items():
        convert(w, f"{name}, value", model, one, data.numbers, data.value)
    for name, preparation in preparations().items():
        convert(w, f"{name} + logistic", make_pipeline(preparation, linear_model.LogisticRegression()), one, data.numbers, data.two, False)
    for name, filler in [("mean", SimpleImputer()), ("median", SimpleImputer(strategy="median")), ("indicator", SimpleImputer(add_indicator=True))]:
        model = make_pipeline(filler, linear_model.LogisticRegression())
        convert(w, f"imputer {name} + logistic", model, {"x": data.holes}, data.holes, data.two, False)
    convert(w, "HistGB, holes", ensemble.HistGradientBoostingClassifier(max_iter=10), {"x": data.holes}, data.holes, data.two, False)
    mixed(w, data)
    boosters(w, data)


def mixed(w, data):
    codes = {
        "one-hot": preprocessing.OneHotEncoder(handle_unknown="ignore"), "one-hot drop": preprocessing.OneHotEncoder(drop="first"),
        "ordinal": preprocessing.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1),
        "imputed one-hot": make_pipeline(SimpleImputer(missing_values="", strategy="most_frequent"), preprocessing.OneHotEncoder(handle_unknown="ignore")),
        "one-hot rare": preprocessing.OneHotEncoder(min_frequency=25, handle_unknown="infrequent_if_exist"),
    }
    models = {
        "logistic": linear_model.LogisticRegression(), "forest": ensemble.RandomForestClassifier(8, max_depth=5, random_state=0),
        "SVC": svm.SVC(probability=True, random_state=0), "MLP": neural_network.MLPClassifier((6,), max_iter=50, random_state=0),
    }
    for code, encoder in codes.items():
        for name, model in models.items():
            for zipmap in [False, True]:
                whole = make_pipeline(columns(encoder), model)
                convert(w, f"columns {code} + {name}{', ZipMap' if zipmap else ''}", whole, data.columns, data.mixed, data.words, zipmap)


def declared(array):
    kinds = {"O": StringTensorType, "f": FloatTensorType, "i": Int64TensorType}
    return kinds[array.dtype.kind]([None, array.shape[1]])


def convert(w, name, model, inputs, x, y, zipmap=None):
    """Fits and converts a scikit-learn model and writes its case."""
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    try:
        model.fit(x, y)
        options = None if zipmap is None or isinstance(last, svm.LinearSVC) else {id(last): {"zipmap": zipmap}}
        types = [(key, declared(array)) for key, array in inputs.items()]
        proto = convert_sklearn(model, initial_types=types, options=options)
    except Exception as error:  # what a converter can't do is not our case
        print(f"not converted: {name}: {type(error).__name__} {str(error).strip()[:120]}", file=sys.stderr)
        return
    w.case("skl2onnx", name, opset(proto), proto, inputs)


def with_whole_numbers(make_node):
    """The converter of HistGradientBoosting hands booleans to lists of integers, which newer `onnx` refuses."""

    def make(*names, **attributes):
        for key, value in attributes.items():
            if isinstance(value, (list, np.ndarray)) and any(isinstance(v, (bool, np.bool_)) for v in value):
                attributes[key] = [int(v) for v in value]
        return make_node(*names, **attributes)

    return make


def opset(proto):
    return max([o.version for o in proto.opset_import if o.domain in ("", "ai.onnx")], default=0)


def boosters(w, data):
    try:
        import lightgbm
        import onnxmltools
        import xgboost
        from onnxmltools.convert.common.data_types import FloatTensorType as Floats
    except ImportError as error:
        print(f"not converted: boosters: {error}", file=sys.stderr)
        return
    few = {"n_estimators": 10}
    tables = [("numbers", data.numbers), ("holes", data.holes)]
    targets = [("two classes", data.two), ("three classes", data.three), ("value", data.value)]
    for table, x in tables:
        for target, y in targets:
            value = target == "value"
            models = {
                "LightGBM": (lightgbm.LGBMRegressor if value else lightgbm.LGBMClassifier)(**few, min_child_samples=5, verbose=-1),
                "LightGBM categorical": (lightgbm.LGBMRegressor if value else lightgbm.LGBMClassifier)(**few, min_child_samples=5, verbose=-1),
                "LightGBM random forest": (lightgbm.LGBMRegressor if value else lightgbm.LGBMClassifier)(
                    **few, boosting_type="rf", bagging_freq=1, bagging_fraction=0.7, verbose=-1),
                "XGBoost": (xgboost.XGBRegressor if value else xgboost.XGBClassifier)(**few, max_depth=4),
                "XGBoost random forest": (xgboost.XGBRFRegressor if value else xgboost.XGBRFClassifier)(**few, max_depth=4),
            }
            for name, model in models.items():
                whole = f"{name}, {table}, {target}"
                try:
                    features = x
                    if name.endswith("categorical"):
                        features = np.hstack([x[:, :2], data.code.astype(np.float32)])
                        model.fit(features, y, categorical_feature=[2])
                    else:
                        model.fit(features, y)
                    to = onnxmltools.convert_lightgbm if "LightGBM" in name else onnxmltools.convert_xgboost
                    more = {} if "XGBoost" in name or value else {"zipmap": False}
                    proto = to(model, initial_types=[("x", Floats([None, features.shape[1]]))], target_opset=15, **more)
                except Exception as error:  # as above
                    print(f"not converted: {whole}: {type(error).__name__} {str(error).strip()[:120]}", file=sys.stderr)
                    continue
                proto = onnx.load_from_string(proto.SerializeToString())
                w.case("onnxmltools", whole, opset(proto), proto, {"x": features})
