"""The event stream: on a change, not too often, never silent, and slow pages are their own affair."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edge.page import connection, stream
from edge.service.view import View
from tests.edge.page.conftest import WAIT_S, Live
from tests.edge.page.scripted_bedside import ScriptedBedside

STALLED_S = 2.0  # a page that reads is not cut off on a loaded machine


@contextlib.contextmanager
def listening(live: Live, made: http.client.HTTPConnection | None = None) -> Iterator[Iterator[dict[str, Any]]]:
    """Views of a stream."""
    with contextlib.closing(made or live.tcp()) as asked:
        asked.request("GET", "/api/events")
        answer = asked.getresponse()
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        try:
            yield (json.loads(line[6:]) for line in iter(answer.readline, b"") if line.startswith(b"data: "))
        finally:
            answer.close()


def test_a_change_is_told_at_once(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "REPEAT_S", 3600)
    with listening(live) as views:
        assert next(views)["source"]["signal"] == "running"
        live.box.show(source__signal="lost")
        assert next(views)["source"]["signal"] == "lost", "nothing else makes an event"


def test_a_stream_is_neither_silent_nor_too_talkative(live: Live) -> None:
    with listening(live) as views:
        numbers = [next(views)["number"]]
        started_s = time.monotonic()
        numbers.append(next(views)["number"])
        assert time.monotonic() - started_s < 3, "nothing changed, and still it comes"
        started_s = time.monotonic()
        while time.monotonic() - started_s < 1.0:
            live.box.tick()
            numbers.append(next(views)["number"])
        assert len(numbers) - 2 <= 10 * (time.monotonic() - started_s) + 2
    assert numbers == sorted(set(numbers))


def test_many_pages_cost_one_reading(live: Live) -> None:
    with contextlib.ExitStack() as stack:
        pages = [stack.enter_context(listening(live)) for _ in range(12)]
        firsts = [next(page)["number"] for page in pages]
        began, started_s = live.box.view().number, time.monotonic()
        time.sleep(0.6)
        read, took_s = live.box.view().number - began, time.monotonic() - started_s
        seconds = [next(page)["number"] for page in pages]
    assert read <= 10 * took_s + 3, "twelve pages would need twelve times as many"
    assert all(second > first for first, second in zip(firsts, seconds, strict=True))


def test_a_page_beyond_the_limit_is_told_to_wait(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_CLIENTS", 2)
    with listening(live) as one, listening(live) as other:
        next(one), next(other)
        assert live.get("/api/events")[0] == 503
        assert live.get("/healthz")[0] == 200


def test_a_page_that_left_makes_room(live: Live, monkeypatch: pytest.MonkeyPatch, waits: Callable[..., None]) -> None:
    monkeypatch.setattr(stream, "MAX_CLIENTS", 1)
    for _ in range(3):
        waits(lambda: is_taken(live))


def is_taken(live: Live) -> bool:
    """Open a stream and leave it; whether there was room for it."""
    with contextlib.closing(live.tcp()) as asked:
        asked.request("GET", "/api/events")
        answer = asked.getresponse()
        with contextlib.closing(answer):
            return answer.status == 200


def test_the_socket_has_the_stream_as_well(live: Live) -> None:
    with listening(live, live.unix()) as views:
        assert next(views)["schema"] == 1


def test_a_page_that_does_not_read_is_cut_off_and_harms_nobody(
    live: Live, monkeypatch: pytest.MonkeyPatch, waits: Callable[..., None]
) -> None:
    monkeypatch.setattr(connection, "STALLED_S", STALLED_S)
    monkeypatch.setattr(stream, "MAX_CLIENTS", 2)
    monkeypatch.setattr(stream, "event_from_view", lambda view: b"data: %d%s\n\n" % (view.number, b" " * 300_000))
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with slow:
        slow.connect(("127.0.0.1", live.page.port))
        slow.sendall(b"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n" % (live.page.port or 0))
        slow.settimeout(WAIT_S)
        assert slow.recv(1) == b"H", "its stream has begun"
        with listening_raw(live) as count:
            waits(moving(live, lambda: count() > 3))  # the other page gets its views all the while
            waits(moving(live, lambda: is_taken(live)))  # there is room again: the slow one was cut off
            told = count()
            waits(moving(live, lambda: count() > told))
        with contextlib.suppress(ConnectionResetError):
            while slow.recv(1 << 16):
                pass  # what was under way; then the end


def moving(live: Live, condition: Callable[[], bool]) -> Callable[[], bool]:
    """The condition, asked for after another frame."""

    def is_so() -> bool:
        live.box.tick()
        return condition()

    return is_so


@contextlib.contextmanager
def listening_raw(live: Live) -> Iterator[Callable[[], int]]:
    """Reads a stream in a thread; how many events came so far."""
    lines: list[bytes] = []
    asked = live.tcp()
    asked.request("GET", "/api/events")
    answer = asked.getresponse()

    def read() -> None:
        with contextlib.suppress(OSError, ValueError, AttributeError):
            lines.extend(line[:20] for line in iter(answer.readline, b"") if line.startswith(b"data: "))

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield lambda: len(lines)
    finally:
        assert asked.sock is not None
        asked.sock.shutdown(socket.SHUT_RDWR)
        thread.join(WAIT_S)
        answer.close()
        asked.close()


def test_a_view_that_fails_once_does_not_end_the_stream(
    live: Live, monkeypatch: pytest.MonkeyPatch, waits: Callable[..., None]
) -> None:
    with listening(live) as views:
        number = next(views)["number"]

        def failing() -> View:
            raise RuntimeError("for a while")

        with monkeypatch.context() as broken:
            broken.setattr(stream, "timeless", lambda view: failing())
            waits(lambda: live.faults)
        assert next(views)["number"] > number
    assert {str(error) for error in live.faults} == {"for a while"}
    live.faults.clear()


def test_ages_alone_are_no_change(box: ScriptedBedside) -> None:
    one, other = box.view(), box.view()
    assert one != other
    assert stream.timeless(one) == stream.timeless(other)
    box.tick()
    assert stream.timeless(box.view()) != stream.timeless(one)


def test_an_event_is_one_line_of_data(box: ScriptedBedside) -> None:
    box.show(store__reason="two\nlines")
    head, number, data, *rest = stream.event_from_view(box.view()).split(b"\n")
    assert (head, rest) == (b"event: view", [b"", b""])
    assert json.loads(data.removeprefix(b"data: "))["number"] == int(number.removeprefix(b"id: "))
