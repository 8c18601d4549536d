"""Rows of the protocols as the arguments of a scoring script.

The rows of a call come in one of MLflow's forms (``dataframe_split``, ``dataframe_records``, ``instances``, ``inputs``), in
CSV with a header, or as tensors. A script gets them as if they had come to ``/score`` in the JSON its argument reads:

* ``run(raw)`` gets the text of ``{"data": rows}``: objects where columns are named, else nested lists;
* a decorated ``run`` of one argument, or with one that has no default, gets the rows in it, in the form of its sample: a data
  frame in its orient, an array as nested lists, an object that holds one of those as such an object;
* where the names of the columns or tensors are those of the arguments, each argument gets the one of its name.
"""

from __future__ import annotations

import csv
import io
import json
from typing import Any, Dict, List, NamedTuple, Optional, Sequence

from .inputs import Refused
from .outputs import UNNAMED
from .tensors import Asked

#: Members of a JSON object that hold rows, of which there is one.
FORMS = ("dataframe_split", "dataframe_records", "instances", "inputs")


class Table(NamedTuple):
    """Rows. ``names`` are those of the columns, ``None`` for rows that are lists or bare values.

    ``named`` are whole values by their names, where the call brought such: columns, tensors.
    """

    names: Optional[List[str]]
    rows: List[Any]
    named: Optional[Dict[str, Any]] = None
    params: Dict[str, Any] = {}

    def records(self) -> List[Any]:
        """Rows as objects, as far as the columns have names."""
        if self.names is None:
            return self.rows
        return [dict(zip(self.names, row)) for row in self.rows]

    def columns(self) -> Dict[str, List[Any]]:
        """Columns by name; only of rows whose columns have names."""
        names = self.names or []
        return {name: [row[at] for row in self.rows] for at, name in enumerate(names)}


def of_json(body: bytes, forms: Sequence[str] = FORMS) -> Optional[Table]:
    """The rows in a JSON body; ``None`` when it has none of the forms. Raises ``Refused`` for a form that holds no rows."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return None
    given = [form for form in forms if form in value]
    if len(given) != 1:
        return None
    params = value.get("params")
    if params is not None and not isinstance(params, dict):
        raise Refused(400, "'params' must be a JSON dictionary")
    return _of_form(given[0], value[given[0]])._replace(params=params or {})


def _of_form(form: str, data: Any) -> Table:
    if form == "dataframe_split":
        return _split(data)
    if form == "inputs" and isinstance(data, dict):
        return _columnar(data)
    if not isinstance(data, list):
        raise Refused(400, "'%s' must be a list of rows" % form)
    records = bool(data) and all(isinstance(row, dict) for row in data)
    if form == "dataframe_records" and data and not records:
        raise Refused(400, "'dataframe_records' must be a list of objects")
    return of_records(data) if records else Table(None, data)


def of_records(rows: List[Dict[str, Any]]) -> Table:
    """Rows that are objects; what one lacks is null."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return Table(names, [[row.get(name) for name in names] for row in rows])


def _split(data: Any) -> Table:
    if not isinstance(data, dict) or not isinstance(data.get("columns"), list) or not isinstance(data.get("data"), list):
        raise Refused(400, "'dataframe_split' must be an object with the lists 'columns' and 'data'")
    names = [str(name) for name in data["columns"]]
    for at, row in enumerate(data["data"]):
        if not isinstance(row, list) or len(row) != len(names):
            raise Refused(400, "row %d of 'dataframe_split' is no list of %d values" % (at, len(names)))
    return Table(names, data["data"])


def _columnar(data: Dict[str, Any]) -> Table:
    lists = all(isinstance(column, list) for column in data.values())
    lengths = {len(column) for column in data.values() if isinstance(column, list)}
    if lists and len(lengths) == 1:
        return Table(list(data), [list(row) for row in zip(*data.values())], dict(data))
    return Table(None, [data], dict(data))


def of_csv(body: bytes) -> Table:
    """Rows in CSV with a header; what reads as a number is one, an empty cell is null."""
    try:
        lines = list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline=""), strict=True))
    except (csv.Error, UnicodeDecodeError) as error:
        raise Refused(400, "Failed to parse input as CSV: %s" % error) from None
    lines = [line for line in lines if line]
    if not lines:
        raise Refused(400, "Failed to parse input as CSV: it has no header")
    names, rows = lines[0], lines[1:]
    for at, row in enumerate(rows):
        if len(row) != len(names):
            raise Refused(400, "Failed to parse input as CSV: row %d has %d cells of %d" % (at, len(row), len(names)))
    return Table(names, [[_cell(text) for text in row] for row in rows])


