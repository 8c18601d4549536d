"""FLAML with its own defaults: ``AutoML.fit`` with a time budget and two jobs, log loss or root mean squared error as the metric."""

from __future__ import annotations

import pickle
import time

import common
from flaml import AutoML


def main() -> None:
    train, test, spec = common.read()
    target = spec["target"]
    for frame in (train, test):
        for column in frame.columns.drop(target):
            if frame[column].dtype.kind not in "fiub":
                frame[column] = frame[column].astype("category")
    # A test value outside the training categories would be refused: it is missing.
    for column in train.columns.drop(target):
        if str(train[column].dtype) == "category":
            test[column] = test[column].cat.set_categories(train[column].cat.categories)
    regression = spec["task"] == "regression"
    automl = AutoML()
    start = time.perf_counter()
    automl.fit(
        dataframe=train, label=target, task="regression" if regression else "classification", time_budget=spec["seconds"],
        metric="rmse" if regression else "log_loss", n_jobs=2, seed=spec["seed"], verbose=0,
    )
    took = time.perf_counter() - start
    rows = test.drop(columns=target)
    predict = automl.predict if regression else automl.predict_proba
    singles = [rows.iloc[[at]] for at in range(min(len(rows), 50))]
    common.write(
        predict(rows), [] if regression else automl.classes_, seconds=took, bytes=len(pickle.dumps(automl.model)),
        microseconds=common.microseconds(predict, singles), note=str(automl.best_estimator),
    )


if __name__ == "__main__":
    main()
