"""The cart in software: its lamps by themselves, and `edge sim cart` with `edge bridge cart` as two processes."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edge.errors import UsageError
from firmware_bridge.cart.link_states import State
from firmware_bridge.cart.messages import Buzz, Checklist, Health, Led, PlaneResult, Status
from firmware_bridge.cart.sim import Lamps, document_from_lamps, forgotten, is_ai_off, lamps_after, settled
from firmware_bridge.cart.sim_cart import steps_from_script
from firmware_bridge.cart.sim_panel import panel_from_document
from tests.edge.page.scripted_bedside import ScriptedBedside
from tests.firmware_bridge.bridging import bridging
from tests.firmware_bridge.scripted_service import scripted_service

ALIVE = Health(1, 0, 0, True, True, 100)
RESULT = PlaneResult(1, 0, 3, 100, False, "femur")


def told(*bodies: object, now_s: float = 10.0) -> Lamps:
    lamps = Lamps()
    for body in bodies:
        lamps, _ = lamps_after(lamps, body, now_s)  # type: ignore[arg-type]
    return lamps


def test_the_ai_is_on_only_while_link_engine_and_result_are_all_young() -> None:
    lamps = told(RESULT, ALIVE)
    assert not is_ai_off(lamps, State.UP, 10.1)
    assert is_ai_off(lamps, State.GREETING, 10.1)
    assert is_ai_off(lamps, State.UP, 11.9 + 0.01)
    assert is_ai_off(told(RESULT), State.UP, 10.0)
    assert is_ai_off(told(Health(1, 0, 0, False, True, 0), RESULT), State.UP, 10.0)
    assert is_ai_off(told(RESULT, Health(1, 0, 0, True, False, 0)), State.UP, 10.0)


def test_a_heartbeat_with_an_old_result_makes_it_old() -> None:
    assert is_ai_off(told(RESULT, Health(1, 0, 0, True, True, 2000)), State.UP, 10.0)


def test_a_heartbeat_that_tells_of_a_result_that_was_lost_does_not_make_the_shown_one_young() -> None:
    lamps, _ = lamps_after(told(RESULT, ALIVE), Health(1, 0, 0, True, True, 0), 11.8)
    assert not is_ai_off(lamps, State.UP, 11.89)
    assert is_ai_off(lamps, State.UP, 11.91)


def test_a_link_that_comes_and_goes_darkens_the_lamp_at_once_and_does_not_flash_it() -> None:
    lamps = settled(lamps_after(Lamps(), Led(1, 1, 1), 10.0)[0], 10.0)
    assert forgotten(lamps, 10.6).attention == 0
    again, _ = lamps_after(forgotten(lamps, 10.6), Led(1, 1, 1), 10.7)
    assert [settled(again, at_s).attention for at_s in (10.7, 11.09, 11.1)] == [0, 0, 1]


def test_what_is_off_shows_no_answer() -> None:
    document = document_from_lamps(told(ALIVE, RESULT), State.UP, 20.0)
    assert (document["answer"], document["plane"], document["row"], document["confidence"]) == (
        "none",
        "",
        None,
        "none",
    )


def test_a_row_shows_the_worst_that_is_known_of_it() -> None:
    lamps = told(Checklist(True, False, 5, 0b00111, 0b00010, 0b00100, 0b01000))
    rows = document_from_lamps(lamps, State.UP, 10.0)["rows"]
    assert rows == ["captured", "low_quality", "not_obtainable", "not_covered", "missing"]


def test_the_bell_rings_once_a_second_and_ten_times_a_minute() -> None:
    lamps, rung = Lamps(), []
    for number in range(200):
        lamps, status = lamps_after(lamps, Buzz(number, 1), number * 0.5)
        rung.append(status)
    assert rung[:4] == [Status.OK, Status.RATE_LIMITED, Status.OK, Status.RATE_LIMITED]
    assert rung[:120].count(Status.OK) == 10
    assert rung[120:].count(Status.OK) == 10
    assert lamps_after(lamps, Buzz(0, 9), 500.0)[1] is Status.UNKNOWN


def test_the_lamp_changes_at_most_twice_a_second_and_keeps_the_last() -> None:
    lamps, shown = Lamps(), []
    for number in range(100):
        lamps, _ = lamps_after(lamps, Led(number, 1, number % 3), number / 100)
        lamps = settled(lamps, number / 100)
        shown.append(lamps.attention)
    changes = sum(one != other for one, other in zip(shown, itertools.islice(shown, 1, None), strict=False))
    assert changes <= 2
    assert settled(lamps, 5.0).attention == 99 % 3
    assert lamps_after(lamps, Led(1, 7, 1), 1.0)[1] is Status.UNKNOWN


def test_a_script_is_read_word_by_word() -> None:
    assert list(steps_from_script("f 0.5 s q")) == ["f", 0.5, "s", "q"]
    for wrong in ("x", "nan", "-1", "1e9"):
        with pytest.raises(UsageError, match="nothing that a cart does"):
            list(steps_from_script(wrong))


def test_the_panel_says_ai_off_in_both_languages() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    document = {"event": "lamps", **document_from_lamps(told(Checklist(True, False, 2, 1, 0, 0, 0)), State.UP, 10.0)}
    console.print(panel_from_document(document))
    console.print(panel_from_document({"event": "bell", "signal": "captured"}))
    text = console.export_text()
    assert "AI OFF / AI 已关闭" in text
    assert "● ○" in text
    assert "bell: signal captured" in text


def test_keys_that_are_struck_together_are_all_taken(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "edge", "sim", "cart", "--listen", f"unix:{tmp_path}/c.sock", "--json"]
    with subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, text=True) as sim:
        try:
            assert sim.stdout is not None
            assert json.loads(sim.stdout.readline())["event"] == "listening"
            assert json.loads(sim.stdout.readline())["event"] == "lamps"  # its keyboard is open
            os.write(ours, b"ffq")
            assert sim.wait(20) == 0
        finally:
            sim.kill()
            os.close(ours)
            os.close(theirs)


@pytest.mark.parametrize("kind", ["unix", "tcp", "pty"])
def test_the_simulator_and_the_bridge_find_each_other(kind: str, tmp_path: Path) -> None:
    box = ScriptedBedside()
    box.open()
    place = {"unix": f"unix:{tmp_path}/c.sock", "tcp": "tcp:127.0.0.1:0", "pty": f"pty:{tmp_path}/tty"}[kind]
    command = [sys.executable, "-m", "edge", "sim", "cart", "--listen", place, "--script", "f 0.1 q", "--json"]
    with (
        scripted_service(box, tmp_path / "api.sock") as service,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as sim,
    ):
        assert sim.stdout is not None
        port = json.loads(sim.stdout.readline())["port"]
        sim.send_signal(signal.SIGSTOP)  # its key would be too early for a bridge that has no view yet
        with bridging("cart", "--port", port, "--socket", service) as bridge:
            bridge.wait(lambda line: line == {"event": "service", "is_away": False})
            sim.send_signal(signal.SIGCONT)
            lines = [json.loads(line) for line in sim.stdout]
        assert sim.wait(20) == 0
    assert [line["status"] for line in lines if line["event"] == "answered"] == ["ok", "ok"]
    assert any(line["event"] == "lamps" and line["exam"] == "running" for line in lines)
    assert len(box.orders) == 1


def test_the_simulator_runs_without_standard_input(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m edge sim cart --listen unix:{tmp_path / 'cart.sock'} --json <&-"
    with subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert '"listening"' in process.stdout.readline()
        assert '"lamps"' in process.stdout.readline()
        process.terminate()
        assert process.wait(20) == 0
