"""Surrogate models are not supported."""

from portcullis_compat.missing import refuse

__getattr__ = refuse(__name__, {}, "surrogate models are not here; use interpret.ext.blackbox.TabularExplainer")
