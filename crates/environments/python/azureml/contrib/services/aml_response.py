"""``AMLResponse``."""

from portcullis_compat.http import AMLResponse

__all__ = ["AMLResponse"]
