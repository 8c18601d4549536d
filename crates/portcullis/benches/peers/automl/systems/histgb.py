"""One HistGradientBoosting of scikit-learn with its defaults and native categories: what a data scientist would try first."""

from __future__ import annotations

import pickle
import time

import common
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor


def main() -> None:
    train, test, spec = common.read()
    target = spec["target"]
    for column in train.columns.drop(target):
        if train[column].dtype.kind not in "fiub":
            train[column] = train[column].astype("category")
            # More levels than the learner takes become missing, the rarest first.
            levels = train[column].value_counts().index[:250]
            train[column] = train[column].cat.set_categories(levels)
            test[column] = test[column].astype("category").cat.set_categories(levels)
    regression = spec["task"] == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = kind(categorical_features="from_dtype", random_state=spec["seed"])
    rows = test.drop(columns=target)
    start = time.perf_counter()
    model.fit(train.drop(columns=target), train[target])
    took = time.perf_counter() - start
    predict = model.predict if regression else model.predict_proba
    singles = [rows.iloc[[at]] for at in range(min(len(rows), 50))]
    common.write(
        predict(rows), [] if regression else model.classes_, seconds=took, bytes=len(pickle.dumps(model)),
        microseconds=common.microseconds(predict, singles),
    )


if __name__ == "__main__":
    main()
