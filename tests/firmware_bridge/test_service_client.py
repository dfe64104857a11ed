"""The client of the local API: against the real one, and against services that are away, silent or not understood."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edge.errors import InputError, PeerError, UsageError
from edge.exam_keys import ExamKey
from edge.exam_state import PlaneState
from edge.keyring import Keyring
from edge.service.view import View
from firmware_bridge.service_client import MAX_ANSWER_BYTES, ServiceClient
from tests.edge.conftest import Maker
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.edge.page.scripted_states import bedside_in
from tests.edge.serving import bands_bundle, serving
from tests.firmware_bridge.band_frames import tissue
from tests.firmware_bridge.bridging import WAIT_S
from tests.firmware_bridge.scripted_service import scripted_service


@pytest.fixture
def box() -> ScriptedBedside:
    return bedside_in("exam")


@pytest.fixture
def client(box: ScriptedBedside, tmp_path: Path) -> Iterator[ServiceClient]:
    with scripted_service(box, tmp_path / "api.sock") as path, ServiceClient(path) as client:
        yield client


@contextmanager
def answering(path: Path, answer: bytes, stays_s: float = 0.0) -> Iterator[None]:
    """A service that says one thing to everybody."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    end.bind(str(path))
    end.listen(8)

    def run() -> None:
        while True:
            try:
                other, _ = end.accept()
            except OSError:
                return
            with other:
                other.recv(65536)
                other.sendall(answer)
                time.sleep(stays_s)

    threading.Thread(target=run, daemon=True).start()
    try:
        yield
    finally:
        end.shutdown(socket.SHUT_RDWR)
        end.close()


def http_reply(body: bytes, status: int = 200) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


def test_a_view_is_read_as_the_service_has_it(client: ServiceClient, box: ScriptedBedside) -> None:
    view, own = client.view(), box.view()
    assert view.exam is not None
    assert own.exam is not None
    assert view.exam.checklist.rows == own.exam.checklist.rows
    assert view.model == own.model
    assert all(isinstance(row.state, PlaneState) for row in view.exam.checklist.rows)


def test_an_order_is_carried_out_and_the_view_after_it_comes_back(client: ServiceClient, box: ScriptedBedside) -> None:
    exam = client.view().exam
    assert exam is not None
    view = client.order("pause", {"by": "", "exam": exam.checklist.exam})
    assert view.exam is not None
    assert view.exam.checklist.phase == "paused"


def test_a_refusal_keeps_its_kind_its_cause_and_its_cure(client: ServiceClient, box: ScriptedBedside) -> None:
    with pytest.raises(InputError, match="no order 'explode'"):
        client.order("explode", {})
    box.show(refusal=UsageError("The exam is ended.", "Open another one."))
    with pytest.raises(UsageError) as caught:
        client.order("freeze", {"by": "", "exam": "x"})
    assert (caught.value.cause, caught.value.cure) == ("The exam is ended.", "Open another one.")
    box.show(refusal=None)
    assert client.view().schema == 1  # on a new connection: the service closes one after a failure


@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 3)])
def test_a_frame_arrives_with_its_pixels_and_its_patient(
    client: ServiceClient, box: ScriptedBedside, shape: tuple[int, ...]
) -> None:
    pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    assert client.put_frame(pixels[::-1], "dicom", ExamKey("王小明", "S 1"), "HS60", is_still=True)
    (frame,) = box.taken
    assert np.array_equal(frame.pixels, pixels[::-1])
    assert frame.key == ExamKey("王小明", "S 1")
    assert (frame.source, frame.machine, frame.is_still) == ("dicom", "HS60", True)
    assert client.put_frame(pixels, "video")
    assert box.taken[-1].key is None


def test_an_idle_connection_is_opened_again_before_the_service_ends_it(box: ScriptedBedside, tmp_path: Path) -> None:
    now = [0.0]
    with scripted_service(box, tmp_path / "api.sock") as path, ServiceClient(path, clock=lambda: now[0]) as client:
        client.view()
        first = client._connection
        client.view()
        assert client._connection is first
        now[0] += 6.0
        client.view()
        assert client._connection is not first


