"""What the decorators of a function say. The record hangs on the function itself and follows it through wrappers."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Callable, Dict, List, Optional, Set

#: All versions of swagger documents.
ALL_VERSIONS = ("2.0", "3.0", "3.1")

_ATTRIBUTE = "__portcullis_schema__"


class Record:
    """Schemas of one function: the input parameter by parameter, and the output."""

    def __init__(self, function: Callable[..., Any]):
        names = [p.name for p in inspect.signature(function).parameters.values()]
        self.names = names
        self.given: Optional[Dict[str, Any]] = None
        self.returned: Optional[Dict[str, Any]] = None
        self.versions: Set[str] = set(ALL_VERSIONS)

    def add_input(self, name: str, schema: Dict[str, Any]) -> None:
        """The schema of one parameter."""
        if self.given is None:
            names = [n for n in self.names if n != "request_headers"]
            self.given = {"type": "object", "properties": {n: {} for n in names}, "example": {n: "" for n in names}}
        item = copy.deepcopy(schema)
        self.given["example"][name] = item.pop("example")
        self.given["properties"][name] = item

    def add_output(self, schema: Dict[str, Any], function: str) -> None:
        """The schema of the result; there is one."""
        if self.returned is not None:
            raise Exception("Error, output schema already defined for function: %s." % function)
        self.returned = schema


def record_of(function: Callable[..., Any]) -> Record:
    """The record of a function, made when there is none."""
    found = getattr(function, _ATTRIBUTE, None)
    if found is None:
        found = Record(inspect.unwrap(function))
        setattr(function, _ATTRIBUTE, found)
    return found  # type: ignore[no-any-return]


def is_schema_decorated(function: Callable[..., Any]) -> bool:
    """Whether a function has a sample decorator."""
    return getattr(function, _ATTRIBUTE, None) is not None


def get_input_schema(function: Callable[..., Any]) -> Dict[str, Any]:
    """Schema of the arguments: an object with a member for each."""
    found = getattr(function, _ATTRIBUTE, None)
    return {"type": "object"} if found is None or found.given is None else found.given  # type: ignore[no-any-return]


def get_output_schema(function: Callable[..., Any]) -> Dict[str, Any]:
    """Schema of the result."""
    found = getattr(function, _ATTRIBUTE, None)
    return {"type": "object"} if found is None or found.returned is None else found.returned  # type: ignore[no-any-return]


def get_supported_versions(function: Callable[..., Any]) -> List[str]:
    """Versions in which every sample of the function has a schema."""
    found = getattr(function, _ATTRIBUTE, None)
    return list(ALL_VERSIONS) if found is None else sorted(found.versions)
