"""``ModelDataCollector``: what a scoring script keeps of its inputs and predictions."""

from portcullis_compat.collector import ModelDataCollector
from portcullis_compat.missing import refuse

__all__ = ["ModelDataCollector"]

__getattr__ = refuse(__name__, {}, "azureml.monitoring has ModelDataCollector here")
