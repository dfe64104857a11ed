"""The C codec and nanopb against the golden vectors, under the sanitizers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.firmware_bridge.cart.c_programs import Driver
from tests.firmware_bridge.cart.golden.make_frames import TARGET, document

pytestmark = pytest.mark.peer
GOLDEN: dict[str, Any] = json.loads(TARGET.read_text("utf-8"))


def cases(kind: str) -> pytest.MarkDecorator:
    """One test a vector."""
    return pytest.mark.parametrize("case", GOLDEN[kind], ids=lambda case: str(case.get("name", case.get("data"))))


@pytest.fixture(scope="module")
def driver(c_driver: Path) -> Iterator[Driver]:
    with Driver(c_driver) as running:
        yield running


def test_golden_vectors_are_what_their_script_makes() -> None:
    assert document() == GOLDEN


@cases("crc32c")
def test_crc_is_castagnoli(driver: Driver, case: dict[str, Any]) -> None:
    assert driver.lines("crc", case["data"]) == [str(case["crc"])]


@cases("good")
def test_good_frame_there_and_back(driver: Driver, case: dict[str, Any]) -> None:
    assert driver.lines("frame", case["message"]) == [f"frame {case['frame']}"]
    assert driver.lines("decode", case["frame"]) == [f"message {case['message']}", "bad 0"]


@cases("good")
def test_nanopb_writes_the_bytes_that_python_writes(driver: Driver, case: dict[str, Any]) -> None:
    assert driver.lines("recode", case["message"]) == [f"message {case['message']}"]


@cases("bad")
def test_bad_frame_is_dropped_and_counted(driver: Driver, case: dict[str, Any]) -> None:
    assert driver.lines("decode", case["bytes"]) == [f"bad {case['bad']}"]


@cases("streams")
def test_stream_gives_its_messages(driver: Driver, case: dict[str, Any]) -> None:
    expected = [f"message {message}" for message in case["messages"]]
    assert driver.lines("decode", case["bytes"]) == [*expected, f"bad {case['bad']}"]


@cases("foreign")
def test_whole_frame_without_a_message_is_dropped_and_counted(driver: Driver, case: dict[str, Any]) -> None:
    driver.lines("init", 0, 1)
    driver.lines("receive", 0, case["bytes"])
    assert driver.lines("bad", 0) == ["bad 1"]


@pytest.mark.parametrize("size", [0, 129])
def test_message_of_a_wrong_size_is_not_framed(driver: Driver, size: int) -> None:
    assert driver.lines("frame", "a5" * size) == ["frame "]
