"""Serves the banknote model: raw measurements in, genuine or forged out."""

import os

import joblib
import pandas as pd
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

SAMPLE = pd.DataFrame([{"variance": 3.6216, "skewness": 8.6661, "curtosis": -2.8073, "entropy": -0.44699}])
NAMES = {0: "genuine", 1: "forged"}


def init():
    """Loads the model, scaler included."""
    global model
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "banknote.pkl"))


@input_schema("data", PandasParameterType(SAMPLE))
@output_schema(StandardPythonParameterType({"prediction": ["genuine"]}))
def run(data):
    """What each note is."""
    classes = model.predict(data[list(SAMPLE.columns)])
    return {"prediction": [NAMES[int(found)] for found in classes]}
