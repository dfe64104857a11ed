"""`edge install-service` below a folder of its own: what is written, what is refused, what a removal leaves."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from edge.keyring import Keyring
from tests.conftest import Command, absent, check_told
from tests.edge.conftest import MANIFEST, Maker
from tests.edge.deploy.installing import CONFIG, KEYS, PROGRAM, UNIT, files_below


def test_everything_the_service_needs_is_written(install: Command, released: Path, root: Path) -> None:
    done = install(released, "--source", "camera:/dev/video2", "--port", 9000, "--", "--roi", "1,2,300,400")
    assert done.code == 0, done.err
    files = files_below(root)
    (bundle,) = [name for name in files if name.endswith(".edge")]
    assert files[bundle] == released.read_bytes()
    assert (
        f"ExecStart={PROGRAM} serve /{bundle} --socket /run/vmamba-edge/api.sock "
        "--source camera:/dev/video2 --port 9000 --roi 1,2,300,400"
    ) in files[UNIT].decode().splitlines()
    assert b"u vmamba-edge - " in files["etc/sysusers.d/vmamba-edge.conf"]
    assert json.loads(files["etc/vmamba-edge/sbom.cdx.json"])["bomFormat"] == "CycloneDX"


def test_a_service_of_one_patient_is_refused(install: Command, released: Path, root: Path) -> None:
    check_told(install(released, "--", "--patient", "P1"), 2, "not of one patient")
    assert files_below(root) == {}


def test_the_service_believes_the_signer_and_gets_no_private_key(
    install: Command, released: Path, root: Path, keyring: Keyring
) -> None:
    keyring.new("another")
    assert install(released).code == 0
    (key,) = Keyring((root / KEYS).parent).keys()
    assert (key.name, key.state) == ("maker", "trusted")
    assert (root / KEYS).stat().st_mode & 0o777 == 0o600
    assert not (root / KEYS).with_name("private").exists()


def test_a_second_installation_changes_nothing(install: Command, released: Path, root: Path) -> None:
    install(released)
    before = files_below(root)
    done = install(released, "--json")
    assert {item["state"] for item in done.document["files"]} == {"same"}
    assert files_below(root) == before


def test_a_dry_run_shows_all_and_writes_nothing(install: Command, released: Path, root: Path) -> None:
    done = install(released, "--dry-run")
    assert done.code == 0, done.err
    assert "ProtectSystem=strict" in done.out
    assert "sbom.cdx.json" in done.out
    assert files_below(root) == {}
    assert install(released, "--dry-run", "--json").document["dry_run"] is True


def test_enabling_an_image_makes_the_link_and_starts_nothing(install: Command, released: Path, root: Path) -> None:
    if shutil.which("systemctl") is None:
        absent("no systemctl (apt install systemd)")
    done = install(released, "--enable", "--json")
    assert done.code == 0, done.err
    assert done.document["commands"] == [["systemctl", f"--root={root}", "enable", "vmamba-edge.service"]]
    link = root / "etc/systemd/system/multi-user.target.wants/vmamba-edge.service"
    assert link.is_symlink()
    assert install("--remove").code == 0
    assert not link.is_symlink()


def test_a_removal_keeps_exams_keys_and_other_peoples_files(install: Command, released: Path, root: Path) -> None:
    install(released)
    for name in ("var/lib/vmamba-edge/exams/exams.db", "etc/vmamba-edge/page.pem"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text("kept")
    done = install("--remove")
    assert done.code == 0, done.err
    assert "Exams, keys and the account stay" in done.err
    assert set(files_below(root)) == {KEYS, "var/lib/vmamba-edge/exams/exams.db", "etc/vmamba-edge/page.pem"}
    assert "nothing is installed" in install("--remove").out


def test_a_config_file_that_no_installation_wrote_stays(install: Command, released: Path, root: Path) -> None:
    (root / CONFIG).parent.mkdir(parents=True)
    (root / CONFIG).write_text("[dicom]\n")
    assert install(released).code == 0
    assert install("--remove").code == 0
    assert (root / CONFIG).read_text() == "[dicom]\n"


def test_an_altered_bundle_is_refused_before_anything_is_written(install: Command, released: Path, root: Path) -> None:
    data = bytearray(released.read_bytes())
    data[-1] ^= 1
    released.write_bytes(data)
    check_told(install(released), 6, "was altered")
    assert files_below(root) == {}


def test_a_development_key_is_for_no_other_machine(install: Command, bundles: Maker, root: Path) -> None:
    check_told(install(bundles.null()), 6, "development key")
    assert files_below(root) == {}


def test_a_signer_that_the_service_revoked_stays_revoked(install: Command, released: Path, root: Path) -> None:
    install(released)
    Keyring((root / KEYS).parent).revoke("maker")
    check_told(install(released), 6, "revoked on this device")


def test_what_the_installer_revoked_is_revoked_for_the_service(
    install: Command, released: Path, root: Path, keyring: Keyring
) -> None:
    lost = keyring.new("lost")
    service = Keyring((root / KEYS).parent)
    service.trust(lost.public, "lost")
    keyring.revoke("lost")
    assert install(released).code == 0
    keys = service.keys()
    assert {key.name: key.state for key in keys} == {"lost": "revoked", "maker": "trusted"}


def test_an_older_release_than_the_service_has_run_is_refused(install: Command, released: Path, root: Path) -> None:
    from edge.releases import Releases

    Releases((root / KEYS).parent).record(MANIFEST.name, MANIFEST.release + 1)
    check_told(install(released), 6, "older than installed")


def test_options_that_serve_does_not_know_are_refused_now_and_not_at_the_bedside(
    install: Command, released: Path, root: Path
) -> None:
    check_told(install(released, "--", "--sauce", "x"), 2, "--sauce")
    assert files_below(root) == {}


def test_a_page_for_others_needs_to_be_told_for_whom(install: Command, released: Path, root: Path) -> None:
    check_told(install(released, "--", "--host", "192.168.7.2"), 2, "--host")
    assert install(released, "--allow", "192.168.7.0/24", "--", "--host=192.168.7.2").code == 0
    assert "IPAddressAllow=localhost 192.168.7.0/24" in (root / UNIT).read_text()


@pytest.mark.parametrize("program", ["/home/you/.venv/bin/edge", "/root/edge", "/tmp/edge", "edge"])
def test_a_program_that_the_service_could_not_see_is_refused(install: Command, released: Path, program: str) -> None:
    check_told(install(released, "--program", program), 2, "cannot see")


@pytest.mark.parametrize(
    ("source", "extras"), [("camera", "serve,video"), ("folder:/in", "serve,video"), ("demo", "serve")]
)
def test_how_to_install_the_program_names_what_its_source_needs(
    install: Command, released: Path, source: str, extras: str
) -> None:
    done = install(released, "--program", "/home/you/edge", "--source", source)
    check_told(done, 2, "cannot see")
    assert f"/opt/vmamba-edge/bin/pip install '.[{extras}]'" in done.err


def test_without_root_the_machine_itself_is_refused(
    edge: Command, released: Path, keyring: Keyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    check_told(edge("install-service", released, "--program", PROGRAM, home=keyring.home), 2, "Only root")


def test_no_bundle_and_no_folder_are_told(install: Command, edge: Command, tmp_path: Path) -> None:
    check_told(install(), 2, "No bundle")
    check_told(edge("install-service", "x.edge", "--root", tmp_path / "nowhere"), 3, "There is no folder")
