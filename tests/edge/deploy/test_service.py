"""`edge serve` as a unit runs it: what it tells systemd, and that it works where there is no network at all."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.keyring import Keyring
from tests.edge.deploy.no_routes import outside, private_environment, run_isolated
from tests.edge.deploy.served import ROOT, manager, serving

WATCHDOG_US = 15_000_000  # of the unit


@pytest.fixture
def stills(tmp_path: Path, tissue: Any) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(np.asarray(tissue(number))).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def command(bundles: Any, stills: Path, tmp_path: Path) -> list[object]:
    socket = tmp_path / "api.sock"
    return [bundles.onnx(), "--source", f"folder:{stills}", "--port", 0, "--pause", "0.3", "--socket", socket]


def test_systemd_hears_that_the_service_is_ready_alive_and_stopping(
    command: list[object], keyring: Keyring, tmp_path: Path
) -> None:
    with manager(tmp_path) as systemd:
        told = {"NOTIFY_SOCKET": str(systemd.path), "WATCHDOG_USEC": str(WATCHDOG_US)}
        with serving(command, {**told, "VMAMBA_EDGE_HOME": str(keyring.home)}) as service:
            before = systemd.wait_for("READY=1")
            assert "STOPPING=1" not in before
            alive = systemd.wait_for("WATCHDOG=1")
            assert any(line.startswith("STATUS=") for line in [*before, *alive])
            service.terminate()
            systemd.wait_for("STOPPING=1")
            assert service.wait(20) == 0


def test_a_watchdog_too_short_to_be_fed_is_refused_at_the_start(command: list[object], keyring: Keyring) -> None:
    environment = {"WATCHDOG_USEC": "1000000", "VMAMBA_EDGE_HOME": str(keyring.home)}
    with serving(command, environment) as service:
        _, told = service.communicate(timeout=30)
    assert service.returncode == 2
    assert "WatchdogSec" in told


def test_the_service_and_its_page_need_no_route_and_reach_out_to_nobody(
    command: list[object], keyring: Keyring, tmp_path: Path
) -> None:
    log, home, paths = tmp_path / "calls", tmp_path / "user", ("", "healthz", "api/view", "metrics")
    environment = {**private_environment(home), "VMAMBA_EDGE_HOME": str(keyring.home)}
    words = [sys.executable, "-m", "tests.edge.deploy.served", ",".join(paths), *(str(item) for item in command)]
    done = run_isolated(words, log, environment, ROOT)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["200"] * len(paths)
    assert "127.0.0.1" in log.read_text()
    assert outside(log) == []
    assert not home.exists()
