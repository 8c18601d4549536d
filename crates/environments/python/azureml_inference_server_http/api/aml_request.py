"""``AMLRequest`` and the decorator ``rawhttp``."""

from portcullis_compat.http import AMLRequest, rawhttp

__all__ = ["AMLRequest", "rawhttp"]
