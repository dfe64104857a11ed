"""Frozen dataclasses <-> JSON, strictly: a missing, unknown or wrongly typed field is an error, never a default.

In: a dataclass value, or JSON that somebody else wrote. Out: canonical JSON bytes, or the dataclass value. A value read
back equals the one written, and equal values have equal bytes, so a digest of the bytes is a digest of the value.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union

T = TypeVar("T")


class RecordError(ValueError):
    """JSON that does not hold what the dataclass asks for; the caller turns it into its own error with a cure."""


def bytes_from_record(record: object) -> bytes:
    """Canonical JSON of a dataclass value.

    Args:
        record: a dataclass of str, int, float, bool, None, tuples, string-keyed mappings and dataclasses.

    Returns:
        UTF-8, keys sorted, no spaces.

    Raises:
        ValueError: a float is not finite.
    """
    plain = json_from_record(record)
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode()


def json_from_record(record: object) -> Any:
    """The same value as dictionaries, lists and scalars."""
    if dataclasses.is_dataclass(record) and not isinstance(record, type):
        return {field.name: json_from_record(getattr(record, field.name)) for field in dataclasses.fields(record)}
    if isinstance(record, Mapping):
        return {str(key): json_from_record(value) for key, value in record.items()}
    if isinstance(record, (tuple, list)):
        return [json_from_record(value) for value in record]
    return record


def json_from_bytes(data: bytes) -> Any:
    """Parse JSON without NaN, infinities or a key that occurs twice.

    Raises:
        RecordError: it is not such JSON.
    """
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant, object_pairs_hook=_object_from_pairs)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not valid JSON ({error})") from error


def figure_from_json(data: object) -> float | None:
    """A finite number as a float; None for anything else, such as an integer of 400 digits, which no float holds."""
    if isinstance(data, bool) or not isinstance(data, (int, float)):
        return None
    try:
        return float(data) if math.isfinite(data) else None
    except OverflowError:
        return None


def record_from_json(kind: type[T], data: object, where: str = "") -> T:
    """Build a dataclass value from parsed JSON.

    Args:
        kind: the dataclass.
        data: what `json_from_bytes` gave.
        where: the path of this value, for messages.

    Raises:
        RecordError: a field is missing, unknown or of the wrong type; the message names its path.
    """
    if not isinstance(data, dict):
        raise RecordError(f"{where or kind.__name__} is {_name(data)}, expected an object")
    hints = _hints(kind)  # type: ignore[arg-type]  # a class is hashable
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]  # kind is a dataclass
    if missing := sorted(set(names) - set(data)):
        raise RecordError(f"{_path(where, missing[0])} is missing")
    if unknown := sorted(set(data) - set(names)):
        raise RecordError(f"{_path(where, unknown[0])} is not a known field")
    return kind(**{name: _value_from_json(hints[name], data[name], _path(where, name)) for name in names})


@lru_cache(maxsize=256)  # reading the annotations takes more than half of the time: views come ten times a second
def _hints(kind: type) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _value_from_json(kind: Any, data: object, where: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (Union, types.UnionType):
        if data is None:
            return None
        (kind,) = [argument for argument in arguments if argument is not type(None)]
        return _value_from_json(kind, data, where)
    if origin is tuple:
        if not isinstance(data, list):
            raise _mismatch(data, "a list", where)
        return tuple(_value_from_json(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(data))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(data, dict):
            raise _mismatch(data, "an object", where)
        return {key: _value_from_json(arguments[1], item, _path(where, key)) for key, item in data.items()}
    if dataclasses.is_dataclass(kind):
        return record_from_json(kind, data, where)  # type: ignore[arg-type]
    return _scalar_from_json(kind, data, where)


def _scalar_from_json(kind: type, data: object, where: str) -> object:
    if issubclass(kind, Enum):
        if data not in [member.value for member in kind]:
            raise _mismatch(data, f"one of {', '.join(str(member.value) for member in kind)}", where)
        return kind(data)
    if kind is float:
        if (figure := figure_from_json(data)) is None:
            raise _mismatch(data, "a finite number", where)
        return figure
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise _mismatch(data, {str: "text", int: "an integer", bool: "true or false"}[kind], where)
    return data


def _mismatch(data: object, expected: str, where: str) -> RecordError:
    return RecordError(f"{where} is {_name(data)}, expected {expected}")


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _name(data: object) -> str:
    names = {dict: "an object", list: "a list", str: "text", int: "an integer", float: "a number", bool: "a boolean"}
    return names.get(type(data), "null")


def _object_from_pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    merged = dict(pairs)
    if len(merged) != len(pairs):
        raise ValueError("a key occurs twice")
    return merged


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a finite number")
