"""Serves the credit model: probabilities of bad and of good for every applicant, in this order."""

import os

import joblib
import pandas as pd
from azureml.contrib.services.aml_response import AMLResponse
from azureml.monitoring import ModelDataCollector
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema

SAMPLE = [
    {
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
]
COLUMNS = list(SAMPLE[0])
ANSWER = {"predict_proba": [[0.69, 0.31]]}


def init():
    """Loads the model once, and opens what keeps inputs and predictions when that is switched on."""
    global model, inputs, predictions
    model = joblib.load(os.path.join(os.environ["AZUREML_MODEL_DIR"], "credit-prediction.pkl"))
    inputs = ModelDataCollector("german-credit-basic-model", designation="inputs", feature_names=COLUMNS)
    predictions = ModelDataCollector(
        "german-credit-basic-model", designation="predictions", feature_names=["bad", "good"]
    )


@input_schema("data", StandardPythonParameterType(SAMPLE))
@output_schema(StandardPythonParameterType(ANSWER))
def run(data):
    """The probabilities for a list of applicants, each an object with the columns of the sample."""
    missing = sorted({name for row in data for name in COLUMNS if name not in row})
    if missing:
        return AMLResponse({"message": "missing columns: %s" % ", ".join(missing)}, 400, json_str=True)
    table = pd.DataFrame(data, columns=COLUMNS)
    correlations = inputs.collect(table)
    probabilities = model.predict_proba(table)
    predictions.collect(predictions.add_correlations(probabilities, correlations))
    return {"predict_proba": probabilities.tolist()}