def _cell(text: str) -> Any:
    if text == "":
        return None
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return {"true": True, "false": False}.get(text.lower(), text)


def of_tensors(asked: Asked) -> Table:
    """The rows in tensors: columns when they are a table's, else the values of the only one."""
    named = {tensor.name: tensor.nested() for tensor in asked.inputs}
    lengths = {tensor.shape[0] if tensor.shape else -1 for tensor in asked.inputs}
    if asked.is_table:
        if len(lengths) > 1:
            raise Refused(400, "the inputs have different numbers of rows: %s" % ", ".join(map(str, sorted(lengths))))
        names = [tensor.name for tensor in asked.inputs]
        return Table(names, [list(row) for row in zip(*(tensor.values for tensor in asked.inputs))], named)
    if len(asked.inputs) == 1:
        value = named[asked.inputs[0].name]
        return Table(None, value if isinstance(value, list) else [value], named)
    return Table(None, [named], named)


def as_text(table: Table) -> str:
    """The text for ``run(raw)``."""
    return json.dumps({"data": table.records()})


class Arguments:
    """The arguments of a decorated ``run()``: their names, those that have a default, and the schemas of their samples."""

    def __init__(self, names: Sequence[str], optional: Sequence[str], schema: Dict[str, Any]):
        self.names = list(names)
        self._needed = [name for name in names if name not in optional]
        self._schemas: Dict[str, Any] = schema.get("properties") or {}
        self._examples: Dict[str, Any] = schema.get("example") or {}

    def fill(self, table: Table) -> Dict[str, Any]:
        """The rows as arguments. Raises ``Refused`` when they do not fit."""
        more = {name: value for name, value in table.params.items() if name in self.names}
        named = table.named
        if named is not None and set(named) <= set(self.names) and set(self._needed) <= set(named) | set(more):
            return {**more, **{name: self._one(name, value) for name, value in named.items()}}
        data = self.data()
        if data is None:
            text = "send one input for each argument of run(): %s" % ", ".join(self._needed)
            raise Refused(400, text)
        return {**more, data: shaped(self._schemas.get(data) or {}, self._examples.get(data), table)}

    def data(self) -> Optional[str]:
        """The argument that takes rows: the only one, or the only one without a default."""
        candidates = self._needed or self.names
        return candidates[0] if len(candidates) == 1 else None

    def _one(self, name: str, value: Any) -> Any:
        """A value of its own for an argument; a tensor of one element for one that is neither list nor object."""
        schema = self._schemas.get(name) or {}
        if schema.get("type") in ("array", "object"):
            table = Table(None, value if isinstance(value, list) else [value])
            return shaped(schema, self._examples.get(name), table) if _orient(schema) else value
        while isinstance(value, list) and len(value) == 1:
            value = value[0]
        return value

    def tensors(self) -> List[Dict[str, Any]]:
        """What metadata tells of the arguments, as far as their samples say: columns of data frames, else the arguments."""
        found: List[Dict[str, Any]] = []
        for name in self.names:
            found.extend(described(name, self._schemas.get(name) or {}, self._examples.get(name)))
        return found


def _orient(schema: Dict[str, Any]) -> Optional[str]:
    kind, _, orient = str(schema.get("format", "")).partition(":")
    return orient or "records" if kind == "pandas.DataFrame" else None


def _inner(schema: Dict[str, Any]) -> Optional[str]:
    """The only member of an object that is a list or table itself."""
    members = schema.get("properties") or {}
    if schema.get("type") != "object" or _orient(schema) or len(members) != 1:
        return None
    (name,) = members
    return name if members[name].get("type") == "array" or _orient(members[name]) else None


def _part(example: Any, name: str) -> Any:
    return example.get(name) if isinstance(example, dict) else None


def shaped(schema: Dict[str, Any], example: Any, table: Table) -> Any:
    """Rows in the JSON form that a sample of this schema reads."""
    orient = _orient(schema)
    if orient is not None:
        return _frame(orient, _names(schema, example, table), table)
    inner = _inner(schema)
    if inner is not None:
        return {inner: shaped(schema["properties"][inner], _part(example, inner), table)}
    if schema.get("type") == "array":
        return _list(schema.get("items") or {}, table)
    if schema.get("type") == "object":
        return _object(schema, table)
    rows = table.records()
    return rows[0] if len(rows) == 1 else rows


