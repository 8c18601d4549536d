"""The baseline that AutoML is held against: one HistGradientBoostingClassifier as it comes.

    hist_gb_baseline.py TABLE.csv TARGET [FOLDER]

Three seeded, stratified quarters are held out in turn; text columns go in as native categories. Prints accuracy and
AUC of each quarter and their means as JSON. With FOLDER it also writes `train_SEED.csv` and `test_SEED.csv`, so that
the other side learns and is judged on the very same rows.
"""

import json
import pathlib
import sys

import pandas
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split

SEEDS = (1, 2, 3)
HELD_OUT = 0.25


def encoded(table, target):
    """Features with text as categories, and the labels."""
    features = table.drop(columns=[target])
    for name in features.columns:
        if not pandas.api.types.is_numeric_dtype(features[name]):
            features[name] = features[name].astype("category")
    return features, table[target]


def scores(features, labels, train, test, seed):
    """Accuracy and AUC on the held-out rows (several classes: one against the rest, weighted)."""
    model = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=seed)
    model.fit(features.loc[train], labels.loc[train])
    shares = model.predict_proba(features.loc[test])
    binary = len(model.classes_) == 2
    auc = roc_auc_score(
        labels.loc[test],
        shares[:, 1] if binary else shares,
        **({} if binary else {"multi_class": "ovr", "average": "weighted"}),
    )
    accuracy = accuracy_score(labels.loc[test], model.predict(features.loc[test]))
    return {"seed": seed, "accuracy": accuracy, "auc": auc}


def main():
    file, target, *folder = sys.argv[1:]
    # "NA" and its like stay words: what counts as missing is the other side's business too.
    table = pandas.read_csv(file, keep_default_na=False, na_values=[""])
    features, labels = encoded(table, target)
    quarters = []
    for seed in SEEDS:
        train, test = train_test_split(table.index, test_size=HELD_OUT, stratify=labels, random_state=seed)
        if folder:
            place = pathlib.Path(folder[0])
            table.loc[train].to_csv(place / f"train_{seed}.csv", index=False)
            table.loc[test].to_csv(place / f"test_{seed}.csv", index=False)
        quarters.append(scores(features, labels, train, test, seed))
    means = {name: sum(quarter[name] for quarter in quarters) / len(quarters) for name in ("accuracy", "auc")}
    print(json.dumps({"quarters": quarters, **means}))


if __name__ == "__main__":
    main()