def test_events_bring_views_and_none_while_the_service_is_away(box: ScriptedBedside, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with ServiceClient(path) as client:
        events = client.events()
        assert next(events) is None
        with scripted_service(box, path):
            first = next(view for view in events if view is not None)
            assert first.exam is not None
            box.show(source__signal="lost")
            assert next(view for view in events if view is not None and view.source.signal == "lost")
        assert next(view is None for view in events if view is None)
        with scripted_service(box, path):
            assert next(view for view in events if view is not None)


def test_a_silent_stream_is_lost_after_its_time(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\nretry: 1000\n\n"
    with answering(tmp_path / "api.sock", head, stays_s=60.0), ServiceClient(tmp_path / "api.sock") as client:
        started_s = time.monotonic()
        assert next(client.events(silence_s=0.3)) is None
        assert time.monotonic() - started_s < 20.0


def test_views_that_waited_while_this_side_slept_are_not_taken_for_new_ones(
    box: ScriptedBedside, tmp_path: Path
) -> None:
    now = [0.0]
    with scripted_service(box, tmp_path / "api.sock") as path, ServiceClient(path, clock=lambda: now[0]) as client:
        events = client.events(silence_s=WAIT_S)
        assert next(events) is not None
        now[0] += WAIT_S + 0.1
        assert next(events) is None
        assert next(events) is not None


def test_events_go_on_after_the_service_refused_them(tmp_path: Path) -> None:
    refusal = http_reply(b'{"error": "Too many pages are open.", "cure": "Close one.", "exit_code": 2}', 503)
    with answering(tmp_path / "api.sock", refusal), ServiceClient(tmp_path / "api.sock") as client:
        events = client.events()
        assert [next(events), next(events)] == [None, None]


NONSENSE: list[tuple[bytes, str]] = [
    (b"", "does not answer"),
    (b"ftp?\r\n", "does not answer"),
    (http_reply(b"{"), "not valid JSON"),
    (http_reply(b'{"schema": 2}'), "schema 2, expected 1"),
    (http_reply(b'{"schema": 1}'), "is missing"),
    (http_reply(b"[]"), "schema None"),
    (http_reply(b"{}", 500), "answered 500 without a cause"),
    (http_reply(b'{"error": "a", "cure": "b", "exit_code": 99}', 400), "without a cause"),
    (http_reply(b"x" * (MAX_ANSWER_BYTES + 1)), "not valid JSON"),
]


@pytest.mark.parametrize(("answer", "words"), NONSENSE)
def test_a_service_that_is_not_understood_is_a_peer_error(tmp_path: Path, answer: bytes, words: str) -> None:
    with answering(tmp_path / "api.sock", answer), ServiceClient(tmp_path / "api.sock") as client:
        with pytest.raises(PeerError, match=words):
            client.view()
        with pytest.raises(PeerError):
            client.order("freeze", {})
        with pytest.raises(PeerError):
            client.put_frame(np.zeros((8, 8), np.uint8), "video")
        assert next(client.events()) is None


def test_a_service_that_is_not_there_is_a_peer_error_with_its_path(tmp_path: Path) -> None:
    with ServiceClient(tmp_path / "none.sock") as client, pytest.raises(PeerError, match=r"none\.sock"):
        client.view()


def test_a_service_that_hangs_is_given_up(tmp_path: Path) -> None:
    slow = ServiceClient(tmp_path / "api.sock", patience_s=0.2)
    with answering(tmp_path / "api.sock", b"", stays_s=3.0), slow as client, pytest.raises(PeerError):
        client.view()


def test_edge_serve_takes_a_bridges_still_and_shows_it_captured(
    bundles: Maker, keyring: Keyring, tmp_path: Path
) -> None:
    stills = tmp_path / "stills"
    stills.mkdir()
    Image.fromarray(tissue(1)).save(stills / "0.png")
    arguments = ("--source", f"folder:{stills}", "--no-page", "--socket", tmp_path / "api.sock")
    with serving(keyring.home, bands_bundle(bundles), *arguments), ServiceClient(tmp_path / "api.sock") as client:
        assert client.put_frame(tissue(0), "dicom", ExamKey("P1", "S1"), is_still=True)
        view = next(view for view in client.events() if view is not None and is_captured(view))
        assert view.exam is not None
        assert view.exam.patient == "P1"
        assert client.order("acknowledge", {"by": "", "exam": view.exam.checklist.exam}).exam is not None


def is_captured(view: View) -> bool:
    return view.exam is not None and any(row.frame for row in view.exam.checklist.rows)
