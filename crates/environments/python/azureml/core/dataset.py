"""``Dataset``: data assets by name. Their content reaches a script as an input of its job."""

from __future__ import annotations

from typing import Any, Dict
from urllib.parse import quote

from portcullis_compat import rest
from portcullis_compat.missing import not_supported

_INPUT = "name the data asset as an input of the job (`path: azureml:NAME:VERSION`) and read the folder it is given in"
_REGISTER = "register the table with `portcullis data register NAME FILE`"


class Dataset:
    """One version of a data asset."""

    def __init__(self, workspace: Any, found: Dict[str, Any]):
        self.workspace = workspace
        self.name = str(found["name"])
        self.version = int(found["version"])
        self.id = "%s:%d" % (self.name, self.version)

    @classmethod
    def get_by_name(cls, workspace: Any, name: str, version: Any = "latest") -> "Dataset":
        """A version of the data asset of a name."""
        path = "data/%s/versions/%s" % (quote(name, safe=""), quote(str(version), safe=""))
        return cls(workspace, rest.needed("Dataset.get_by_name").control("GET", path))

    @classmethod
    def get_by_id(cls, workspace: Any, id: str) -> "Dataset":
        """The version that an id ``NAME:VERSION`` names."""
        name, _, version = id.partition(":")
        return cls.get_by_name(workspace, name, version or "latest")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError("Dataset.%s is not supported by Portcullis: %s" % (name, _INPUT))

    def __repr__(self) -> str:
        return "Dataset(name=%s, version=%d)" % (self.name, self.version)


class _Maker:
    """``Dataset.Tabular`` and ``Dataset.File``: making data sets is the command line's."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise not_supported("Dataset.%s.%s" % (self._name, name), _REGISTER)


Dataset.Tabular = _Maker("Tabular")  # type: ignore[attr-defined]
Dataset.File = _Maker("File")  # type: ignore[attr-defined]
