"""Saves an MLflow model of Python code, with a signature, into the folder of its first argument."""

import sys

import mlflow
import pandas
from mlflow.models import infer_signature


class Table(mlflow.pyfunc.PythonModel):
    """Doubles the column a, and adds to the text of b."""

    def predict(self, context, model_input, params=None):
        return pandas.DataFrame({"twice": model_input["a"] * 2, "text": model_input["b"] + "!"})


table = pandas.DataFrame({"a": [1.0, 2.0], "b": ["p", "q"]})
signature = infer_signature(table, Table().predict(None, table))
mlflow.pyfunc.save_model(sys.argv[1], python_model=Table(), signature=signature)
print("saved", sys.argv[1])
