"""Names of the Azure ML SDK that training and scoring scripts use, mapped to Portcullis."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
