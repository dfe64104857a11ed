"""`edge bridge NAME --config FILE`: one rule for both places of the option; and the table of bridges."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from firmware_bridge.cli import BRIDGES
from tests.conftest import Command, check_told

MISSING = "import sys; sys.modules['firmware_bridge.cart.command'] = None; from edge.cli import main; main()"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "edge.toml"
    path.write_text("[cart]\nport = 'unix:/none'\nfoot = 'kick'\n[igtl]\nsocket = '/none'\n")
    return path


@pytest.mark.parametrize("group", ["edge.config_sections", "edge.bridge_units"])
def test_every_bridge_has_its_section_and_its_unit(group: str) -> None:
    points = {point.name: point.value for point in entry_points(group=group)}
    assert set(points) - {"serve"} == set(BRIDGES)
    if group == "edge.config_sections":
        assert all(points[name] == BRIDGES[name].place for name in BRIDGES)


def test_the_file_may_stand_before_or_behind_the_name(edge: Command, config: Path) -> None:
    for words in (("--config", config, "cart"), ("cart", "--config", config)):
        check_told(edge("bridge", *words), 3, "cannot mean 'kick' (line 3)")


def test_the_one_behind_the_name_wins(edge: Command, config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    other.write_text("[cart]\nbaud = 1\n")
    check_told(edge("bridge", "--config", config, "cart", "--config", other), 3, "cart.baud is 1")
    other.write_text("[cart]\nbaud = 99999999999\n")
    check_told(edge("bridge", "cart", "--config", other), 3, "at most 12000000")


def test_the_command_line_wins_over_the_file(edge: Command, config: Path) -> None:
    config.write_text("[cart]\nfoot = 'none'\n[igtl]\nsocket = '/none'\nlisten = '18944'\n")
    check_told(edge("bridge", "cart", "--config", config, "--port", "com1"), 2, "'com1' names no port")
    check_told(edge("bridge", "igtl", "--config", config, "--listen", "0.0.0.0:18944"), 2, "anybody on the network")


def test_a_bridge_without_its_section_is_refused(edge: Command, config: Path) -> None:
    check_told(edge("bridge", "--config", config, "video"), 3, "no section [video]")


def test_the_help_names_every_bridge_and_simulator(edge: Command) -> None:
    assert all(name in edge("bridge", "--help").out for name in BRIDGES)
    assert "scanner" in edge("sim", "--help").out


def test_an_unknown_bridge_is_refused(edge: Command) -> None:
    check_told(edge("bridge", "toaster"), 2, "toaster")


def test_a_bridge_whose_package_is_missing_says_how_to_get_it() -> None:
    command = [sys.executable, "-c", MISSING, "bridge", "cart", "--port", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "pip install" in done.stderr
