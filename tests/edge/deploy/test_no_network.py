"""Nothing leaves the box: no address outside this machine is ever named in a call, and no route is needed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.keyring import Keyring
from tests.edge.deploy.no_routes import outside, private_environment, run_isolated

ROOT = Path(__file__).parents[3]
TALKERS = {
    "address": "import socket; socket.socket().connect_ex(('192.0.2.1', 443))",
    "address 6": "import socket; socket.socket(socket.AF_INET6).connect_ex(('2001:db8::1', 443))",
    "datagram": "import socket\ntry: socket.socket(type=2).sendto(b'x', ('192.0.2.1', 9))\nexcept OSError: 0",
    "name": "import socket\ntry: socket.getaddrinfo('planes.invalid', 443)\nexcept OSError: 0",
    "listener": "import socket; socket.socket().bind(('0.0.0.0', 0))",
    "child": "import subprocess, sys\nsubprocess.run([sys.executable, '-c', "
    "\"import socket; socket.socket().connect_ex(('192.0.2.1', 443))\"])",
}


@pytest.mark.parametrize("talker", TALKERS)
def test_the_watcher_sees_who_reaches_out(tmp_path: Path, talker: str) -> None:
    log, environment = tmp_path / "calls", private_environment(tmp_path)
    done = run_isolated([sys.executable, "-c", TALKERS[talker]], log, environment, ROOT)
    assert done.returncode == 0, done.stderr
    assert outside(log)


def test_the_watcher_lets_the_loopback_be(tmp_path: Path) -> None:
    program = (
        "import socket\nwith socket.create_server(('127.0.0.1', 0)) as door:\n"
        "    socket.create_connection(door.getsockname()).close()\nsocket.socket(socket.AF_UNIX).connect_ex('/nowhere')"
    )
    log = tmp_path / "calls"
    done = run_isolated([sys.executable, "-c", program], log, private_environment(tmp_path), ROOT)
    assert done.returncode == 0, done.stderr
    assert "127.0.0.1" in log.read_text()
    assert outside(log) == []


def test_a_classification_reaches_nobody_and_keeps_no_identifier(
    tmp_path: Path, bundles: Any, keyring: Keyring, tissue: Any
) -> None:
    """Bug: ONNX Runtime's own telemetry, 1.29 and later, wrote an identifier and asked for its maker's address."""
    bundle, image, log = bundles.onnx(), tmp_path / "frame.png", tmp_path / "calls"
    Image.fromarray(np.asarray(tissue(0))).save(image)
    environment = {**private_environment(tmp_path / "user"), "VMAMBA_EDGE_HOME": str(keyring.home)}
    command = [sys.executable, "-m", "edge", "classify", str(bundle), str(image), "--json"]
    done = run_isolated(command, log, environment, ROOT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["plane"] in ("abdomen", "femur", "not_standard")
    assert outside(log) == []
    assert not (tmp_path / "user").exists()
