"""scikit-learn's HistGradientBoostingClassifier on the quarters that examples/bank.rs holds out.

Run by hand: pip install scikit-learn pandas; python compare.py FILE TARGET [SEEDS]
"""
import sys
import time

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score


def held_out(rows, seed):
    with np.errstate(over="ignore"):
        z = np.arange(rows, dtype=np.uint64) + np.uint64(seed << 32) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return (z ^ (z >> np.uint64(31))) % np.uint64(4) == 0


def main():
    file, target = sys.argv[1:3]
    seeds = [int(s) for s in (sys.argv[3] if len(sys.argv) > 3 else "1,2,3").split(",")]
    table = pd.read_csv(file, keep_default_na=False)
    y = (table[target] == table[target].max()).astype(int)
    x = table.drop(columns=[target] + [c for c in ["Sno"] if c in table])
    for name in [c for c in x.columns if not pd.api.types.is_numeric_dtype(x[c])]:
        x[name] = x[name].astype("category")
    for encoding in ["declared", "ordinal"]:
        results = []
        for seed in seeds:
            out = held_out(len(x), seed)
            data = x
            if encoding == "ordinal":
                data = x.apply(lambda c: c.cat.codes if isinstance(c.dtype, pd.CategoricalDtype) else c)
            declared = "from_dtype" if encoding == "declared" else None
            start = time.process_time()
            model = HistGradientBoostingClassifier(categorical_features=declared, random_state=seed)
            model.fit(data[~out], y[~out])
            p = model.predict_proba(data[out])[:, 1]
            t = y[out]
            results.append((accuracy_score(t, p > 0.5), roc_auc_score(t, p), log_loss(t, p)))
            print(encoding, seed, "accuracy %.5f AUC %.5f log loss %.5f" % results[-1], "%.2f CPU s" % (time.process_time() - start))
        print(encoding, "mean accuracy %.5f AUC %.5f log loss %.5f" % tuple(np.mean(results, axis=0)))


if __name__ == "__main__":
    main()
