"""Trains the credit model: reads the table, fits the pipeline, logs accuracy and explains what the model goes by."""

import argparse
import os

import joblib
import pandas as pd
from azureml.core import Run
from azureml.interpret import ExplanationClient
from interpret.ext.blackbox import TabularExplainer
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import LabelEncoder, OneHotEncoder, StandardScaler

FILE = "german_credit_data.csv"
TARGET = "Risk"


def read_table(path):
    """The table as features and labels; the serial number is no feature. The text NA is read as missing."""
    table = pd.read_csv(os.path.join(path, FILE) if os.path.isdir(path) else path)
    return table.drop(columns=["Sno", TARGET], errors="ignore"), table[TARGET]


def make_preprocessor(features):
    """Numbers are standardised; of texts, missing becomes a category, and every category a column."""
    numbers = features.select_dtypes(include="number").columns.tolist()
    texts = [name for name in features.columns if name not in numbers]
    categories = Pipeline(
        [
            ("fill", SimpleImputer(strategy="constant", fill_value="missing")),
            ("encode", OneHotEncoder(handle_unknown="ignore", sparse_output=False)),
        ]
    )
    return ColumnTransformer([("numbers", StandardScaler(), numbers), ("texts", categories, texts)])


def explain(run, pipeline, train_features, test_features, classes):
    """Logs which columns the predictions come from, over all classes."""
    explainer = TabularExplainer(
        pipeline.named_steps["classify"],
        initialization_examples=train_features,
        features=train_features.columns,
        classes=classes,
        transformations=pipeline.named_steps["prepare"],
    )
    explanation = explainer.explain_global(test_features)
    print("ranked global importance values: %s" % [round(v, 4) for v in explanation.get_ranked_global_values()])
    print("ranked global importance names: %s" % explanation.get_ranked_global_names())
    print("global importance rank: %s" % explanation.global_importance_rank)
    client = ExplanationClient.from_run(run)
    client.upload_model_explanation(explanation, comment="global explanation: all features")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_path", required=True, help="folder of %s, or the file itself" % FILE)
    parser.add_argument("--model_name", default="credit-prediction.pkl", help="name of the model's file in ./outputs")
    args = parser.parse_args()

    run = Run.get_context()
    features, risk = read_table(args.data_path)
    labels = LabelEncoder()
    target = labels.fit_transform(risk)
    train_features, test_features, train_target, test_target = train_test_split(
        features, target, test_size=0.20, stratify=target, random_state=42
    )

    pipeline = Pipeline([("prepare", make_preprocessor(features)), ("classify", LogisticRegression())])
    pipeline.fit(train_features, train_target)

    train_accuracy = pipeline.score(train_features, train_target)
    test_accuracy = pipeline.score(test_features, test_target)
    run.log("Train accuracy", train_accuracy)
    run.log("Test accuracy", test_accuracy)
    print("Training accuracy: %.3f" % train_accuracy)
    print("Testing accuracy: %.3f" % test_accuracy)
    # LabelEncoder sorts: 0 is bad, 1 is good, and predict_proba gives them in this order.
    explain(run, pipeline, train_features, test_features, list(labels.classes_))

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(pipeline, os.path.join("outputs", args.model_name))
    run.complete()


if __name__ == "__main__":
    main()
