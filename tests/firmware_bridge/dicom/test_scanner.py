"""The scanner in software: what it makes reads as an ultrasound object, and what it pushes arrives."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge.errors import UsageError
from edge.sources.dicom import frames_from_dicom
from edge.sources.dicom_key import key_from_dicom
from firmware_bridge.dicom.scanner import BANNER_PX, Pretended, object_from_pictures, uid_from_seed
from firmware_bridge.dicom.tls import files_from_options
from tests.firmware_bridge.dicom.certificates import authority_files, tls_files
from tests.firmware_bridge.dicom.programs import tool
from tests.firmware_bridge.dicom.receiving import bytes_from_object, picture, ran, receiving


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(picture(number, 96 + 4 * number)).save(folder / f"{number}.png")
    return folder


def sim(*arguments: object) -> tuple[int, Any, str]:
    """Exit code, first JSON line and standard error of `edge sim scanner`."""
    done = ran(sys.executable, "-m", "edge", "sim", "scanner", *arguments, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[0]), done.stderr


def test_an_object_holds_the_banner_and_reads_without_it(tmp_path: Path) -> None:
    made = object_from_pictures([picture(1)], Pretended(patient="P-7"), 0)
    screen = np.frombuffer(made.PixelData, np.uint8).reshape(made.Rows, made.Columns)
    assert screen[:BANNER_PX].max() > 128
    path = tmp_path / "one.dcm"
    path.write_bytes(bytes_from_object(made))
    (frame,) = frames_from_dicom(path)
    key = key_from_dicom(path)
    assert frame.pixels.tolist() == picture(1).tolist()
    assert key is not None
    assert (key.patient, key.study) == ("P-7", made.StudyInstanceUID)


def test_the_same_seed_makes_the_same_identifiers_and_another_does_not() -> None:
    assert uid_from_seed(1, "a") == uid_from_seed(1, "a") != uid_from_seed(2, "a")
    assert len(uid_from_seed(1, "a")) <= 64


@pytest.mark.peer
def test_dcmtk_reads_what_it_makes(tmp_path: Path) -> None:

    dump = tool("dcmdump")
    for number, who in enumerate((Pretended(), Pretended(is_jpeg=True))):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(bytes_from_object(object_from_pictures([picture(1), picture(2)], who, 0)))
        told = ran(dump, path)
        assert told.returncode == 0, told.stderr
        assert "UltrasoundMultiframeImageStorage" in told.stdout


def test_it_pushes_a_folder_and_a_clip_and_pushes_the_same_again(pictures: Path, tmp_path: Path) -> None:
    with receiving(tmp_path / "spool", tmp_path / "none.sock") as bridge:
        to = ("--to", f"127.0.0.1:{bridge.port}")
        code, told, err = sim(pictures, *to, "--count", 10, "--associations", 2, "--patient", "P-1")
        assert (code, told["sent"], told["accepted"]) == (0, 10, 10), err
        assert sim(pictures, *to, "--frames", 4, "--jpeg", "--seed", 2)[:2][1]["accepted"] == 1
        assert sim(pictures, *to, "--count", 10, "--patient", "P-1")[1]["accepted"] == 10
        assert bridge.end()["received"] == {"stored": 11, "known": 10}


def test_what_is_not_accepted_ends_with_its_cause(pictures: Path, tmp_path: Path) -> None:
    with receiving(tmp_path / "spool", tmp_path / "none.sock", "--check-called") as bridge:
        code, told, err = sim(pictures, "--to", f"127.0.0.1:{bridge.port}:OTHER")
    assert (code, told["accepted"], told["statuses"]) == (1, 0, {"refused": 4})
    assert "error: 4 of 4 objects were not accepted: 4 x the association was refused." in err


def test_where_nobody_listens_that_is_said(pictures: Path) -> None:
    code, told, err = sim(pictures, "--to", "127.0.0.1:9")
    assert (code, told["error"]) == (1, "Nobody answers at 127.0.0.1:9.")
    assert "error: Nobody answers at 127.0.0.1:9." in err


def test_a_title_that_is_none_is_the_callers_mistake(pictures: Path) -> None:
    code, told, _ = sim(pictures, "--to", "127.0.0.1:9", "--ae-title", "A" * 17)
    assert (code, "no AE title" in told["error"]) == (2, True)


def test_mutual_tls_between_both(pictures: Path, tmp_path: Path) -> None:
    authority = authority_files(tmp_path / "ward")
    box, probe = tls_files(authority, "box"), tls_files(authority, "probe")
    own = ("--tls-cert", box.certificate, "--tls-key", box.key, "--tls-ca", box.authority)
    with receiving(tmp_path / "spool", tmp_path / "none.sock", *own) as bridge:
        to = ("--to", f"127.0.0.1:{bridge.port}")
        tls = ("--tls-cert", probe.certificate, "--tls-key", probe.key, "--tls-ca", probe.authority)
        assert sim(pictures, *to, *tls, "--tls-name", "box")[1]["accepted"] == 4
        assert sim(pictures, *to, *tls)[1]["accepted"] == 0  # no certificate of 127.0.0.1
        assert sim(pictures, *to)[1]["accepted"] == 0


def test_two_of_three_tls_files_are_refused() -> None:
    with pytest.raises(UsageError):
        files_from_options(Path("a"), None, Path("b"))
