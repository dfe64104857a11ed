"""The service in this process: what systemd, a sink and the log are told; store, ticker and signals by themselves."""

from __future__ import annotations

import io
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from edge.errors import DeviceError, MachineError, UsageError
from edge.exam_keys import ExamKey
from edge.keyring import Keyring
from edge.service import run
from edge.service.desk import Desk
from edge.service.log import Log
from edge.service.notify import Notifier
from edge.service.run import Outside, Ready, run_service
from edge.service.service_settings import ServiceSettings, key_from_options
from edge.service.service_store import service_store
from edge.service.stop import Stop, Told
from edge.service.ticker import Ticker
from tests.edge.conftest import Maker
from tests.edge.serving import bands_bundle
from tests.edge.stored import opened

WALL = "2026-11-21T00:00:00Z"


class Cart:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.got: dict[str, list[Any]] = {"answer": [], "status": [], "view": []}
        self.left = False

    def __enter__(self) -> Cart:
        return self

    def __exit__(self, *_: object) -> None:
        self.left = True

    def take_answer(self, answer: Any) -> None:
        self.got["answer"].append(answer)

    def take_status(self, status: Any) -> None:
        self.got["status"].append(status)

    def take_view(self, view: Any) -> None:
        self.got["view"].append(view)


@dataclass
class Around:
    """What a process gives its service, and what it was told."""

    address: str = ""
    watchdog_s: float | None = None
    stop: Stop = field(default_factory=Stop)
    ready: list[Ready] = field(default_factory=list)
    log: io.StringIO = field(default_factory=io.StringIO)

    def outside(self) -> Outside:
        return Outside(
            Log(self.log, lambda: WALL), Notifier(self.address), self.watchdog_s, self.stop, self.ready.append,
            lambda status: None, time.monotonic, lambda: WALL,
        )  # fmt: skip

    def events(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.log.getvalue().splitlines()]


@pytest.fixture
def settings(bundles: Maker, keyring: Keyring, tmp_path: Path, tissue: Any) -> ServiceSettings:
    stills = tmp_path / "stills"
    stills.mkdir()
    Image.fromarray(tissue(1, 192)).save(stills / "a.png")
    key, source = ExamKey("P1", ""), f"folder:{stills}"
    return ServiceSettings(
        bands_bundle(bundles), keyring.home, source, port=0, key=key, sinks=("cart:here",), pause_s=0
    )


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_systemd_a_sink_and_the_log_are_told(
    settings: ServiceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cart = Cart()
    monkeypatch.setattr(run, "open_sink", lambda text: cart)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        around, words = Around(str(tmp_path / "notify"), watchdog_s=1.7), list[str]()

        def watch() -> None:
            while "STOPPING=1" not in words:
                words.extend(manager.recv(4096).decode().splitlines())
                if {"READY=1", "WATCHDOG=1"} <= set(words) and cart.got["answer"] and cart.got["view"]:
                    around.stop.event.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        run_service(settings, around.outside())
        watcher.join()
    assert words.index("READY=1") < words.index("STOPPING=1")
    assert any(word.startswith("STATUS=AI ") for word in words)
    assert cart.got["answer"][0].prediction.plane == "femur"
    assert cart.got["view"][-1].exam.patient == "P1"
    assert cart.got["status"]
    wait_for(lambda: cart.left)
    assert around.events()[0] == "started"
    assert around.events()[-1] == "stopped"
    assert around.ready[0].facts.source == "folder"


def test_a_watchdog_that_is_too_quick_is_refused(settings: ServiceSettings) -> None:
    with pytest.raises(UsageError, match="sign of life"):
        run_service(settings, Around(watchdog_s=0.5).outside())


def test_a_sink_that_cannot_be_opened_ends_the_start(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(text: str) -> Any:
        raise DeviceError("There is no cart.", "Plug it in.")

    monkeypatch.setattr(run, "open_sink", absent)
    around = Around()
    with pytest.raises(DeviceError, match="no cart"):
        run_service(settings, around.outside())
    assert around.ready == []


def test_a_full_disk_does_not_keep_the_service_from_starting(
    settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(desk: Desk, order: Any) -> None:
        raise MachineError("The disk is full.", "Free some space.")

    monkeypatch.setattr(Desk, "open_first", full)
    around = Around()
    outside = replace(around.outside(), on_ready=lambda ready: around.stop.event.set())
    run_service(replace(settings, sinks=()), outside)
    assert around.events()[:2] == ["exam_not_opened", "started"]


def test_a_ticker_that_fails_stops_the_service_and_says_why() -> None:
    stop = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    with Ticker(fail, 0.01, stop) as ticker:
        assert stop.wait(5)
    assert isinstance(ticker.error, ZeroDivisionError)


def test_a_signal_undoes_the_start_and_later_ends_in_order() -> None:
    with pytest.raises(Told), Stop() as stop:
        signal.raise_signal(signal.SIGTERM)
    assert stop.event.is_set()
    with Stop() as stop:
        stop.is_serving = True
        signal.raise_signal(signal.SIGINT)
        assert stop.event.is_set()
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_start_that_is_interrupted_in_text_under_exec_ends_in_order() -> None:
    program = """
import signal
from edge.service.stop import Stop, Told
try:
    with Stop():
        exec("signal.raise_signal(signal.SIGTERM)")
except Told:
    pass
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_signal_that_whoever_started_the_service_ignores_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with Stop() as stop:
            signal.raise_signal(signal.SIGHUP)
            assert not stop.event.is_set()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_demo_removes_what_a_killed_one_left_and_no_other(
    settings: ServiceSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    demo, left = replace(settings, source="demo"), tmp_path / "vmamba-edge-demo-killed"
    with opened(left / "exams.db"):
        pass
    with service_store(demo, lambda: WALL) as (first, _), service_store(demo, lambda: WALL) as (second, _):
        assert first.path.exists()
        assert second.path.exists()
        assert not left.exists()


def test_a_demo_has_a_store_of_its_own_that_goes(settings: ServiceSettings, keyring: Keyring) -> None:
    demo = replace(settings, source="demo")
    with service_store(demo, lambda: WALL) as (store, is_temporary):
        path = store.path
        assert is_temporary
        assert path.is_file()
    assert not path.parent.exists()
    with service_store(replace(demo, store=keyring.home / "own.db"), lambda: WALL) as (store, is_temporary):
        assert not is_temporary
    assert store.path.is_file()


def test_an_encrypted_store_is_opened_without_being_asked_to(settings: ServiceSettings) -> None:
    with service_store(replace(settings, encrypt=True), lambda: WALL) as (store, _):
        exam = store.new_exam({"patient": "P1"}, "0" * 64)
    with service_store(settings, lambda: WALL) as (store, _):
        assert store.encrypted
        assert store.about(exam) == {"patient": "P1"}


def test_patient_and_study_are_a_key_and_nothing_is_none() -> None:
    assert key_from_options(" P1 ", "") == ExamKey("P1", "")
    assert key_from_options("", "") is None
    with pytest.raises(UsageError):
        key_from_options("P\n1", "")
