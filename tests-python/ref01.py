"""Recomputes the reference figures of the German credit pipeline, step by step as its recipe says, without the example.

    python ref01.py german_credit_data.csv

The recipe: drop `Sno`; labels encoded alphabetically; text columns with `NA` read as missing, filled with "missing", one
column a category; numbers standardised; logistic regression, L2, C = 1, lbfgs; 80/20 stratified, seed 42.

LogisticRegression of scikit-learn 1.3.2 gives the printed figures, that of 1.9.1 differs in the fourth digit: its lbfgs stops at
another point near the optimum. Here SciPy's L-BFGS-B minimises the sum of the losses, which gives the printed figures too, and what
the installed LogisticRegression gives is printed beside it.
"""

import sys

import numpy as np
import pandas as pd
import sklearn
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler

REQUEST = {
    "Age": 20,
    "Sex": "male",
    "Job": 0,
    "Housing": "own",
    "Saving accounts": "little",
    "Checking account": "little",
    "Credit amount": 100,
    "Duration": 48,
    "Purpose": "radio/TV",
}


class SummedLoss:
    """Logistic regression, L2, C = 1, by lbfgs over the sum of the losses: gtol 1e-4, ftol 2.2e-9, 100 iterations."""

    def fit(self, x, y):
        sign = 2 * y - 1

        def loss(w):
            margin = sign * (x @ w[:-1] + w[-1])
            slope = -sign * expit(-margin)
            value = np.logaddexp(0, -margin).sum() + 0.5 * w[:-1] @ w[:-1]
            return value, np.append(x.T @ slope + w[:-1], slope.sum())

        start = np.zeros(x.shape[1] + 1)
        options = {"gtol": 1e-4, "ftol": 2.2204460492503131e-09, "maxiter": 100, "maxls": 50}
        self.weights = minimize(loss, start, jac=True, method="L-BFGS-B", options=options).x
        return self

    def predict_proba(self, x):
        good = expit(x @ self.weights[:-1] + self.weights[-1])
        return np.column_stack([1 - good, good])


def report(name, model, parts, request):
    train_x, test_x, train_y, test_y = parts
    model.fit(train_x, train_y)
    train, test = model.predict_proba(train_x)[:, 1], model.predict_proba(test_x)[:, 1]
    print(name)
    print("Train accuracy %.3f" % np.mean((train > 0.5) == train_y))
    print("Test accuracy %.3f" % np.mean((test > 0.5) == test_y))
    print("Test AUC %.4f" % roc_auc_score(test_y, test))
    print("Request %s" % model.predict_proba(request).round(5).tolist())


def main():
    table = pd.read_csv(sys.argv[1]).drop(columns="Sno")
    target = LabelEncoder().fit_transform(table.pop("Risk"))
    numbers = table.select_dtypes(include="number").columns
    texts = table.columns.difference(numbers, sort=False)
    encode = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    filled = make_pipeline(SimpleImputer(strategy="constant", fill_value="missing"), encode)
    prepare = make_column_transformer((StandardScaler(), numbers), (filled, texts))
    train_x, test_x, train_y, test_y = train_test_split(
        table, target, test_size=0.20, stratify=target, random_state=42
    )
    parts = prepare.fit_transform(train_x), prepare.transform(test_x), train_y, test_y
    request = prepare.transform(pd.DataFrame([REQUEST]))
    report("as printed", SummedLoss(), parts, request)
    report("scikit-learn %s" % sklearn.__version__, LogisticRegression(C=1.0, solver="lbfgs"), parts, request)


if __name__ == "__main__":
    main()
