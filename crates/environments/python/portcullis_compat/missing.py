"""Names that are not here say so, and what to use in their place."""

from __future__ import annotations

from typing import Any, Callable, Dict


class NotSupported(ImportError):
    """A name of the Azure ML SDK that Portcullis does not have."""


def not_supported(name: str, instead: str) -> NotSupported:
    """The error for a name, with what to do."""
    return NotSupported("%s is not supported by Portcullis: %s" % (name, instead))


def refuse(package: str, known: Dict[str, str], general: str) -> Callable[[str], Any]:
    """A module's ``__getattr__``: the advice for a known name, a general one for any other.

    Names with two leading underscores are asked for by Python itself and stay an ``AttributeError``.
    """

    def missing(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError("module %r has no attribute %r" % (package, name))
        raise not_supported("%s.%s" % (package, name), known.get(name, general))

    return missing
