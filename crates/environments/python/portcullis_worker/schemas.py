"""Tensors for an MLflow model, and what its signature says of them. numpy and pandas are there when such a model is."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Sequence, Tuple

from .inputs import Refused
from .outputs import datatype_of, described
from .tensors import CODES, Asked, Tensor

_DATATYPES = {
    "boolean": "BOOL",
    "integer": "INT32",
    "long": "INT64",
    "float": "FP32",
    "double": "FP64",
}
_NUMPY = {
    "BOOL": "bool",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    **{name: name.lower() for name in CODES if "INT" in name},
}


def tensors(schema: Any, unnamed: str, column: Sequence[int] = (-1, 1)) -> List[Dict[str, Any]]:
    """Inputs or outputs of a signature as metadata tells of them, columns in the shape ``column``; ``[]`` without a signature."""
    if schema is None:
        return []
    found = []
    for spec in schema.inputs:
        if schema.is_tensor_spec():
            datatype = datatype_of(spec.type) or "BYTES"
            found.append(described(spec.name or unnamed, datatype, [int(size) for size in spec.shape]))
        else:
            kind = getattr(spec.type, "name", "")
            found.append(described(spec.name or unnamed, _DATATYPES.get(kind, "BYTES"), list(column)))
    return found


def only_name(schema: Any) -> Optional[str]:
    """The name of the only output of a signature, when it has one."""
    if schema is None or len(schema.inputs) != 1:
        return None
    name: Optional[str] = schema.inputs[0].name
    return name


def params(asked: Asked, schema: Any) -> Optional[Dict[str, Any]]:
    """Parameters of the request that are parameters of the model."""
    names = {param.name for param in schema.params} if schema is not None else set()
    return {name: value for name, value in asked.parameters.items() if name in names} or None


def table(asked: Asked, schema: Any) -> Tuple[Any, int]:
    """What the model takes, and how many rows it has.

    By the signature: arrays by name, or the only array; a data frame in the order and types of the columns, from one tensor
    for each, or from one that has as many columns. Without a signature: a data frame for the columns of a table and for
    several tensors, an array for one tensor that is none. Raises ``Refused`` for columns that do not fit.
    """
    if schema is not None and schema.is_tensor_spec():
        return _arrays(asked, schema)
    names = list(schema.input_names()) if schema is not None and schema.has_input_names() else None
    alone = asked.inputs[0] if len(asked.inputs) == 1 else None
    if names is None:
        if alone is not None and not asked.is_table:
            return _array(alone), _rows(alone)
        return _frame({tensor.name: tensor for tensor in asked.inputs}, {})
    if alone is not None and len(alone.shape) == 2 and alone.shape[1] == len(names) and alone.name not in names:
        return _spread(alone, names, schema)
    if alone is not None and len(alone.shape) == 2 and alone.name not in names:
        raise Refused(
            400,
            "the input '%s' has %d columns, %d expected: %s" % (alone.name, alone.shape[1], len(names), ", ".join(names)),
        )
    optional = set(schema.optional_input_names())
    given = {tensor.name: tensor for tensor in asked.inputs}
    missing = [name for name in names if name not in given and name not in optional]
    if missing:
        raise Refused(400, "Model is missing inputs %s" % missing)
    # Extra columns are dropped, as MLflow drops them.
    kinds = dict(zip(schema.input_names(), schema.input_types()))
    return _frame({name: given[name] for name in names if name in given}, kinds)


def _rows(tensor: Tensor) -> int:
    return tensor.shape[0] if tensor.shape else 1


def _array(tensor: Tensor, dtype: Any = None) -> Any:
    import numpy

    if dtype is None:
        dtype = _NUMPY.get(tensor.datatype, object)
    return numpy.array(tensor.values, dtype=dtype).reshape(tensor.shape)


def _arrays(asked: Asked, schema: Any) -> Tuple[Any, int]:
    specs = {spec.name: spec for spec in schema.inputs}
    if None in specs:
        if len(asked.inputs) != 1:
            raise Refused(400, "the model takes one tensor, the call has %d" % len(asked.inputs))
        return _typed_array(asked.inputs[0], specs[None]), _rows(asked.inputs[0])
    known = [tensor for tensor in asked.inputs if tensor.name in specs]
    missing = [name for name, spec in specs.items() if spec.required and name not in {t.name for t in known}]
    if missing:
        raise Refused(400, "Model is missing inputs %s" % missing)
    return {tensor.name: _typed_array(tensor, specs[tensor.name]) for tensor in known}, _rows(known[0])


def _typed_array(tensor: Tensor, spec: Any) -> Any:
    """In the signature's type where no value changes: numbers as floating point, whole numbers as whole numbers."""
    own = _array(tensor)
    to, of = spec.type.kind, own.dtype.kind
    if to == "f" and of in "iuf" or to in "iu" and of in "iu" and _fits(own, spec.type):
        return own.astype(spec.type)
    return own


def _fits(values: Any, dtype: Any) -> bool:
    import numpy

    bounds = numpy.iinfo(dtype)
    return values.size == 0 or (int(values.min()) >= bounds.min and int(values.max()) <= bounds.max)


def _frame(columns: Dict[str, Tensor], kinds: Dict[str, Any]) -> Tuple[Any, int]:
    import pandas

    lengths = {name: _rows(tensor) for name, tensor in columns.items()}
    if len(set(lengths.values())) > 1:
        raise Refused(400, "the inputs have different numbers of rows: %s" % lengths)
    made = {name: _column(tensor, kinds.get(name)) for name, tensor in columns.items()}
    return pandas.DataFrame(made), next(iter(lengths.values()), 0)


def _column(tensor: Tensor, kind: Any) -> Any:
    """A column in its signature's type where no value changes; else as it came, for MLflow to refuse."""
    import pandas

    if not tensor.is_column:
        # A cell may be a list where the signature has arrays.
        return pandas.Series(tensor.nested())
    values = _array(tensor).reshape(-1)
    name, of = getattr(kind, "name", ""), values.dtype.kind
    if name == "datetime" and of == "O":
        try:
            return pandas.to_datetime(pandas.Series(values))
        except ValueError as error:
            raise Refused(400, "the input '%s' has a value that is no date: %s" % (tensor.name, error)) from None
    if name in ("float", "double") and of in "iuf":
        return values.astype(kind.to_numpy())
    if name in ("integer", "long") and of in "iu" and _fits(values, kind.to_numpy()):
        return values.astype(kind.to_numpy())
    return values


def _spread(tensor: Tensor, names: List[str], schema: Any) -> Tuple[Any, int]:
    """The columns of one tensor, in the signature's order."""
    rows = tensor.shape[0]
    columns = {
        name: Tensor(name, [rows], tensor.datatype, tensor.values[at :: len(names)]) for at, name in enumerate(names)
    }
    return _frame(columns, dict(zip(names, schema.input_types())))
