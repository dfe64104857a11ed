"""A running plane check for the bridges' tests: bright bands decide. One process for all, an exam a test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.keyring import Keyring
from tests.edge.conftest import Maker
from tests.edge.serving import Serving, bands_bundle, serving

PATIENTS = itertools.count(1)


@pytest.fixture
def keyring(tmp_path: Path) -> Keyring:
    return Keyring(tmp_path / "home")


@pytest.fixture
def bundles(keyring: Keyring, tmp_path: Path) -> Maker:
    return Maker(keyring, tmp_path)


@pytest.fixture(scope="session")
def _bridged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("bridged")
    keyring = Keyring(folder / "home")
    arguments = ("--source", "bridge", "--port", 0, "--socket", folder / "api.sock")
    with serving(keyring.home, bands_bundle(Maker(keyring, folder)), *arguments) as running:
        yield running


@pytest.fixture
def service(_bridged: Serving) -> Serving:
    """Its frames come from bridges; a patient of the test's own is on the screen."""
    status, reply = _bridged.order("open", patient=f"P-{next(PATIENTS)}", study="", fetuses=1)
    assert status == 200, reply
    return _bridged
