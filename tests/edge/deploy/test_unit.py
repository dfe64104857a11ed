"""Units: hardened enough, accepted by systemd's own checker, and every word of a command read as it was meant."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.deploy.unit import (
    BRIDGE_MEMORY,
    PLACEHOLDER,
    Access,
    bridge_unit,
    command_line,
    service_unit,
    users_file,
)
from edge.errors import UsageError
from tests.conftest import absent

MOST = 2.0  # exposure; the limit
LAN = ("192.168.7.0/24",)
UNITS = {
    "vmamba-edge.service": service_unit(["/bin/true", "serve"], "vmamba-edge", Access()),
    "vmamba-edge-camera.service": service_unit(["/bin/true", "a b"], "vmamba-edge", Access(("camera",), LAN)),
    "vmamba-edge-gpu.service": service_unit(["/bin/true"], "vmamba-edge", Access(("camera", "gpu"), LAN)),
    "vmamba-edge-cart.service": bridge_unit(
        "cart", "The cart's lamp", ["/bin/true"], "vmamba-edge", Access(("serial",), (), BRIDGE_MEMORY)
    ),
    "vmamba-edge-dicom.service": bridge_unit("dicom", "Scanner", ["/bin/true"], "vmamba-edge", Access((), LAN)),
}


def systemd_analyze(*words: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        absent("no systemd-analyze (apt install systemd)")
    return subprocess.run(["systemd-analyze", *words], capture_output=True, text=True, check=False)


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / str(request.param)
    path.write_text(UNITS[request.param])
    return path


def test_a_unit_is_little_exposed(unit: Path) -> None:
    done = systemd_analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST, "\n".join(line for line in done.stdout.splitlines() if line.startswith("✗"))


def test_systemd_finds_nothing_wrong_in_a_unit(unit: Path) -> None:
    done = systemd_analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_every_placeholder_is_filled(unit: Path) -> None:
    assert not PLACEHOLDER.search(unit.read_text())


def test_each_unit_gets_the_devices_it_needs_and_no_others() -> None:
    allowed = {name: re.findall(r"^DeviceAllow=(\S+)", text, re.MULTILINE) for name, text in UNITS.items()}
    assert allowed["vmamba-edge.service"] == []
    assert allowed["vmamba-edge-camera.service"] == ["char-video4linux"]
    assert "PrivateDevices=yes" in UNITS["vmamba-edge.service"]
    assert "modprobe@videodev.service" in UNITS["vmamba-edge-camera.service"]


def test_only_the_loopback_and_what_is_named_may_be_reached() -> None:
    addresses = [
        re.findall(r"^IPAddress\w+=(.+)", UNITS[f"vmamba-edge{name}.service"], re.MULTILINE) for name in ("", "-dicom")
    ]
    assert addresses == [["any", "localhost"], ["any", "localhost 192.168.7.0/24"]]


def test_words_of_a_command_are_quoted_as_systemd_reads_them() -> None:
    assert command_line(["/bin/x", "a b", 'q"', "50%", "$HOME", ";", "b\\c", ""]) == (
        r'/bin/x "a b" "q\"" "50%%" "$$HOME" ";" "b\\c" ""'
    )


@pytest.mark.parametrize("word", ["a\nExecStartPre=+/bin/sh", "\0", "\t"])
def test_no_word_can_begin_a_line_of_its_own(word: str) -> None:
    with pytest.raises(UsageError):
        command_line(["/bin/true", word])


@pytest.mark.parametrize("user", ["root", "", "a b", "x\ny", "A", "-x"])
def test_an_unfit_account_is_refused(user: str) -> None:
    with pytest.raises(UsageError):
        users_file(user)


@pytest.mark.parametrize("address", ["any\nIPAddressDeny=", "example.org", "10.0.0.0/33", "10.0.0.1/8"])
def test_an_unfit_network_is_refused(address: str) -> None:
    with pytest.raises(UsageError):
        service_unit(["/bin/true"], "vmamba-edge", Access((), (address,)))


@pytest.mark.parametrize(("name", "description"), [("Cart", "x"), ("a/b", "x"), ("cart", "x\nUser=root")])
def test_an_unfit_bridge_is_refused(name: str, description: str) -> None:
    with pytest.raises(UsageError):
        bridge_unit(name, description, ["/bin/true"], "vmamba-edge", Access())
