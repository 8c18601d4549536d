"""The base of all kinds of samples."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Dict, List


class AbstractParameterType(ABC):
    """A sample, and how JSON becomes a value like it. Users may derive their own."""

    def __init__(self, sample_input: Any):
        self.sample_input = sample_input
        self.sample_data_type = type(sample_input)

    def supported_versions(self) -> List[str]:
        """Versions of swagger documents the sample can be described in: a list of mixed types has no version 2."""
        versions = ["3.0", "3.1"]
        if _fits_version_two(self.input_to_swagger()["example"]):
            versions.insert(0, "2.0")
        return versions

    @abstractmethod
    def deserialize_input(self, input_data: Any) -> Any:
        """The value for what came in JSON. Raises ``ValueError`` when it cannot be made."""

    @abstractmethod
    def input_to_swagger(self) -> Dict[str, Any]:
        """The schema of the sample, with the sample as member ``example``."""


def _fits_version_two(example: Any) -> bool:
    if type(example) is list and example:
        first = type(example[0])
        return all(type(item) is first and (first is not list or _fits_version_two(item)) for item in example)
    if type(example) is dict:
        return all(_fits_version_two(item) for item in example.values())
    return True
