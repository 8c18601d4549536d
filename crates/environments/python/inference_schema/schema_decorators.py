"""``input_schema`` and ``output_schema``."""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Dict, List, Tuple

from .parameter_types.abstract_parameter_type import AbstractParameterType
from .schema_util import record_of

Function = Callable[..., Any]


def input_schema(
    param_name: str, param_type: AbstractParameterType, convert_to_provided_type: bool = True, optional: bool = False
) -> Callable[[Function], Function]:
    """Says by a sample what the argument ``param_name`` is, and turns what comes in JSON into that type.

    ``convert_to_provided_type=False`` leaves the JSON value; an ``optional`` argument may be absent or empty. At a call
    ``ValueError`` is raised for a value that the sample's type cannot be made of.
    """
    if not isinstance(param_type, AbstractParameterType):
        raise Exception("Error, provided param_type must be a subclass of the AbstractParameterType.")
    schema = param_type.input_to_swagger()
    versions = set(param_type.supported_versions())

    def decorate(function: Function) -> Function:
        record = record_of(function)
        record.add_input(param_name, schema)
        record.versions &= versions
        names = _names(function)

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if convert_to_provided_type and not _is_chat_call(args):
                args, kwargs = _converted(names, args, kwargs)
            return function(*args, **kwargs)

        return wrapper

    def _converted(names: List[str], args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Tuple[Any, Dict[str, Any]]:
        if param_name in kwargs:
            if kwargs[param_name] or not optional:
                kwargs[param_name] = convert(kwargs[param_name], param_type)
            return args, kwargs
        if optional:
            return args, kwargs
        if param_name not in names:
            raise Exception('Error, provided param_name "%s" is not in the decorated function.' % param_name)
        place = names.index(param_name)
        values = list(args)
        if place < len(values):
            values[place] = convert(values[place], param_type)
        return tuple(values), kwargs

    return decorate


def output_schema(output_type: AbstractParameterType) -> Callable[[Function], Function]:
    """Says by a sample what the function gives; the result itself is not touched."""
    if not isinstance(output_type, AbstractParameterType):
        raise Exception("Error, provided param_type must be a subclass of the AbstractParameterType.")
    schema = output_type.input_to_swagger()
    versions = set(output_type.supported_versions())

    def decorate(function: Function) -> Function:
        record = record_of(function)
        record.add_output(schema, "%s.%s" % (function.__module__, function.__name__))
        record.versions &= versions

        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    return decorate


def convert(value: Any, kind: AbstractParameterType) -> Any:
    """A JSON value as the type of a sample; samples inside of lists and objects likewise."""
    wanted = kind.sample_data_type
    if wanted is dict:
        _expect(isinstance(value, dict), wanted, value)
        for name, inner in getattr(kind, "sample_data_type_map", {}).items():
            if name in value:
                value[name] = convert(value[name], inner)
        return value
    if wanted in (list, tuple):
        _expect(isinstance(value, (list, tuple)), wanted, value)
        inner_kinds = getattr(kind, "sample_data_type_list", [])
        return [convert(item, inner_kinds[0]) for item in value] if inner_kinds else value
    return value if isinstance(value, wanted) else kind.deserialize_input(value)


def _expect(holds: bool, wanted: type, value: Any) -> None:
    if not holds:
        raise ValueError("Invalid input data type to parse. Expected: %s but got %s" % (wanted, type(value)))


def _names(function: Function) -> List[str]:
    return [p.name for p in inspect.signature(function).parameters.values()]


def _is_chat_call(args: Tuple[Any, ...]) -> bool:
    """A call in the form of the text models of Azure's own catalogue, which is passed on as it is."""
    return bool(args) and type(args[0]) is dict and set(args[0]) == {"parameters", "input_string"}
