"""`edge serve` with what cannot work: one line of cause, one of cure, the exit code of the contract."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.keyring import Keyring
from edge.store import open_store, store_path
from tests.conftest import Command, check_told
from tests.edge.conftest import Maker
from tests.edge.serving import bands_bundle

WALL = "2026-11-21T00:00:00Z"


@pytest.fixture
def stills(tmp_path: Path, tissue: Any) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(tissue(number % 2)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def bundle(bundles: Maker) -> Path:
    return bands_bundle(bundles)


def test_a_bundle_that_is_not_there(edge: Command, tmp_path: Path, stills: Path) -> None:
    check_told(edge("serve", tmp_path / "none.edge", "--source", f"folder:{stills}"), 3, "no file")


def test_a_bundle_that_was_tampered_with(edge: Command, bundle: Path, keyring: Keyring, stills: Path) -> None:
    data = bytearray(bundle.read_bytes())
    data[-1] ^= 1
    bundle.write_bytes(data)
    check_told(edge("serve", bundle, "--source", f"folder:{stills}", home=keyring.home), 6, "")


def test_an_engine_of_another_machine(edge: Command, bundles: Maker, stills: Path) -> None:
    other = bands_bundle(bundles, "orin.edge", target="jetson-orin")
    done = edge("serve", other, "--source", f"folder:{stills}", "--port", 0, home=bundles.keyring.home)
    check_told(done, 4, "")


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (("--source", "tape:1"), 2, "no source 'tape'"),
        (("--source", "folder:/nowhere"), 3, "not there"),
        (("--source", "camera:/dev"), 4, "is no camera"),
        (("--source", "STILLS", "--protocol", "mine"), 2, "no protocol 'mine'"),
        (("--source", "STILLS", "--protocol", "/nowhere/a.toml"), 2, "cannot be read"),
        (("--source", "STILLS", "--roi", "1,2,3"), 2, "no region"),
        (("--source", "STILLS", "--roi", "0,0,97,64"), 2, "reaches beyond"),
        (("--source", "STILLS", "--sink", "tape:1"), 2, "no sink 'tape'"),
        (("--source", "STILLS", "--operator", "Jane Doe"), 2, "no operator's id"),
        (("--source", "STILLS", "--patient", "x" * 65), 2, "--patient"),
        (("--source", "STILLS", "--host", "0.0.0.0"), 2, ""),
        (("--source", "STILLS", "--no-page"), 2, "either a port nor a socket"),
        ((), 2, "--source"),
    ],
)
def test_what_cannot_be_meant(
    edge: Command, bundle: Path, keyring: Keyring, stills: Path, arguments: Any, code: int, cause: str
) -> None:
    given = [text.replace("STILLS", f"folder:{stills}") for text in arguments]
    check_told(edge("serve", bundle, "--port", 0, *given, home=keyring.home), code, cause)


def test_a_protocol_that_is_not_valid(edge: Command, bundle: Path, keyring: Keyring, stills: Path) -> None:
    own = stills.parent / "own.toml"
    own.write_text("id = 3")
    done = edge("serve", bundle, "--source", f"folder:{stills}", "--protocol", own, home=keyring.home)
    check_told(done, 2, "not valid")


def test_a_port_that_is_taken(edge: Command, bundle: Path, keyring: Keyring, stills: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = edge("serve", bundle, "--source", f"folder:{stills}", "--port", port, home=keyring.home)
    check_told(done, 1, str(port))


def test_a_store_that_another_process_holds(edge: Command, bundle: Path, keyring: Keyring, stills: Path) -> None:
    with open_store(store_path(keyring.home), wall=lambda: WALL):
        done = edge("serve", bundle, "--source", f"folder:{stills}", "--port", 0, home=keyring.home)
    check_told(done, 1, "holds the exam store")


def test_a_folder_without_a_picture(edge: Command, bundle: Path, keyring: Keyring, tmp_path: Path) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    done = edge("serve", bundle, "--source", f"folder:{folder}", "--port", 0, home=keyring.home)
    check_told(done, 3, "no image")


def test_without_the_extra_the_line_that_installs_it_is_told(
    edge: Command, bundle: Path, keyring: Keyring, stills: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith(("edge.page", "starlette"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    done = edge("serve", bundle, "--source", f"folder:{stills}", "--port", 0, home=keyring.home)
    check_told(done, 4, "starlette")
    assert "pip install '.[serve]'" in done.err


def test_what_was_encrypted_stays_so_and_what_was_not_is_told(
    edge: Command, bundle: Path, keyring: Keyring, tmp_path: Path, stills: Path
) -> None:
    path = tmp_path / "plain.db"
    with open_store(path, wall=lambda: WALL):
        pass
    options = ("--source", f"folder:{stills}", "--port", 0, "--store", path, "--encrypt")
    check_told(edge("serve", bundle, *options, home=keyring.home), 2, "without encryption")


def test_a_model_of_bands_answers_as_the_null_backend(bundle: Path, keyring: Keyring, tissue: Any) -> None:
    from edge.session import open_session

    with open_session(bundle, keyring=keyring) as session:
        assert [session.classify(tissue(band)).plane for band in (0, 1)] == ["abdomen", "femur"]
        assert np.isfinite(session.attention(tissue(0))).all()
