"""`edge install-service` below a folder of its own, of a bundle that may leave its maker."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.bundle import bytes_from_parts
from edge.deploy.sbom import Package
from edge.keyring import Keyring
from tests.conftest import Command, Done
from tests.edge.conftest import MANIFEST, gate_parts
from tests.edge.deploy.installing import PROGRAM


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "image"
    folder.mkdir()
    return folder


@pytest.fixture
def released(keyring: Keyring, tmp_path: Path) -> Path:
    """A bundle signed with a key of its maker, not with a development key."""
    from edge.backends.null import NullBackend

    keyring.new("maker")
    parts = gate_parts(MANIFEST, NullBackend(len(MANIFEST.labels)))
    path = tmp_path / "released.edge"
    path.write_bytes(bytes_from_parts(MANIFEST, parts, keyring.signing_key("maker")))
    return path


@pytest.fixture
def install(edge: Command, keyring: Keyring, root: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    packages = (Package("numpy", "2.0", "BSD-3-Clause", True, ""),)  # reading all of them takes a second each time
    monkeypatch.setattr("edge.deploy.sbom.packages_from_environment", lambda: packages)

    def run(*arguments: object) -> Done:
        own = ("--root", root, "--program", PROGRAM)
        return edge("install-service", *own, *arguments, home=keyring.home)

    return run
