"""`edge install-service --config`: a unit for the plane check and one for each bridge, and what a change takes away."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Command, absent, check_told
from tests.edge.deploy.installing import CONFIG, PROGRAM, UNIT, files_below

MOST = 2.0  # exposure; the limit
SOCKET = "/run/vmamba-edge/api.sock"
ALL = """
[serve]
source = "bridge"
threads = 1
[cart]
port = "/dev/ttyACM1"
[dicom]
host = "0.0.0.0"
[igtl]
listen = "0.0.0.0:18944"
allow = ["10.0.0.5", "10.0.1.0/24"]
[video]
source = "camera:/dev/video0"
"""
BRIDGES = ("cart", "dicom", "igtl", "video")


def unit_path(root: Path, name: str) -> Path:
    return root / f"etc/systemd/system/vmamba-edge-{name}.service"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(ALL)
    return path


@pytest.fixture
def installed(install: Command, released: Path, root: Path, config: Path) -> Path:
    done = install(released, "--config", config, "--allow", "dicom=192.168.7.0/24")
    assert done.code == 0, done.err
    return root


def lines_of(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_the_plane_check_reads_the_file_and_every_bridge_has_a_unit(installed: Path) -> None:
    assert (installed / CONFIG).read_text() == ALL
    assert (installed / CONFIG).stat().st_mode & 0o777 == 0o644
    (command,) = [line for line in lines_of(installed / UNIT) if line.startswith("ExecStart=")]
    assert re.fullmatch(rf"ExecStart={PROGRAM} serve /etc/\S+\.edge --config /{CONFIG} --socket {SOCKET}", command)
    for name in BRIDGES:
        lines = lines_of(unit_path(installed, name))
        assert f"ExecStart={PROGRAM} bridge {name} --config /{CONFIG} --socket {SOCKET}" in lines
        assert {"Restart=always", "After=vmamba-edge.service", "Wants=vmamba-edge.service"} <= set(lines)
        assert not [line for line in lines if line.startswith(("Requires=", "BindsTo=", "PartOf="))]


def test_each_bridge_gets_its_devices_networks_and_memory_and_no_others(installed: Path) -> None:
    units = {name: unit_path(installed, name).read_text() for name in BRIDGES}
    reach = {
        name: re.findall(r"^IPAddressAllow=localhost ?(.*)", text, re.MULTILINE)[0] for name, text in units.items()
    }
    assert reach == {"cart": "", "dicom": "192.168.7.0/24", "igtl": "10.0.0.5/32 10.0.1.0/24", "video": ""}
    devices = {
        name: set(re.findall(r"^DeviceAllow=char-([a-z0-9]+)", text, re.MULTILINE)) for name, text in units.items()
    }
    assert "ttyACM" in units["cart"]
    assert devices["video"] == {"video4linux"}
    assert devices["dicom"] == devices["igtl"] == set()
    assert "MemoryMax=1G" in units["dicom"].splitlines()
    assert "IPAddressAllow=localhost\n" in (installed / UNIT).read_text()


@pytest.mark.parametrize("name", BRIDGES)
def test_an_installed_unit_is_little_exposed_and_right(installed: Path, name: str, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        absent("no systemd-analyze (apt install systemd)")
    path = tmp_path / unit_path(installed, name).name
    path.write_text(unit_path(installed, name).read_text().replace(PROGRAM, "/bin/true"))
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST
    checked = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)], capture_output=True, text=True)
    assert [line for line in checked.stderr.splitlines() if "vmamba-edge.service" not in line] == []


def test_what_the_command_line_says_stands_in_the_unit_and_wins(
    install: Command, released: Path, root: Path, config: Path
) -> None:
    allow = ("--allow", "dicom=192.168.7.0/24")
    assert install(released, "--config", config, *allow, "--source", "camera", "--", "--threads", 2).code == 0
    assert f"--socket {SOCKET} --source camera --threads 2" in (root / UNIT).read_text()
    assert "DeviceAllow=char-video4linux" in (root / UNIT).read_text()


def test_a_bridge_that_is_no_longer_in_the_file_goes_and_others_units_stay(
    install: Command, released: Path, installed: Path, config: Path
) -> None:
    if shutil.which("systemctl") is None:
        absent("no systemctl (apt install systemd)")
    unit_path(installed, "backup").write_text("[Service]\nExecStart=/bin/true\n")
    config.write_text("[serve]\nsource = 'bridge'\n[cart]\n")
    planned = install(released, "--config", config, "--dry-run", "--json").document["files"]
    gone = {Path(item["path"]).name for item in planned if item["state"] == "removed"}
    assert gone == {f"vmamba-edge-{name}.service" for name in ("dicom", "igtl", "video")}
    assert unit_path(installed, "video").is_file()
    assert install(released, "--config", config).code == 0
    assert [name for name in (*BRIDGES, "backup") if unit_path(installed, name).is_file()] == ["cart", "backup"]
    assert install(released).code == 0
    assert not (installed / CONFIG).exists()
    assert not unit_path(installed, "cart").exists()


def test_enabling_and_removal_take_all_of_them(install: Command, released: Path, root: Path, config: Path) -> None:
    if shutil.which("systemctl") is None:
        absent("no systemctl (apt install systemd)")
    allow = ("--allow", "dicom=192.168.7.0/24")
    done = install(released, "--config", config, *allow, "--enable", "--json")
    assert done.code == 0, done.err
    (command,) = done.document["commands"]
    assert command[3:] == ["vmamba-edge.service", *(f"vmamba-edge-{name}.service" for name in BRIDGES)]
    wanted = root / "etc/systemd/system/vmamba-edge.service.wants"
    assert {path.name for path in wanted.iterdir()} == set(command[4:])
    assert install("--remove").code == 0
    assert [name for name in files_below(root) if "systemd" in name or name == CONFIG] == []
    assert not wanted.exists()


def test_bundle_and_all_may_come_from_the_file(install: Command, released: Path, config: Path) -> None:
    config.write_text(f"[serve]\nbundle = '{released}'\nsource = 'bridge'\n")
    done = install("--config", config, "--dry-run")
    assert done.code == 0, done.err
    assert f"--- /{CONFIG}" in done.out


@pytest.mark.parametrize(
    ("text", "options", "code", "cause"),
    [
        ("[serve]\nsource = 1\n", (), 3, "serve.source is 1, expected text (line 2)"),
        ("[cart]\n", (), 3, "no section [serve]"),
        ("[serve]\n", (), 2, "--source"),
        ("[serve]\nsource='bridge'\n[video]\n", (), 2, "[video] Missing argument 'source'"),
        ("[serve]\nsource='bridge'\n[igtl]\n", (), 2, "no peer"),
        ("[serve]\nsource='bridge'\n[igtl]\nlisten='0.0.0.0:1'\n", (), 2, "anybody on the network"),
        ("[serve]\nsource='bridge'\n[dicom]\ntls_key='/etc/key.pem'\n", (), 2, "three files"),
        ("[serve]\nsource='bridge'\n[dicom]\nsend=['10.0.0.4']\n", (), 2, "no DICOM destination"),
        ("[serve]\nsource='bridge'\n[dicom]\nhost='0.0.0.0'\n", (), 2, "[dicom] listens where its unit lets nobody in"),
        ("[serve]\nsource='bridge'\nhost='0.0.0.0'\n", (), 2, "--host binds the page"),
        ("[serve]\nsource='bridge'\nsocket='/run/x'\n", (), 2, "serve.socket is '/run/x'"),
        ("[serve]\nsource='bridge'\ntls_key='key.pem'\n", (), 2, "the unit cannot see"),
        ("[serve]\nsource='bridge'\npin_file='/home/me/pin'\n", (), 2, "the unit cannot see"),
        ("[serve]\nsource='bridge'\npin_file='/etc/../home/me/pin'\n", (), 2, "the unit cannot see"),
        ("[serve]\nsource='bridge'\n[cart]\nport='tcp:cart.ward:7000'\n", (), 2, "names the host 'cart.ward'"),
        ("[serve]\nsource='bridge'\n", ("--allow", "dicom=10.0.0.1"), 2, "no bridge of"),
        ("[serve]\nsource='bridge'\n", ("--allow", "10.0.0.300"), 2, "no network"),
        ("[serve]\nsource='bridge'\n", ("--", "--config", "/etc/x.toml"), 3, "/etc/x.toml cannot be read"),
    ],
)  # fmt: skip
def test_what_would_fail_at_the_bedside_is_refused_now(
    install: Command,
    released: Path,
    root: Path,
    config: Path,
    text: str,
    options: tuple[str, ...],
    code: int,
    cause: str,
) -> None:
    config.write_text(text)
    check_told(install(released, "--config", config, *options), code, cause)
    assert files_below(root) == {}


def test_a_network_of_a_bridge_needs_the_file_that_has_it(install: Command, released: Path) -> None:
    check_told(install(released, "--allow", "dicom=10.0.0.1"), 2, "there is no config file")
