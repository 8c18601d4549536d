"""AutoGluon with the preset ``medium_quality``, two cores, log loss or root mean squared error as the metric."""

from __future__ import annotations

import time
from pathlib import Path

import common
from autogluon.tabular import TabularPredictor


def main() -> None:
    train, test, spec = common.read()
    target, folder = spec["target"], Path(spec["work"]) / "autogluon"
    regression = spec["task"] == "regression"
    predictor = TabularPredictor(
        label=target, path=str(folder), verbosity=0, eval_metric="root_mean_squared_error" if regression else "log_loss",
    )
    start = time.perf_counter()
    predictor.fit(train, presets="medium_quality", time_limit=spec["seconds"], num_cpus=2, num_gpus=0)
    took = time.perf_counter() - start
    rows = test.drop(columns=target)
    answers = predictor.predict(rows) if regression else predictor.predict_proba(rows)
    singles = [rows.iloc[[at]] for at in range(min(len(rows), 50))]
    predict = predictor.predict if regression else predictor.predict_proba
    common.write(
        answers.to_numpy(), [] if regression else list(answers.columns), seconds=took, bytes=common.size(folder),
        microseconds=common.microseconds(predict, singles), note=str(predictor.model_best),
    )


if __name__ == "__main__":
    main()
