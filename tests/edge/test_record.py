from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.record import RecordError, bytes_from_record, json_from_bytes, record_from_json


@dataclass(frozen=True)
class Inner:
    x: float | None


@dataclass(frozen=True)
class Outer:
    n: int
    flag: bool
    names: tuple[str, ...]
    inner: tuple[Inner, ...]
    table: Mapping[str, int]


@given(
    st.builds(
        Outer,
        n=st.integers(),
        flag=st.booleans(),
        names=st.lists(st.text(), max_size=3).map(tuple),
        inner=st.lists(st.builds(Inner, st.none() | st.floats(allow_nan=False, allow_infinity=False)), max_size=3).map(
            tuple
        ),
        table=st.dictionaries(st.text(), st.integers(), max_size=3),
    )
)
def test_bytes_and_back_is_the_same_value(value: Outer) -> None:
    assert record_from_json(Outer, json_from_bytes(bytes_from_record(value))) == value


def test_equal_values_have_equal_bytes() -> None:
    first = Outer(1, True, (), (), {"a": 1, "b": 2})
    second = Outer(1, True, (), (), {"b": 2, "a": 1})
    assert bytes_from_record(first) == bytes_from_record(second)


GOOD: dict[str, Any] = {"n": 1, "flag": True, "names": [], "inner": [], "table": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1.0}, "n is a number, expected an integer"),
        ({"n": True}, "n is a boolean, expected an integer"),
        ({"flag": 1}, "flag is an integer"),
        ({"names": "ab"}, "names is text, expected a list"),
        ({"names": [1]}, r"names\[0\] is an integer, expected text"),
        ({"inner": [{"x": "1"}]}, r"inner\[0\]\.x is text, expected a finite number"),
        ({"inner": [{"x": 10**400}]}, r"inner\[0\]\.x is an integer, expected a finite number"),
        ({"inner": [{}]}, r"inner\[0\]\.x is missing"),
        ({"table": {"a": None}}, r"table\.a is null"),
        ({"more": 0}, "more is not a known field"),
    ],
)
def test_a_mismatch_names_its_place(change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        record_from_json(Outer, {**GOOD, **change})


@pytest.mark.parametrize("data", [b"{", b"\xff", b'{"a":1,"a":2}', b"NaN", b"[" * 100_000])
def test_json_that_is_ambiguous_or_hostile_is_refused(data: bytes) -> None:
    with pytest.raises(RecordError):
        json_from_bytes(data)
