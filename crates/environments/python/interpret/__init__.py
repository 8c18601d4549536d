"""Explanations of models: ``interpret.ext.blackbox.TabularExplainer``."""

from pkgutil import extend_path as _extend_path

from portcullis_compat.missing import refuse as _refuse

__path__ = _extend_path(__path__, __name__)

__getattr__ = _refuse(__name__, {}, "interpret.ext.blackbox.TabularExplainer is here")
