"""A scripted plane check, its two apps without a network, and both servers with one."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import ASGIApp

from edge.page.api import Api
from edge.page.app import app_from_api
from edge.page.doors import ServerSettings, open_doors
from edge.page.entrance import LOOPBACK_NAMES, Entrance
from edge.page.lanes import Lanes
from edge.page.pin import Doorkeeper
from edge.page.server import Served, served
from edge.page.stream import Views
from tests.edge.page.asking import TOKEN
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.edge.page.scripted_states import bedside_in

WAIT_S = 60.0  # a loaded machine


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=WAIT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(WAIT_S)
        self.sock.connect(str(self._path))


@dataclass
class Apps:
    """Both apps over one plane check, and what they reported as their own fault."""

    box: ScriptedBedside
    tcp: ASGIApp
    unix: ASGIApp
    with_pin: ASGIApp
    faults: list[Exception] = field(default_factory=list)


@pytest.fixture
def box() -> ScriptedBedside:
    return bedside_in("exam")


@pytest.fixture
def apps(box: ScriptedBedside) -> Iterator[Apps]:
    lanes, faults = Lanes(), list[Exception]()
    api = Api(box, Views(box.view, lanes, faults.append), lanes, time.monotonic)
    entrance = Entrance("http", LOOPBACK_NAMES, 8711, TOKEN)
    inside = Entrance("http", ("localhost",), 0, "", is_socket=True)
    keeper = Doorkeeper("2468", time.monotonic)
    yield Apps(
        box,
        app_from_api(api, entrance, None, faults.append),
        app_from_api(api, inside, None, faults.append),
        app_from_api(api, entrance, keeper, faults.append),
        faults,
    )
    lanes.close()


@dataclass
class Live:
    """Both servers of a plane check."""

    box: ScriptedBedside
    page: Served
    faults: list[Exception]

    def tcp(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.page.port, timeout=WAIT_S)

    def unix(self) -> UnixConnection:
        assert self.page.socket is not None
        return UnixConnection(self.page.socket)

    def get(self, path: str, connection: http.client.HTTPConnection | None = None) -> tuple[int, bytes]:
        """Status and body of one request."""
        asked = connection or self.tcp()
        with contextlib.closing(asked):
            asked.request("GET", path)
            answer = asked.getresponse()
            return answer.status, answer.read()


@contextlib.contextmanager
def serving(box: ScriptedBedside, settings: ServerSettings) -> Iterator[Live]:
    """Serve a plane check; nothing of the program's own may fail."""
    faults: list[Exception] = []
    threads = threading.active_count()
    with open_doors(settings) as doors, served(box, settings, doors, failed=faults.append) as page:
        yield Live(box, page, faults)
    assert not page.thread.is_alive()
    assert threading.active_count() < threads + 12  # the lanes' threads end by themselves
    assert faults == []


@pytest.fixture
def live(box: ScriptedBedside, tmp_path: Path) -> Iterator[Live]:
    with serving(box, ServerSettings(port=0, socket=tmp_path / "api.sock")) as running:
        yield running


@pytest.fixture
def waits() -> Callable[..., None]:
    """wait_until(condition): at most WAIT_S."""

    def until(condition: Callable[[], Any]) -> None:
        end_s = time.monotonic() + WAIT_S
        while not condition():
            assert time.monotonic() < end_s, "it did not happen"
            time.sleep(0.01)

    return until


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder / "cert.pem", folder / "key.pem"