def _list(items: Dict[str, Any], table: Table) -> List[Any]:
    kind = items.get("type")
    if kind == "object":
        return table.records()
    if kind in (None, "array"):
        return table.rows
    return [row[0] if isinstance(row, list) and len(row) == 1 else row for row in table.rows]


def _object(schema: Dict[str, Any], table: Table) -> Any:
    """An object of lists gets the columns, an object of values the only row."""
    members = (schema.get("properties") or {}).values()
    if table.names is not None and members and all(member.get("type") == "array" for member in members):
        return table.columns()
    rows = table.records()
    if len(rows) != 1 or not isinstance(rows[0], dict):
        raise Refused(400, "the script takes one object; send one row with named columns")
    return rows[0]


def _sample_names(schema: Dict[str, Any], example: Any) -> List[str]:
    if isinstance(example, dict) and isinstance(example.get("columns"), list):
        return [str(name) for name in example["columns"]]
    if _orient(schema) == "columns" and isinstance(example, dict):
        return [str(name) for name in example]
    rows = example if isinstance(example, list) else list(example.values()) if isinstance(example, dict) else []
    return [str(name) for name in rows[0]] if rows and isinstance(rows[0], dict) else []


def _names(schema: Dict[str, Any], example: Any, table: Table) -> List[str]:
    """The columns' names; rows without names are in the order of the sample's columns."""
    if table.names is not None:
        return table.names
    names = _sample_names(schema, example)
    width = len(table.rows[0]) if table.rows and isinstance(table.rows[0], list) else 1
    return names if len(names) == width else [str(at) for at in range(width)]


def _frame(orient: str, names: List[str], table: Table) -> Any:
    rows = [row if isinstance(row, list) else [row] for row in table.rows]
    for at, row in enumerate(rows):
        if len(row) != len(names):
            raise Refused(400, "row %d has %d values, not %d" % (at, len(row), len(names)))
    if orient == "values":
        return rows
    if orient == "split":
        return {"columns": names, "index": list(range(len(rows))), "data": rows}
    if orient == "columns":
        return {name: {str(at): row[place] for at, row in enumerate(rows)} for place, name in enumerate(names)}
    records = [dict(zip(names, row)) for row in rows]
    if orient == "index":
        return {str(at): record for at, record in enumerate(records)}
    if orient == "records":
        return records
    raise Refused(400, "the script's sample is written in the orient '%s', which no rows are turned into; use /score" % orient)


_DATATYPES = {"boolean": "BOOL", "integer": "INT64", "number": "FP64", "string": "BYTES"}


def described(name: str, schema: Dict[str, Any], example: Any) -> List[Dict[str, Any]]:
    """Tensors of a sample: the columns of a data frame, an array or list, a value; nothing for other objects."""
    if _orient(schema):
        columns = _sample_names(schema, example)
        kinds = _column_kinds(schema)
        return [_described(column, kinds.get(column), [-1, 1]) for column in columns]
    inner = _inner(schema)
    if inner is not None:
        return described(inner, schema["properties"][inner], _part(example, inner))
    shape: List[int] = []
    while schema.get("type") == "array":
        size = len(example) if isinstance(example, list) else -1
        shape.append(size if shape else -1)
        schema = schema.get("items") or {}
        example = example[0] if isinstance(example, list) and example else None
    if schema.get("type") == "object" or not schema:
        return []
    return [_described(name, schema.get("type"), shape or [1])]


def _column_kinds(schema: Dict[str, Any]) -> Dict[str, str]:
    """Types of the columns, where the orient says them by name."""
    if _orient(schema) == "records":
        members = (schema.get("items") or {}).get("properties") or {}
    elif _orient(schema) == "columns":
        inner = schema.get("properties") or {}
        members = {name: next(iter((one.get("properties") or {}).values()), {}) for name, one in inner.items()}
    else:
        members = {}
    return {name: str(member.get("type")) for name, member in members.items()}


def _described(name: str, kind: Optional[str], shape: List[int]) -> Dict[str, Any]:
    return {"name": name, "datatype": _DATATYPES.get(str(kind), "BYTES"), "shape": shape}


def results(schema: Dict[str, Any]) -> List[Dict[str, Any]]:
    """Tensors of a result, under the names that ``outputs`` gives them."""
    members = schema.get("properties") or {}
    example = schema.get("example")
    if schema.get("type") != "object" or _orient(schema):
        return described(UNNAMED, schema, example)
    found: List[Dict[str, Any]] = []
    for name, member in members.items():
        found.extend(described(name, member, _part(example, name)))
    return found
