"""Contributed parts of the Azure ML SDK: raw HTTP in scoring scripts."""

from pkgutil import extend_path as _extend_path

__path__ = _extend_path(__path__, __name__)
