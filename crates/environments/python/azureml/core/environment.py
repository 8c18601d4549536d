"""``Environment``: a name and the file of its packages. It is built when a job or a deployment names that file."""

from __future__ import annotations

from typing import Any, Dict, Optional

from portcullis_compat.missing import not_supported

_FILE = "name the conda file in the YAML of the job or the deployment (`environment: {conda_file: FILE}`)"


class Environment:
    """What an environment is called and which file describes it."""

    def __init__(self, name: str, **kwargs: Any):
        self.name = name
        self.version: Optional[str] = None
        self.file: Optional[str] = None
        self.environment_variables: Dict[str, str] = {}

    @staticmethod
    def from_conda_specification(name: str, file_path: str) -> "Environment":
        """An environment of a conda file. Raises ``OSError`` when the file cannot be read."""
        return _of_file(name, file_path)

    @staticmethod
    def from_pip_requirements(name: str, file_path: str, **kwargs: Any) -> "Environment":
        """An environment of a requirements file. Raises ``OSError`` when the file cannot be read."""
        return _of_file(name, file_path)

    @staticmethod
    def get(workspace: Any, name: str, version: Any = None, **kwargs: Any) -> Any:
        """Not supported."""
        raise not_supported("Environment.get", _FILE)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError("Environment.%s is not supported by Portcullis: %s" % (name, _FILE))

    def __repr__(self) -> str:
        return "Environment(name=%s, file=%s)" % (self.name, self.file)


def _of_file(name: str, path: str) -> Environment:
    with open(path, "rb"):
        pass
    environment = Environment(name)
    environment.file = path
    return environment
