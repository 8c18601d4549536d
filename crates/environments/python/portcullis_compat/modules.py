"""Modules of the Azure ML SDK that are not here, each with what to use in its place."""

from __future__ import annotations

from importlib.abc import MetaPathFinder
from typing import Any, Optional

_JOB = "submit the step as a job with `portcullis job submit -f FILE`"
_ADVICE = {
    "azureml.pipeline": _JOB,
    "azureml.train.automl": "run `portcullis automl run --data NAME --target COLUMN`",
    "azureml.train.hyperdrive": "submit a sweep job with `portcullis job submit -f FILE` (`type: sweep`)",
    "azureml.train": _JOB,
    "azureml.automl": "run `portcullis automl run --data NAME --target COLUMN`",
    "azureml.data": "name the data asset as an input of the job and read the folder it is given in",
    "azureml.dataprep": "name the data asset as an input of the job and read the folder it is given in",
    "azureml.widgets": "follow the job with `portcullis job stream ID`",
    "azureml.core.authentication": "set MLFLOW_TRACKING_TOKEN to a token of `portcullis token issue`",
    "azureml.core.compute": "a job runs on the server's machine; its limits stand in the job's YAML",
    "azureml.core.runconfig": "`portcullis job submit -f FILE` takes a *.runconfig as it is",
    "azureml.core.conda_dependencies": "write a conda file and name it in the YAML of the job or the deployment",
    "azureml.core.datastore": "register the table with `portcullis data register NAME FILE`",
    "azureml.mlflow": "set MLFLOW_TRACKING_URI to the address of the server: the mlflow client needs nothing more",
    "azureml.opendatasets": "fetch the table and register it with `portcullis data register NAME FILE`",
}
_GENERAL = "here are azureml.core, azureml.monitoring, azureml.interpret and azureml.contrib.services"


class ModuleNotSupported(ModuleNotFoundError):
    """A module of the Azure ML SDK that Portcullis does not have."""


class Absent(MetaPathFinder):
    """Asked last: an ``azureml`` module that nobody else found is refused with advice."""

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> Optional[Any]:
        """Nothing for names of others; ``ModuleNotSupported`` for ours."""
        if not fullname.startswith("azureml."):
            return None
        name = fullname
        while name and name not in _ADVICE:
            name = name.rpartition(".")[0]
        advice = _ADVICE.get(name, _GENERAL)
        raise ModuleNotSupported("%s is not supported by Portcullis: %s" % (fullname, advice), name=fullname)
