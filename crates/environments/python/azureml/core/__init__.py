"""The names of ``azureml.core`` that training and service scripts use."""

from portcullis_compat.missing import refuse

from .dataset import Dataset
from .environment import Environment
from .experiment import Experiment
from .model import Model
from .run import Run
from .webservice import Webservice
from .workspace import Workspace

#: There is no Azure ML SDK here; the number says so.
VERSION = "0.0.0+portcullis"

__all__ = ["Dataset", "Environment", "Experiment", "Model", "Run", "VERSION", "Webservice", "Workspace"]

_JOB = "write the job as YAML, or take its *.runconfig, and run `portcullis job submit -f FILE`"
_DATA = "register the table with `portcullis data register NAME FILE`"

__getattr__ = refuse(
    __name__,
    {
        "ScriptRunConfig": _JOB,
        "RunConfiguration": _JOB,
        "ComputeTarget": "a job runs on the server's machine; its limits stand in the job's YAML",
        "Datastore": _DATA,
        "Keyvault": "use `portcullis secret set NAME`",
        "Image": "`portcullis serve-model MODEL` is what a container image runs",
    },
    "azureml.core has Dataset, Environment, Experiment, Model, Run, Webservice and Workspace here",
)
