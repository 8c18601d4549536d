"""What scripts log, as numbers and as JSON."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional, Union


def number(value: Any) -> Optional[float]:
    """The number that a value is (also one of numpy, or an array of one element), else ``None``."""
    if isinstance(value, str) or value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def plain(value: Any) -> Any:
    """A value that JSON can hold: arrays and their scalars as lists and numbers, anything else as text."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple, set, range)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    convert = getattr(value, "tolist", None)
    return plain(convert()) if callable(convert) else str(value)


def as_json(value: Any) -> bytes:
    """JSON of any value, with two blanks to a level."""
    return json.dumps(plain(value), indent=2).encode("utf-8")


def table(columns: Dict[str, Any]) -> Dict[str, Union[List[str], List[List[Any]]]]:
    """A table in the form of MLflow's ``log_table``; a single value is a column of one row."""
    lists = {n: v if isinstance(v, list) else [v] for n, v in plain(dict(columns)).items()}
    rows = max((len(column) for column in lists.values()), default=0)
    data = [[column[i] if i < len(column) else None for column in lists.values()] for i in range(rows)]
    return {"columns": list(lists), "data": data}
