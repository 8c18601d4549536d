"""``ExplanationClient``: explanations kept with a run."""

from portcullis_compat.explanations import ExplanationClient
from portcullis_compat.missing import refuse

__all__ = ["ExplanationClient"]

__getattr__ = refuse(__name__, {}, "azureml.interpret has ExplanationClient here")
