"""Trains the banknote model: a polynomial SVM that is kept together with the scaler of its inputs."""

import argparse
import os

import joblib
import pandas as pd
from azureml.core import Run
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler
from sklearn.svm import SVC

FILE = "banknote_authentication.csv"
FEATURES = ["variance", "skewness", "curtosis", "entropy"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data_path", required=True, help="folder of %s, or the file itself" % FILE)
    parser.add_argument("--model_name", default="banknote.pkl", help="name of the model's file in ./outputs")
    args = parser.parse_args()

    run = Run.get_context()
    path = args.data_path
    table = pd.read_csv(os.path.join(path, FILE) if os.path.isdir(path) else path)
    train_x, test_x, train_y, test_y = train_test_split(
        table[FEATURES], table["class"], test_size=0.30, random_state=0
    )

    # One object: whoever loads the model cannot forget the scaler.
    model = make_pipeline(MinMaxScaler(), SVC(kernel="poly", degree=3))
    model.fit(train_x, train_y)

    guessed = model.predict(test_x)
    accuracy = accuracy_score(test_y, guessed)
    matrix = confusion_matrix(test_y, guessed)
    run.log("Train accuracy", model.score(train_x, train_y))
    run.log("Test accuracy", accuracy)
    run.log_confusion_matrix(
        "confusion_matrix",
        {
            "schema_type": "confusion_matrix",
            "schema_version": "1.0.0",
            "data": {"class_labels": ["genuine", "forged"], "matrix": matrix.tolist()},
        },
    )
    print("Accuracy on the held-out notes: %.3f" % accuracy)
    print("Accuracy over all notes, raw values in: %.3f" % model.score(table[FEATURES], table["class"]))
    print(classification_report(test_y, guessed, target_names=["genuine", "forged"]))
    print(matrix)

    os.makedirs("outputs", exist_ok=True)
    joblib.dump(model, os.path.join("outputs", args.model_name))
    run.complete()


if __name__ == "__main__":
    main()
