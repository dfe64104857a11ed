"""Latency window, metrics text, temperatures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge.service.child import ChildState
from edge.service.counters import WINDOW_MAX, Counters, Window
from edge.service.metrics_text import text_from_status
from edge.service.signal_state import Signal
from edge.service.status import Status
from edge.service.temperature import load_temperatures

COUNTERS = Counters(900, 12, 1, 880, 3, 2, {"hung": 1, "killed": 2})
STATUS = Status(
    Signal.FROZEN,
    "camera",
    True,
    0.04,
    ChildState.READY,
    None,
    "/dev/video0 is gone",
    "device",
    COUNTERS,
    ((0.5, 20.0), (0.99, 80.0)),
)
LINE = re.compile(r'vmamba_edge_[a-z_]+(\{[a-z]+="[^"]*"\})? -?[0-9.e+]+')


def test_quantiles_are_of_the_last_minute() -> None:
    window = Window()
    for number in range(1, 101):
        window = window.after(float(number), 0.1 * number)
    assert [window.quantile(share, 10.0) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]
    assert window.quantile(0.5, 65.0) == 75
    assert window.after(5.0, 100.0).items == ((100.0, 5.0),)
    assert window.quantile(0.5, 1000.0) is None


def test_the_window_does_not_grow_without_end() -> None:
    window = Window()
    for number in range(WINDOW_MAX + 100):
        window = window.after(1.0, number * 1e-3)
    assert len(window.items) == WINDOW_MAX


def test_metrics_are_prometheus_text() -> None:
    text = text_from_status(STATUS, {"cpu": 51.5})
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert all(LINE.fullmatch(line) for line in samples), samples
    assert text.endswith("\n")
    for expected in (
        "vmamba_edge_frames_total 900",
        "vmamba_edge_dropped_frames_total 12",
        'vmamba_edge_restarts_total{reason="killed"} 2',
        'vmamba_edge_latency_seconds{quantile="0.99"} 0.08',
        'vmamba_edge_signal{state="frozen"} 1',
        'vmamba_edge_signal{state="running"} 0',
        "vmamba_edge_ai_on 1",
        'vmamba_edge_temperature_celsius{zone="cpu"} 51.5',
    ):
        assert expected in samples


def test_every_metric_has_one_help_and_one_type() -> None:
    lines = text_from_status(STATUS, {"cpu": 51.5}).splitlines()
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))
    assert names == [line.split()[2] for line in lines if line.startswith("# HELP")]


def test_metrics_name_no_place_of_a_file() -> None:
    assert "/dev" not in text_from_status(STATUS, {})


@pytest.mark.parametrize(("name", "escaped"), [('a"b', 'a\\"b'), ("a\\b", "a\\\\b"), ("a\nb", "a\\nb")])
def test_labels_are_escaped(name: str, escaped: str) -> None:
    assert f'{{zone="{escaped}"}} 1' in text_from_status(STATUS, {name: 1.0})


def test_temperatures_are_read_where_the_machine_tells(tmp_path: Path) -> None:
    for number, (kind, value) in enumerate([("cpu-thermal", "51500"), ("gpu-thermal", ""), ("cpu-thermal", "40000")]):
        zone = tmp_path / f"thermal_zone{number}"
        zone.mkdir()
        (zone / "type").write_text(kind + "\n")
        (zone / "temp").write_text(value)
    assert load_temperatures(tmp_path) == {"cpu-thermal": 51.5, "cpu-thermal-2": 40.0}
    assert load_temperatures(tmp_path / "absent") == {}


def test_the_status_says_ai_off_in_one_line() -> None:
    assert STATUS.line == "AI on, signal frozen, 880 answers, 3 restarts"
