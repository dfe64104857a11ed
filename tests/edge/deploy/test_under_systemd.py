"""The installed unit under a real systemd, the first process of namespaces of its own. Needs root, and a cgroup."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.keyring import Keyring

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SYSTEMD = Path("/lib/systemd/systemd")
NAMESPACES = ("--mount", "--pid", "--net", "--ipc", "--uts", "--cgroup")
SERVICE = "vmamba-edge"
PATIENCE_S = 40.0
PROGRAM = "/opt/vmamba-edge/bin/edge"
CONFIG = """
[serve]
source = "bridge"
no_page = true
[cart]
port = "unix:/var/no-cart"
[dicom]
[igtl]
listen = "18944"
[video]
source = "pipe:/var/pipe"
"""
VIEW = """
import socket
end = socket.socket(socket.AF_UNIX)
end.connect("/run/vmamba-edge/api.sock")
end.sendall(b"GET /api/view HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n")
print(b"".join(iter(lambda: end.recv(65536), b"")).decode())
"""
BRIDGES = ("cart", "dicom", "igtl", "video")
Machine = Callable[..., str]  # words of a command -> what it wrote


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < until, what
        time.sleep(0.1)


@contextlib.contextmanager
def own_cgroup() -> Iterator[Path]:
    """A cgroup (version 2) below the one that is mounted."""
    root = next((path for path in (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup")) if _is_v2(path)), None)
    if root is None or os.geteuid() != 0 or not os.access(root, os.W_OK) or not SYSTEMD.exists():
        pytest.skip("a systemd of its own needs root, cgroup version 2 and the package systemd")
    folder = root / f"{SERVICE}-{os.getpid()}"
    folder.mkdir()
    try:
        yield folder
    finally:
        (folder / "cgroup.kill").write_text("1")  # whatever the machine had started
        wait_until(lambda: "populated 0" in (folder / "cgroup.events").read_text(), "the machine is still there")
        for below in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
            below.rmdir()
        folder.rmdir()


def _is_v2(path: Path) -> bool:
    return (path / "cgroup.controllers").is_file()


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    state = tmp_path_factory.mktemp("machine")
    script = [str(HERE / "systemd_machine.sh"), str(state), str(ROOT), sysconfig.get_path("purelib"), sys.base_prefix]
    with own_cgroup() as cgroup:
        enter = f'echo $$ > {cgroup}/cgroup.procs; exec unshare {" ".join(NAMESPACES)} --fork --kill-child bash "$@"'
        booted = subprocess.Popen(["bash", "-c", enter, "bash", *script], stderr=subprocess.PIPE)

        def run(*words: str) -> str:
            first = Path(f"/proc/{booted.pid}/task/{booted.pid}/children").read_text().split()
            into = ["nsenter", f"--target={first[0]}", *NAMESPACES] if first else ["false"]
            done = subprocess.run([*into, *words], capture_output=True, text=True, timeout=60, check=False)
            return (done.stdout + done.stderr).strip()

        try:
            until = time.monotonic() + PATIENCE_S
            while run("systemctl", "is-system-running") not in ("running", "degraded"):
                if booted.poll() is not None or time.monotonic() > until:
                    pytest.skip("systemd does not start in namespaces here")
                time.sleep(0.1)
            yield run
        finally:
            booted.send_signal(signal.SIGKILL)  # its child, the machine's first process, goes with it
            booted.communicate()


@pytest.fixture
def installed(machine: Machine, bundles: Any, tissue: Any, keyring: Keyring) -> Machine:
    """The service, installed and started by the command itself."""
    stills = bundles.folder / "stills"
    stills.mkdir()
    Image.fromarray(np.asarray(tissue(0))).save(stills / "0.png")
    machine("cp", "-r", str(stills), "/var/stills")
    command = [PROGRAM, "install-service", str(bundles.onnx()), "--source", "folder:/var/stills", "--program", PROGRAM]
    told = machine("env", f"VMAMBA_EDGE_HOME={keyring.home}", *command, "--enable", "--", "--pause", "0.2")
    assert "enable --now" in told, told
    return machine


def fact(machine: Machine, name: str, unit: str = SERVICE) -> str:
    return machine("systemctl", "show", unit, f"--property={name}", "--value")


def test_the_hardened_unit_runs_comes_back_and_goes(installed: Machine) -> None:
    assert fact(installed, "ActiveState") == "active"
    wait_until(lambda: "1 answers" in fact(installed, "StatusText"), "the engine answers")
    main = fact(installed, "MainPID")
    installed("kill", "-9", main)
    wait_until(lambda: fact(installed, "MainPID") not in ("0", main), "it is started again")
    wait_until(lambda: fact(installed, "ActiveState") == "active", "it is ready again")
    assert (fact(installed, "NRestarts"), fact(installed, "User")) == ("1", SERVICE)
    owners = installed("find", f"/var/lib/{SERVICE}", "-printf", "%u %m %f\n").splitlines()
    assert f"{SERVICE} 700 {SERVICE}" in owners
    assert f"{SERVICE} 600 exams.db" in owners
    installed("systemctl", "stop", SERVICE)
    assert (fact(installed, "Result"), fact(installed, "ExecMainStatus")) == ("success", "0")
    assert "exams" in installed(PROGRAM, "install-service", "--remove").lower()
    assert "exams.db" in installed("find", f"/var/lib/{SERVICE}", "-printf", "%f\n").splitlines()


def test_every_bridge_runs_in_a_unit_of_its_own_and_outlives_the_plane_check(
    machine: Machine, bundles: Any, keyring: Keyring
) -> None:
    config = bundles.folder / "edge.toml"
    config.write_text(CONFIG)
    machine("mkfifo", "/var/pipe")
    command = [PROGRAM, "install-service", str(bundles.onnx()), "--config", str(config), "--program", PROGRAM]
    told = machine("env", f"VMAMBA_EDGE_HOME={keyring.home}", *command, "--enable")
    assert "enable --now" in told, told
    units = {name: f"{SERVICE}-{name}" for name in BRIDGES}
    before = {
        name: (fact(machine, "ActiveState", unit), fact(machine, "MainPID", unit)) for name, unit in units.items()
    }
    assert [state for state, _ in before.values()] == ["active"] * len(BRIDGES), before
    main = fact(machine, "MainPID")
    machine("kill", "-9", main)
    wait_until(lambda: fact(machine, "MainPID") not in ("0", main), "the plane check is started again")
    wait_until(lambda: fact(machine, "ActiveState") == "active", "it is ready again")
    after = {name: (fact(machine, "ActiveState", unit), fact(machine, "MainPID", unit)) for name, unit in units.items()}
    assert after == before
    wait_until(lambda: "pipe has given nothing" in machine("python3", "-c", VIEW), "the bridges speak to it again")
    machine(PROGRAM, "install-service", "--remove")
    assert {fact(machine, "ActiveState", unit) for unit in units.values()} == {"inactive"}
    assert fact(machine, "ActiveState") == "inactive"
