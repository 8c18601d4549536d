"""Explainers that only ask a model for predictions."""

from portcullis_compat.explain import TabularExplainer
from portcullis_compat.missing import refuse

__all__ = ["TabularExplainer"]

_USE = "use TabularExplainer, which needs no surrogate model and no other package"

__getattr__ = refuse(__name__, {"MimicExplainer": _USE, "PFIExplainer": _USE}, _USE)
