"""Prints made cases of predictions with scikit-learn's metrics, as JSON: what automl's metrics are compared with."""

import json
import math
import sys
import warnings

import numpy as np
from scipy import stats
from sklearn import metrics as sk

warnings.filterwarnings("ignore")


def classification(truth, shares, weights):
    count = shares.shape[1]
    decided = shares.argmax(axis=1)
    labels = list(range(count))
    of = {"sample_weight": weights}
    live = sorted(set(truth) | set(decided))
    own = np.bincount(truth, minlength=count)[truth] * (1.0 if weights is None else weights)
    out = {
        "accuracy": sk.accuracy_score(truth, decided, **of),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, decided, **of),
        "weighted_accuracy": sk.accuracy_score(truth, decided, sample_weight=own),
        "log_loss": sk.log_loss(truth, shares, labels=labels, **of),
        "matthews_correlation": sk.matthews_corrcoef(truth, decided, **of),
    }
    for average in ("macro", "micro", "weighted"):
        given = {"labels": live, "average": average, "zero_division": 0, **of}
        out[f"f1_score_{average}"] = sk.f1_score(truth, decided, **given)
        out[f"precision_score_{average}"] = sk.precision_score(truth, decided, **given)
        out[f"recall_score_{average}"] = sk.recall_score(truth, decided, **given)
    out["norm_macro_recall"] = (out["recall_score_macro"] - 1 / count) / (1 - 1 / count)
    hot = np.eye(count, dtype=int)[truth]
    usable = [c for c in labels if 0 < hot[:, c].sum() < len(truth)]
    if usable:
        part, scores = hot[:, usable], shares[:, usable]
        support = (part * (np.ones(len(truth)) if weights is None else weights)[:, None]).sum(axis=0)
        for name, score in (("AUC", sk.roc_auc_score), ("average_precision_score", sk.average_precision_score)):
            each = [score(part[:, i], scores[:, i], **of) for i in range(len(usable))]
            out[f"{name}_macro"] = np.mean(each)
            out[f"{name}_weighted"] = np.average(each, weights=support)
            if len(usable) == count and count > 2:
                # The same by scikit-learn's own averages.
                assert math.isclose(out[f"{name}_macro"], score(hot, shares, average="macro", **of), abs_tol=1e-12)
                assert math.isclose(out[f"{name}_weighted"], score(hot, shares, average="weighted", **of), abs_tol=1e-12)
        if len(usable) == count:
            adjusted = sk.balanced_accuracy_score(truth, decided, adjusted=True, **of)
            assert math.isclose(adjusted, out["norm_macro_recall"], abs_tol=1e-12)
    repeated = None if weights is None else np.repeat(weights, count)
    out["AUC_micro"] = sk.roc_auc_score(hot.ravel(), shares.ravel(), sample_weight=repeated)
    out["average_precision_score_micro"] = sk.average_precision_score(
        hot.ravel(), shares.ravel(), sample_weight=repeated
    )
    return out


def regression(truth, predicted, weights):
    of = {"sample_weight": weights}
    span = truth.max() - truth.min()
    constant = np.ptp(truth) == 0 or np.ptp(predicted) == 0
    some = truth != 0
    kept = None if weights is None else weights[some]
    out = {
        "r2_score": sk.r2_score(truth, predicted, **of),
        "explained_variance": sk.explained_variance_score(truth, predicted, **of),
        "spearman_correlation": 0.0 if constant else stats.spearmanr(truth, predicted)[0],
    }
    errors = {
        "root_mean_squared_error": sk.root_mean_squared_error(truth, predicted, **of),
        "mean_absolute_error": sk.mean_absolute_error(truth, predicted, **of),
        "median_absolute_error": sk.median_absolute_error(truth, predicted, **of),
    }
    spans = dict.fromkeys(errors, span)
    if truth.min() > -1 and predicted.min() > -1:
        name = "root_mean_squared_log_error"
        errors[name] = sk.root_mean_squared_log_error(truth, predicted, **of)
        spans[name] = np.log1p(truth.max()) - np.log1p(truth.min())
    for name, error in errors.items():
        out[name] = error
        if spans[name] > 0:
            out[f"normalized_{name}"] = error / spans[name]
    if some.any():
        share = sk.mean_absolute_percentage_error(truth[some], predicted[some], sample_weight=kept)
        out["mean_absolute_percentage_error"] = 100 * share
    return out


def shares_of(random, rows, count, ties):
    raw = random.gamma(0.7, size=(rows, count)) + 1e-3
    shares = raw / raw.sum(axis=1, keepdims=True)
    if ties:
        shares = np.round(shares, 1) + 0.05
        shares /= shares.sum(axis=1, keepdims=True)
    return shares


def classes(random):
    for count in (2, 3, 7):
        for rows in (5, 60, 400):
            for ties in (False, True):
                truth = random.integers(0, count, rows)
                truth[: min(count, rows)] = np.arange(min(count, rows))
                yield f"{count} classes, {rows} rows, ties {ties}", truth, shares_of(random, rows, count, ties)
    for count in (2, 5):
        constant = np.tile(np.full(count, 1 / count), (40, 1))
        yield f"{count} classes, constant", np.arange(40) % count, constant
        missing = np.arange(50) % max(count - 1, 1)
        yield f"{count} classes, one never occurs", missing, shares_of(random, 50, count, False)
        sure = np.eye(count)[random.integers(0, count, 30)]
        yield f"{count} classes, zeros and ones", np.arange(30) % count, sure
    yield "one class only", np.zeros(20, dtype=int), shares_of(random, 20, 3, False)
    rare = np.zeros(200, dtype=int)
    rare[:3] = 1
    yield "rare class", rare, shares_of(random, 200, 2, True)


def numbers(random):
    for rows in (2, 9, 500):
        truth = random.gamma(2, 3, rows)
        yield f"{rows} numbers", truth, truth * random.uniform(0.5, 1.5, rows)
        yield f"{rows} numbers, ties and zeros", np.round(truth) - 2, np.round(truth * 1.1)
        yield f"{rows} numbers, negative", truth - 20, -truth
    yield "constant predictions", np.arange(30.0), np.full(30, 14.5)
    yield "constant target", np.full(10, 3.0), np.arange(10.0)
    yield "constant and met", np.full(10, 3.0), np.full(10, 3.0)
    yield "perfect", np.arange(12.0), np.arange(12.0)


def main():
    random = np.random.default_rng(20261121)
    cases = []
    made = [(*c, "classes") for c in classes(random)] + [(*n, "numbers") for n in numbers(random)]
    for name, truth, predicted, kind in made:
        drawn = random.integers(1, 5, len(truth)) / 4.0
        for weights in (None, drawn):
            expected = (classification if kind == "classes" else regression)(truth, predicted, weights)
            cases.append({
                "name": f"{name}, {'weighted' if weights is not None else 'plain'}",
                "classes": predicted.shape[1] if kind == "classes" else 0,
                "truth": truth.tolist(),
                "predicted": predicted.ravel().tolist(),
                "weights": None if weights is None else weights.tolist(),
                "expected": {k: float(v) for k, v in expected.items() if math.isfinite(v)},
            })
    json.dump(cases, sys.stdout)


if __name__ == "__main__":
    main()
