"""Logs that cannot carry patient data; words to systemd."""

from __future__ import annotations

import errno
import io
import json
import os
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import errors
from edge.errors import EdgeError, ImageError
from edge.service.child import ChildState
from edge.service.log import KEYS, Log, line_from_event, word_from_error
from edge.service.notify import notifier_from_environment, watchdog_from_environment
from edge.service.pump import NOTHING
from edge.service.signal_state import Signal
from edge.service.status import Status
from edge.service.teller import Teller

NAMES = ["WANG^LI", "wang li", "王丽", "19840312", "1.2.840.113619.2.55"]


def test_a_line_is_json_with_time_and_event() -> None:
    stream = io.StringIO()
    Log(stream, lambda: "2026-11-21T10:00:00Z").write("signal_changed", signal="lost", frames=12, age_s=0.6)
    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "time": "2026-11-21T10:00:00Z",
        "event": "signal_changed",
        "signal": "lost",
        "frames": 12,
        "age_s": 0.6,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("key", ["patient", "operator", "file", *KEYS])
def test_a_name_passes_under_no_key(key: str, name: str) -> None:
    line = line_from_event("started", {key: name}, "now")
    assert name not in line
    assert json.loads(line)["withheld"] == 1


@given(st.dictionaries(st.text(), st.text()))
def test_no_free_text_passes(fields: dict[str, str]) -> None:
    document = json.loads(line_from_event("started", fields, "now"))
    allowed = {key for key, value in fields.items() if key in KEYS and KEYS[key](value)}
    assert set(document) - {"time", "event", "withheld"} == allowed


def test_an_event_made_of_data_is_withheld() -> None:
    assert json.loads(line_from_event("Exam of WANG^LI", {}, "now"))["event"] == "withheld"


@pytest.mark.parametrize("value", [float("nan"), True, "12", None, [1]])
def test_a_figure_is_a_finite_number(value: object) -> None:
    assert json.loads(line_from_event("started", {"p99_ms": value}, "now"))["withheld"] == 1


def test_why_a_source_ended_is_one_word_and_no_path() -> None:
    stream = io.StringIO()
    teller = Teller(notifier_from_environment({}), Log(stream, lambda: "now"), lambda: 0.0)
    error = ImageError("/srv/WANG^LI/clip.mp4 is damaged.", "Copy it again.")
    ended = Status(
        Signal.ENDED, "video", False, 9.0, ChildState.READY, None, error.cause, word_from_error(error), NOTHING, ()
    )
    teller.take_status(ended)
    told = json.loads(stream.getvalue().splitlines()[0])
    assert (told["event"], told["signal"], told["reason"]) == ("state", "ended", "image")
    assert "WANG" not in stream.getvalue()
    teller.take_status(replace(ended, signal=Signal.RUNNING, cause="", fault=""))
    assert "reason" not in json.loads(stream.getvalue().splitlines()[1])


def test_every_kind_of_error_is_a_word_of_the_log() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and kind is not EdgeError]
    for kind in kinds:
        if issubclass(kind, EdgeError):
            assert KEYS["reason"](word_from_error(kind("a", "b"))), kind


def test_systemd_hears_every_word(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2)
        notifier = notifier_from_environment({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        assert notifier.send("READY=1", "STATUS=AI off")
        assert manager.recv(100) == b"READY=1\nSTATUS=AI off"
        assert notifier.send("WATCHDOG=1")
        assert manager.recv(100) == b"WATCHDOG=1"


def test_systemd_is_reached_at_an_abstract_address() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        name = f"vmamba-edge-test-{os.getpid()}"  # abstract names are the whole machine's
        manager.bind(f"\0{name}")
        manager.settimeout(2)
        assert notifier_from_environment({"NOTIFY_SOCKET": f"@{name}"}).send("READY=1")
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_a_manager_that_is_not_there_does_no_harm(environment: dict[str, str]) -> None:
    assert not notifier_from_environment(environment).send("READY=1")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "6000000"}, 2.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "7"}, 2.0),
        ({"WATCHDOG_USEC": "6000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_as_often_as_asked(environment: dict[str, str], expected: float | None) -> None:
    assert watchdog_from_environment(environment, pid=7) == expected


def test_a_stream_that_takes_nothing_does_not_end_the_service() -> None:
    class FullDisk(io.StringIO):
        def flush(self) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

    Log(FullDisk(), lambda: "now").write("started")
