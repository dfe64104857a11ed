"""The config file: every option a key, every mistake told with its line, and options that reach their command."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Optional

import pytest
import typer

from edge.errors import InputError
from firmware_bridge.cli import BRIDGES
from firmware_bridge.config import config_from_text, example_config, load_config, problems_from_text
from firmware_bridge.config_keys import COMMANDS, NO_KEYS, keys_from_command, keys_of
from tests.firmware_bridge.bridging import PROGRAM

EXAMPLE = Path(__file__).parents[2] / "docs" / "config.toml"
GOOD = """
[serve]
bundle = "planes.edge"
source = "camera:/dev/video0"
socket = "/run/e.sock"
threads = 2
sink = ["a:b"]
encrypt = true
pause = 1

[cart]
port = "tcp:127.0.0.1:7011"
foot = "pause"
"""
TEXT = Annotated[str, typer.Option("--a-text", "-t", help="Some\n text.")]
NUMBER = Annotated[float, typer.Option(min=0.5, max=2, help="A number.")]
FLAG = Annotated[bool, typer.Option("--flag/--no-flag", help="A flag.")]
LIST = Annotated[Optional[list[Path]], typer.Option(help="Paths.")]


def command(needed: TEXT, number: NUMBER = 1.0, flag: FLAG = False, paths: LIST = None) -> None:
    """Has one option of each kind."""


def test_a_good_file_gives_the_options_of_each_command() -> None:
    sections = config_from_text(GOOD).sections
    assert sections["serve"]["pause"] == 1
    assert sections["serve"]["sink"] == ["a:b"]
    assert sections["cart"] == {"port": "tcp:127.0.0.1:7011", "foot": "pause", "socket": "/run/e.sock"}


def test_a_bridge_may_have_a_socket_of_its_own() -> None:
    assert config_from_text(GOOD + 'socket = "/other"\n').sections["cart"]["socket"] == "/other"


@pytest.mark.parametrize(
    ("text", "words", "cure"),
    [
        ("[serve\n", "no TOML", "docs/config.toml"),
        ("[cat]\n", "no section 'cat' (line 1)", "Did you mean 'cart'?"),
        ("x = 1\n", "no section 'x' (line 1)", "Choose of: serve"),
        ('[serve]\n\nbundel = "x"\n', "no key serve.bundel (line 3)", "Did you mean 'bundle'?"),
        ("[serve]\nthreads = '2'\n", "serve.threads is '2', expected an integer at least 1 (line 2)", "It is:"),
        ("[serve]\nthreads = 0\n", "serve.threads is 0", "It is:"),
        ("[serve]\nthreads = true\n", "serve.threads is True", "It is:"),
        ("[serve]\nencrypt = 1\n", "serve.encrypt is 1, expected true or false", "It is:"),
        ("[serve]\nsource = 5\n", "serve.source is 5, expected text", "It is:"),
        ("[serve]\nsink = 'a'\n", "serve.sink is 'a', expected a list of text", "It is:"),
        ("[serve]\nsink = [1]\n", "serve.sink is 1", "It is:"),
        ("[serve]\nport = 70000\n", "at least 0, at most 65535", "It is:"),
        ("[serve]\npatient = 'x'\n", "no key serve.patient", "Choose of"),
        ("[cart]\nport = 'com1'\n", "cart.port: 'com1' names no port of a cart (line 2)", "/dev/ttyACM0"),
        ("[cart]\nfoot = 'kick'\n", "cannot mean 'kick'", "freeze"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_cure(text: str, words: str, cure: str) -> None:
    (problem,) = problems_from_text(text)
    assert words in problem.cause
    assert cure in problem.cure
    with pytest.raises(InputError, match="config"):
        config_from_text(text)


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    text = "[cart]\nbaud = 1\nfoto = 'x'\n[serve]\nport = -1\n"
    problems = problems_from_text(text)
    assert [problem.cause.rpartition("(line ")[2] for problem in problems] == ["2).", "3).", "5)."]
    with pytest.raises(InputError, match=r"\(2 more\)"):
        config_from_text(text)


def test_the_line_is_that_of_the_section() -> None:
    (problem,) = problems_from_text('[serve]\nport = 1\n[cart]\n"port" = 5\n')
    assert "(line 4)" in problem.cause


@pytest.mark.parametrize("section", COMMANDS)
def test_every_option_of_a_command_is_a_documented_key(section: str) -> None:
    module, _, name = COMMANDS[section].partition(":")
    parameters = set(inspect.signature(getattr(import_module(module), name)).parameters)
    keys = keys_of(section).values()
    assert parameters - {key.option for key in keys} <= NO_KEYS | {"as_json"}
    assert all(len(key.text) > 5 and "See the command's help" not in key.text for key in keys)


def test_every_bridge_has_its_section() -> None:
    assert set(COMMANDS) == {"serve", *BRIDGES}
    assert all(COMMANDS[name] == BRIDGES[name].place for name in BRIDGES)


def test_a_key_is_read_from_its_annotation() -> None:
    needed, number, flag, paths = keys_from_command(command)
    assert (needed.name, needed.option, needed.text, needed.is_required) == ("a_text", "needed", "Some text.", True)
    assert (number.holds(1), number.holds(0.4), number.holds(2.5), number.holds("1")) == (True, False, False, False)
    assert number.expected == "a number at least 0.5, at most 2"
    assert (flag.name, flag.holds(True), flag.holds(1)) == ("flag", True, False)
    assert (paths.kind, paths.is_list, paths.holds("x")) == (str, True, True)


def test_the_example_is_up_to_date_and_valid_with_every_key_switched_on() -> None:
    assert EXAMPLE.read_text("utf-8") == example_config(), "run: python -m firmware_bridge.config_example"
    assert problems_from_text(EXAMPLE.read_text("utf-8")) == ()
    names = [line[2:].partition(" = ")[0] for line in example_config().splitlines() if " = " in line]
    assert len(names) == sum(len(keys_of(section)) for section in COMMANDS)


@pytest.mark.parametrize("data", [b"\xff", b"#" * ((1 << 20) + 1), None])
def test_a_file_that_cannot_be_read_is_told(data: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError):
        load_config(path)


def run(*arguments: object) -> Any:
    command = [sys.executable, "-c", PROGRAM, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_bridge_takes_its_options_from_the_file_and_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[cart]\nport = 'unix:/none'\nfoot = 'none'\nbaud = 9600\n")
    done = run("bridge", "--config", path, "cart", "--foot", "kick", "--json")
    assert (done.returncode, "'kick'" in done.stdout) == (2, True)
    path.write_text("[cart]\nport = 'unix:/none'\nfoot = 'kick'\n")
    done = run("bridge", "--config", path, "cart", "--json")
    assert (done.returncode, "cannot mean 'kick' (line 3)" in done.stdout) == (3, True)


def test_the_help_names_every_bridge_and_simulator() -> None:
    bridges, sims = run("bridge", "--help"), run("sim", "--help")
    assert all(name in bridges.stdout for name in BRIDGES)
    assert "scanner" in sims.stdout
    assert bridges.returncode == sims.returncode == 0


def test_an_unknown_bridge_is_refused() -> None:
    done = run("bridge", "toaster", "--json")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_bridge_whose_package_is_missing_says_how_to_get_it() -> None:
    prelude = "import sys; sys.modules['firmware_bridge.cart.command'] = None; "
    command = [sys.executable, "-c", prelude + PROGRAM, "bridge", "cart", "--port", "x"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 4
    assert "cure: pip install" in done.stderr
