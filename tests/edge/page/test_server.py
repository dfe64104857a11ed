"""Both servers: their doors, their limits and their end."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import stat
import time
import urllib.parse
from pathlib import Path

import pytest

from edge.errors import InputError, MachineError, UsageError
from edge.page import api, connection
from edge.page.doors import ServerSettings, open_doors
from tests.edge.page.conftest import WAIT_S, Live, serving
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.edge.page.test_frames import HEADS


def test_both_doors_lead_to_the_same_plane_check(live: Live) -> None:
    seen = [json.loads(live.get("/api/view", asked)[1])["exam"] for asked in (live.tcp(), live.unix())]
    assert seen[0]["patient"] == seen[1]["patient"] == "P-0001"
    assert live.page.url == f"http://127.0.0.1:{live.page.port}/"


def test_the_servers_tell_nothing_of_themselves(live: Live) -> None:
    with contextlib.closing(live.tcp()) as asked:
        asked.request("GET", "/")
        answer = asked.getresponse()
        assert answer.headers["server"] is None
        assert live.page.token in answer.read().decode()


def test_an_order_over_tcp_needs_the_token_of_the_page(live: Live) -> None:
    exam = json.loads(live.get("/api/view")[1])["exam"]["checklist"]["exam"]
    body = json.dumps({"by": "", "exam": exam})
    for token, status in (("x", 403), (live.page.token, 200)):
        with contextlib.closing(live.tcp()) as asked:
            asked.request("POST", "/api/orders/pause", body, {"X-Token": token})
            answer = asked.getresponse()
            assert (answer.status, bool(answer.read())) == (status, True)


def test_a_bridge_sends_frames_over_one_connection(live: Live) -> None:
    with contextlib.closing(live.unix()) as asked:
        for number in range(20):
            asked.request("POST", "/api/frames", bytes([number]) * 24, HEADS)
            assert json.loads(asked.getresponse().read()) == {"taken": True}
    assert [int(frame.pixels[0, 0]) for frame in live.box.taken] == list(range(20))


def test_the_socket_file_is_for_owner_and_group_and_goes_at_the_end(box: ScriptedBedside, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with serving(box, ServerSettings(port=None, socket=path)) as running:
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert running.page.port is None
        assert running.get("/healthz", running.unix())[0] == 200
    assert list(tmp_path.iterdir()) == []


def test_the_socket_file_of_a_dead_service_is_replaced(box: ScriptedBedside, tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with serving(box, ServerSettings(port=None, socket=path)) as running:
        assert running.get("/healthz", running.unix())[0] == 200


def test_the_socket_of_a_living_service_is_left_alone(live: Live) -> None:
    with pytest.raises(MachineError, match="running service"), open_doors(ServerSettings(None, None, live.page.socket)):
        pass
    assert live.get("/healthz", live.unix())[0] == 200


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "exam.db"
    path.write_text("exams")
    with pytest.raises(UsageError, match="no socket"), open_doors(ServerSettings(port=None, socket=path)):
        pass
    assert path.read_text() == "exams"


@pytest.mark.parametrize("name", ["no/folder/api.sock", "x" * 150])
def test_a_place_where_no_socket_can_be_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(MachineError), open_doors(ServerSettings(port=None, socket=tmp_path / name)):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_is_told_before_anything_starts(live: Live, tmp_path: Path) -> None:
    settings = ServerSettings(port=live.page.port, socket=tmp_path / "other.sock")
    with pytest.raises(MachineError, match=f"Port {live.page.port} of 127.0.0.1 is taken"), open_doors(settings):
        pass
    assert not (tmp_path / "other.sock").exists()


@pytest.mark.parametrize("host", ["x" * 300, "192.0.2.1"])
def test_a_host_that_is_not_this_machines_is_told(host: str) -> None:
    with pytest.raises((UsageError, MachineError)), open_doors(ServerSettings(host=host, port=0)):
        pass


def test_elsewhere_than_loopback_needs_tls_and_a_pin(certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    for settings in (
        ServerSettings("0.0.0.0", 0),
        ServerSettings("0.0.0.0", 0, tls_cert=cert, tls_key=key),
        ServerSettings("0.0.0.0", 0, pin="2468"),
        ServerSettings("127.0.0.1", 0, tls_cert=cert),
        ServerSettings("127.0.0.1", 0, pin="2468"),
        ServerSettings("127.0.0.1", 0, tls_cert=cert, tls_key=key, pin="1"),
        ServerSettings(port=None),
    ):
        with pytest.raises(UsageError), open_doors(settings):
            pass


def test_a_certificate_that_cannot_be_used_is_told(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    cert, key = certificate
    (tmp_path / "empty").touch()
    for pair in ((key, cert), (tmp_path / "empty", key), (cert, tmp_path / "none")):
        with pytest.raises(InputError), open_doors(ServerSettings(port=0, tls_cert=pair[0], tls_key=pair[1])):
            pass


def test_the_pin_is_in_no_text_of_the_settings() -> None:
    assert "2468" not in repr(ServerSettings(pin="2468"))


def test_over_tls_the_pin_opens_the_page(box: ScriptedBedside, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    trusting = ssl.create_default_context(cafile=str(cert))
    settings = ServerSettings("0.0.0.0", 0, tls_cert=cert, tls_key=key, pin="2468")
    with serving(box, settings) as running:
        host = f"127.0.0.1:{running.page.port}"

        def asked(method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
            made = http.client.HTTPSConnection("127.0.0.1", running.page.port, timeout=10, context=trusting)
            with contextlib.closing(made):
                made.request(method, path, body, headers)
                answer = made.getresponse()
                answer.read()
                return answer

        assert asked("GET", "/api/view").status == 401
        form = urllib.parse.urlencode({"pin": "2468"})
        session = asked("POST", "/login", form, Origin=f"https://{host}").headers["set-cookie"].partition(";")[0]
        assert asked("GET", "/api/view", Cookie=session).status == 200
        assert asked("GET", "/api/view", Cookie=session, Host=f"evil.example:{running.page.port}").status == 403
        plain = http.client.HTTPConnection("127.0.0.1", running.page.port, timeout=10)
        with contextlib.closing(plain), pytest.raises((http.client.HTTPException, OSError)):
            plain.request("GET", "/healthz")
            plain.getresponse()


def test_it_ends_within_two_seconds_with_pages_open(box: ScriptedBedside, tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        with serving(box, ServerSettings(port=0, socket=tmp_path / "s")) as running:
            for asked in (running.tcp(), running.tcp(), running.unix()):
                stack.enter_context(contextlib.closing(asked))
                asked.request("GET", "/api/events")
                stack.enter_context(contextlib.closing(asked.getresponse()))
            for _ in range(3):
                stack.enter_context(socket.create_connection(("127.0.0.1", running.page.port or 0)))
            started_s = time.monotonic()
        assert time.monotonic() - started_s < 2


def test_idle_connections_hold_nobody_up(live: Live) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            stack.enter_context(socket.create_connection(("127.0.0.1", live.page.port or 0)))
        assert live.get("/healthz")[0] == 200


def test_of_too_many_connections_the_idle_ones_go(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "MAX_CONNECTIONS", 5)
    with contextlib.ExitStack() as stack:
        here = ("127.0.0.1", live.page.port or 0)
        idle = [stack.enter_context(socket.create_connection(here, timeout=WAIT_S)) for _ in range(9)]
        assert live.get("/healthz")[0] == 200
        with contextlib.suppress(ConnectionResetError):
            assert idle[0].recv(1) == b""


@pytest.mark.parametrize("begin", [b"", b"GET / HT", b"GET /healthz HTTP/1.1\r\nHost: x\r\nA: " + b"b" * 400])
def test_a_head_that_does_not_come_ends_the_connection(
    live: Live, monkeypatch: pytest.MonkeyPatch, begin: bytes
) -> None:
    monkeypatch.setattr(connection, "IDLE_S", 0.2)
    with socket.create_connection(("127.0.0.1", live.page.port or 0), timeout=WAIT_S) as slow:
        slow.sendall(begin)
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(1) == b""


def test_a_body_that_does_not_come_ends_the_request(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as impatient, contextlib.closing(live.unix()) as asked:
        impatient.setattr(api, "FRAME_PATIENCE_S", 0.2)
        asked.request("POST", "/api/frames", b"\0" * 23, {**HEADS, "Content-Length": "24"})
        assert asked.getresponse().status == 408
    with contextlib.closing(live.unix()) as asked:
        asked.request("POST", "/api/frames", b"\0" * 24, HEADS)
        assert asked.getresponse().status == 200
