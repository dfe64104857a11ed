"""`edge serve` as a process: frames in, captures in the store, the API on its socket, and an end in order."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge.commands import serve
from edge.keyring import Keyring
from edge.store import store_path
from edge.store_check import check_store
from edge.store_reader import open_reader
from tests.conftest import Command, check_told
from tests.edge.conftest import Maker
from tests.edge.serving import WAIT_S, bands_bundle, captured, serving, started

PATIENT = "Doe-4711"


@pytest.fixture
def stills(tmp_path: Path, tissue: Any) -> Path:
    folder = tmp_path / "stills"
    folder.mkdir()
    for number in range(2):
        Image.fromarray(tissue(number, 192)).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def arguments(bundles: Maker, stills: Path, tmp_path: Path) -> tuple[object, ...]:
    """Two stills, one of each covered plane, into the exam of a patient; page on a free port, socket for the test."""
    source = ("--source", f"folder:{stills}", "--pause", 0)
    return bands_bundle(bundles), *source, "--port", 0, "--socket", tmp_path / "api.sock", "--patient", PATIENT


def both(view: Any) -> bool:
    return set(captured(view)) == {"abdomen", "femur"}


def test_stills_of_a_folder_become_captures_that_the_api_shows_and_the_store_keeps(
    keyring: Keyring, arguments: tuple[object, ...]
) -> None:
    with serving(keyring.home, *arguments) as service:
        assert service.ready["schema"] == 1
        assert service.ready["page"].startswith("http://127.0.0.1:")
        assert service.ready["store"] == str(store_path(keyring.home))
        service.wait_view(both)
        view = service.view()
        assert view["exam"]["patient"] == PATIENT
        row = next(row for row in view["exam"]["checklist"]["rows"] if row["plane"] == "femur")
        exam = view["exam"]["checklist"]["exam"]
        status, jpeg = service.request("GET", f"/api/exams/{exam}/frames/{row['frame']}.jpg")
        assert (status, jpeg[:2]) == (200, b"\xff\xd8")
        status, png = service.request("GET", "/api/attention.png")
        assert (status, png[:4]) == (200, b"\x89PNG")
        status, text = service.request("GET", "/metrics")
        assert b"vmamba_edge_answers_total 2" in text
        assert service.order("confirm", exam=exam, plane="femur", fetus=1)[0] == 200
        code, err = service.end()
    assert code == 0, err
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines if line["event"] in ("started", "stopped")] == ["started", "stopped"]
    assert PATIENT not in err
    with open_reader(store_path(keyring.home)) as reader:
        assert [found.exam for found in reader.exams()] == [exam]
        kinds = [event.kind for event in reader.events(exam)]
        check_store(reader)
    assert "confirmed" in [kind.lower() for kind in kinds]


def test_after_a_kill_the_exam_goes_on_where_it_was(keyring: Keyring, arguments: tuple[object, ...]) -> None:
    with serving(keyring.home, *arguments) as service:
        service.wait_view(both)
        exam = service.view()["exam"]["checklist"]["exam"]
        assert service.order("not_obtainable", exam=exam, plane="thorax", fetus=1, reason="position")[0] == 200
        before = captured(service.view())
        service.process.kill()
    with serving(keyring.home, *arguments) as service:
        view = service.view()
        assert view["exam"]["checklist"]["exam"] == exam
        assert captured(view) == before
        assert before["thorax"] == "not_obtainable"
        assert service.end(signal.SIGINT)[0] == 0
    with open_reader(store_path(keyring.home)) as reader:
        assert len(reader.exams()) == 1


def test_a_second_service_on_the_store_is_refused_and_the_first_goes_on(
    edge: Command, keyring: Keyring, arguments: tuple[object, ...], tmp_path: Path
) -> None:
    with serving(keyring.home, *arguments) as service:
        other = [tmp_path / "other.sock" if part == tmp_path / "api.sock" else part for part in arguments]
        check_told(edge("serve", *other, home=keyring.home), 1, "holds the exam store")
        service.wait_view(both)


def test_a_service_that_is_stopped_while_it_starts_ends_in_order(
    keyring: Keyring, arguments: tuple[object, ...]
) -> None:
    process = started(keyring.home, *arguments)
    time.sleep(0.8)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=WAIT_S)
    assert "Traceback" not in err
    assert process.returncode in (0, -signal.SIGTERM) or out  # before the program's first line the system ends it


def test_a_still_of_another_patient_opens_another_exam(
    keyring: Keyring, arguments: tuple[object, ...], tissue: Any
) -> None:
    with serving(keyring.home, *arguments) as service:
        service.wait_view(both)
        assert service.still(tissue(0, 160), "Other-1", "1.2.3")
        service.wait_view(lambda view: view["exam"]["patient"] == "Other-1" and captured(view))
        view = service.view()
        assert view["exam"]["is_changed"]
        assert set(captured(view)) == {"abdomen"}
        assert [other["patient"] for other in view["others"]] == [PATIENT]


def test_a_person_is_told_where_the_page_is_and_what_this_is(keyring: Keyring, arguments: tuple[object, ...]) -> None:
    command = [sys.executable, "-m", "edge", "serve", *(str(argument) for argument in arguments)]
    environment = {**os.environ, "VMAMBA_EDGE_HOME": str(keyring.home), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        told = ""
        while "不用于临床诊断" not in told:
            line = process.stdout.readline()
            assert line, told
            told += line
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=WAIT_S)
    assert process.returncode == 0
    assert "http://127.0.0.1:" in told
    assert "demo:" in told
    assert "Research software" in told


def test_the_clock_runs_on_while_the_machine_sleeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.clock_gettime", {time.CLOCK_BOOTTIME: 7.0}.get)
    assert serve._clock() == 7.0
