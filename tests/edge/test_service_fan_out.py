"""Sinks that are slow, hang or raise: the pump is never held up, and what happened is counted and logged."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from edge.errors import DeviceError
from edge.service.answer import Answer
from edge.service.fan_out import HUNG_S, FanOut, SinkCounts
from edge.service.frame import Frame
from edge.service.log import Log
from edge.service.metrics_text import text_from_sinks

WAIT_S = 60.0  # a loaded machine
HELD_UP_S = 10.0  # whoever waits for a sink that hangs waits longer


class Recording:
    """A sink that keeps what it gets; `held` holds its calls up once they are `entered`, `broken` lets them raise."""

    def __init__(self) -> None:
        self.got: list[tuple[str, Any]] = []
        self.held = threading.Event()
        self.held.set()
        self.entered = threading.Event()
        self.broken = False
        self.left = threading.Event()

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.left.set()

    def take_answer(self, answer: Any) -> None:
        self._take("answer", answer)

    def take_status(self, status: Any) -> None:
        self._take("status", status)

    def take_view(self, view: Any) -> None:
        self._take("view", view)

    def _take(self, kind: str, value: Any) -> None:
        self.entered.set()
        self.held.wait(WAIT_S)
        if self.broken:
            raise RuntimeError("Doe^Jane")
        self.got.append((kind, value))


class Clock:
    """Stands still until a test moves it."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@contextmanager
def fanned(*sinks: Recording, name: str = "cart", clock: Callable[[], float] = time.monotonic) -> Iterator[Any]:
    stream = io.StringIO()
    log = Log(stream, lambda: "2026-11-21T00:00:00Z")
    with FanOut([(name, sink) for sink in sinks], log, clock) as fan:
        fan.lines = lambda: [json.loads(line) for line in stream.getvalue().splitlines()]  # type: ignore[attr-defined]
        yield fan


def answer(number: int) -> Answer:
    return Answer(Frame(np.zeros((32, 32), np.uint8), number, 0.0, "camera"), None, "", 0.0)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_every_sink_gets_everything() -> None:
    one, two = Recording(), Recording()
    with fanned(one, two) as fan:
        fan.take_answer(answer(1))
        fan.take_status("status")
        fan.take_view("view")
        wait_for(lambda: fan.counts() == {"cart": SinkCounts(3), "cart-2": SinkCounts(3)})
        assert len(one.got) == len(two.got) == 3
    assert one.left.is_set()
    assert two.left.is_set()


def test_a_slow_sink_gets_the_latest_of_each_kind_and_the_state_first() -> None:
    slow, quick = Recording(), Recording()
    slow.held.clear()
    with fanned(slow, quick) as fan:
        fan.take_answer(answer(0))
        assert slow.entered.wait(WAIT_S)  # its thread holds the first answer
        wait_for(lambda: len(quick.got) == 1)
        started = time.monotonic()
        for number in range(1, 100):
            fan.take_answer(answer(number))
            fan.take_status(number)
        assert time.monotonic() - started < HELD_UP_S
        wait_for(lambda: quick.got[-1][0] in ("answer", "status"))
        slow.held.set()
        wait_for(lambda: len(slow.got) == 3)
        assert [kind for kind, _ in slow.got] == ["answer", "status", "answer"]
        assert slow.got[1][1] == 99
        assert slow.got[2][1].frame.sequence == 99
        assert fan.counts()["cart"].replaced == 98 * 2


def test_a_sink_that_raises_is_counted_and_logged_once_without_its_words() -> None:
    bad, good = Recording(), Recording()
    bad.broken = True
    with fanned(bad, good) as fan:
        for number in range(3):
            fan.take_status(number)
            wait_for(lambda number=number: fan.counts()["cart"].failed == number + 1)
        bad.broken = False
        fan.take_status(3)
        wait_for(lambda: len(bad.got) == 1 and len(fan.lines()) == 2)
        assert [line["event"] for line in fan.lines()] == ["sink_fails", "sink_works"]
        assert fan.lines()[0]["reason"] == "failed"
        assert "Doe" not in str(fan.lines())
        wait_for(lambda: good.got[-1:] == [("status", 3)])


def test_a_sink_that_hangs_shows_and_does_not_hold_up_the_end() -> None:
    hung, clock = Recording(), Clock()
    hung.held.clear()
    with fanned(hung, clock=clock) as fan:
        fan.take_status(0)
        assert hung.entered.wait(WAIT_S)
        assert not fan.counts()["cart"].is_hung
        clock.now_s = HUNG_S + 0.1
        fan.take_status(1)
        assert fan.counts()["cart"].is_hung
        assert [line["reason"] for line in fan.lines()] == ["hung"]
        started = time.monotonic()
    assert time.monotonic() - started < HELD_UP_S
    hung.held.set()


def test_a_sink_that_cannot_be_opened_ends_the_start_and_those_before_it_are_left() -> None:
    class Absent(Recording):
        def __enter__(self) -> Recording:
            raise DeviceError("There is no cart.", "Plug it in.")

    one = Recording()
    with pytest.raises(DeviceError), fanned(one, Absent()):
        pass
    assert one.left.is_set()


def test_a_name_that_no_log_knows_is_told_as_other() -> None:
    with fanned(Recording(), name="Doe") as fan:
        assert set(fan.counts()) == {"other"}


def test_sinks_stand_in_the_metrics() -> None:
    text = text_from_sinks({"cart": SinkCounts(taken=3, replaced=2, failed=1, is_hung=True)})
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert values == {
        'vmamba_edge_sink_calls_total{sink="cart"}': "3",
        'vmamba_edge_sink_replaced_total{sink="cart"}': "2",
        'vmamba_edge_sink_failures_total{sink="cart"}': "1",
        'vmamba_edge_sink_hung{sink="cart"}': "1",
    }
    assert text_from_sinks({}) == ""
