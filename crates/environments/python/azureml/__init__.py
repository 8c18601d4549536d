"""Names of the Azure ML SDK that training and scoring scripts use, mapped to Portcullis.

Here are ``azureml.core``, ``azureml.monitoring``, ``azureml.interpret`` and ``azureml.contrib.services``. A module that is
not here says what to use in its place.
"""

import sys as _sys
from pkgutil import extend_path as _extend_path

from portcullis_compat.modules import Absent as _Absent

__path__ = _extend_path(__path__, __name__)
_sys.meta_path.append(_Absent())
