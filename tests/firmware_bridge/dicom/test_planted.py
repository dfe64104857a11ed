"""Text that a scanner writes around its picture: in no file of bridge and service, in whatever form.

::

    storescu --planted text--> bridge --> spool, outbox --> edge serve --> exam store, its log, its temporary files
                                     every file at every moment of it: no planted pixel, no name
"""

from __future__ import annotations

import re
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from edge.keyring import Keyring
from edge.store import store_path
from edge.store_reader import open_reader
from firmware_bridge.dicom.scanner import BANNER_PX, Pretended, object_from_pictures
from tests.edge.conftest import Maker
from tests.edge.serving import bands_bundle, serving
from tests.firmware_bridge.dicom.archives import free_port
from tests.firmware_bridge.dicom.receiving import Receiving, files_of_objects, receiving
from tests.firmware_bridge.dicom.test_forwarder import tissue
from tests.firmware_bridge.dicom.test_receive import studies

pytestmark = pytest.mark.peer
WHO = "SECRETFAMILY^SECRETGIVEN"
BRIGHTEST = 230  # of tissue, after the JPEG of the store as well; the text is 255
SIDE_PX = 96
MARGIN_PX = 24


def banner() -> NDArray[np.uint8]:
    """The text as a scanner burns it in, white on black."""
    screen = Image.new("L", (SIDE_PX, BANNER_PX))
    ImageDraw.Draw(screen).text((2, 8), WHO, fill=255)
    return np.asarray(screen)


def surrounded(number: int, is_jpeg: bool, frames: int = 1) -> Any:
    """Tissue with the text above it and, where no JPEG has made them dim, white pixels on its right."""
    pictures = [np.minimum(tissue(number + index, SIDE_PX), 200) for index in range(frames)]
    made = object_from_pictures(pictures, Pretended("P-9", WHO, seed=9, is_jpeg=is_jpeg), number)
    if is_jpeg:
        return made
    screens = np.frombuffer(made.PixelData, np.uint8)[: frames * made.Rows * made.Columns]
    screens = screens.reshape(frames, made.Rows, made.Columns)
    screens = np.pad(screens, ((0, 0), (0, 0), (0, MARGIN_PX)), constant_values=255)
    screens[:, :BANNER_PX, :SIDE_PX] = banner()
    made.Columns, made.PixelData = made.Columns + MARGIN_PX, screens.tobytes()
    return made


def check_files(*folders: Path) -> None:
    """No file holds a row of the text, a white row, the name, or a JPEG of another size than the region's."""
    rows = {row.tobytes().strip(b"\0") for row in banner()} | {b"\xff" * MARGIN_PX}
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue  # the spool has handed it on meanwhile
        assert b"SECRET" not in data, path
        assert not [row for row in rows if len(row) > 8 and row in data], path
        for found in re.finditer(b"\xff\xd8\xff\xe0", data):  # its size stands at its beginning, a database may part it
            assert Image.open(BytesIO(data[found.start() :])).size == (SIDE_PX, SIDE_PX), path


def test_the_check_finds_a_text_in_pixels_and_in_jpeg(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "a").write_bytes(surrounded(0, is_jpeg=False).PixelData)
    with pytest.raises(AssertionError):
        check_files(tmp_path / "raw")
    (tmp_path / "jpeg").mkdir()
    screen = np.vstack([banner(), tissue(0, SIDE_PX)])
    Image.fromarray(screen).save(tmp_path / "jpeg" / "a.jpg")
    with pytest.raises(AssertionError):
        check_files(tmp_path / "jpeg")


def test_text_around_the_region_reaches_no_file_of_bridge_and_service(
    keyring: Keyring, bundles: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = [surrounded(number, is_jpeg=number % 2 == 1) for number in range(4)] + [surrounded(50, False, frames=3)]
    files = files_of_objects(tmp_path / "sent", objects)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    written = (keyring.home, tmp_path / "box", tmp_path / "tmp")
    source = ("--source", "bridge:dicom", "--no-page", "--socket", tmp_path / "api.sock")
    store = store_path(tmp_path / "box" / "home")
    (tmp_path / "box").mkdir()
    monkeypatch.setenv("VMAMBA_EDGE_HOME", str(keyring.home))
    outgoing = ("--send", f"127.0.0.1:{free_port()}:PACS", "--outbox", tmp_path / "box" / "outbox.db")
    with receiving(tmp_path / "box" / "spool", tmp_path / "api.sock", *outgoing) as bridge:
        _push(bridge, files)
        assert len(bridge.heads(objects)) == len(objects)  # they wait: the service is away
        check_files(*written)
        with serving(keyring.home, bands_bundle(bundles), *source, "--store", store):
            while len(bridge.settled()) < len(objects):
                check_files(*written)  # write-ahead log and half-written files as well
                time.sleep(0.02)
        check_files(*written)
        bridge.end()
    assert studies(tmp_path / "box" / "outbox.db") == 1  # it has heard the name, and holds it sealed
    assert len(shown := stored_pictures(store)) >= 4  # the stills, and of the clip what was captured
    assert max(int(picture.max()) for picture in shown) < BRIGHTEST


def stored_pictures(store: Path) -> list[NDArray[np.uint8]]:
    """What the exams keep."""
    with open_reader(store) as reader:
        events = [(exam.exam, event) for exam in reader.exams() for event in reader.events(exam.exam)]
        jpegs = [reader.jpeg(exam, event.sequence) for exam, event in events if event.has_jpeg]
    return [np.asarray(Image.open(BytesIO(jpeg))) for jpeg in jpegs]


def _push(bridge: Receiving, files: list[Path]) -> None:
    assert bridge.push(files[1:4:2], "-xy").returncode == 0
    assert bridge.push([*files[:4:2], files[4]]).returncode == 0
