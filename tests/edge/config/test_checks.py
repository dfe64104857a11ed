"""The config file: every mistake told with its line and its cure, and options that reach their command."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.config.checks import MAX_CONFIG_BYTES, options_from_text, problems_from_text, text_from_file
from edge.config.example import example_config
from edge.config.keys import keys_of
from edge.config.sections import section_names
from edge.errors import InputError
from tests.conftest import Command, check_told
from tests.edge.config.sections import with_lamp

EXAMPLE = Path(__file__).parents[3] / "docs" / "config.toml"
GOOD = """
[serve]
bundle = "planes.edge"
source = "camera:/dev/video0"
socket = "/run/e.sock"
threads = 2
encrypt = true
pause = 1
roi = "1,2,300,400"

[cart]
port = "tcp:127.0.0.1:7011"
foot = "pause"

[igtl]
allow = ["10.0.0.0/8"]
"""


def test_a_good_file_gives_the_options_of_each_command() -> None:
    assert problems_from_text(GOOD) == ()
    served = options_from_text(GOOD, "serve")
    assert (served["pause"], served["encrypt"], served["roi"]) == (1, True, "1,2,300,400")
    assert options_from_text(GOOD, "cart") == {"port": "tcp:127.0.0.1:7011", "foot": "pause", "socket": "/run/e.sock"}


def test_a_bridge_may_have_a_socket_of_its_own() -> None:
    text = GOOD.replace("[cart]", "[cart]\nsocket = '/other'")
    assert options_from_text(text, "cart")["socket"] == "/other"


@pytest.mark.parametrize(
    ("text", "cause", "cure"),
    [
        ("[serve\n", "no TOML", "docs/config.toml"),
        ("[cart]\nbaud = 300\n\nbaud = 400\n", "Cannot overwrite a value (line 4)", "docs/config.toml"),
        ("[cart]\n[serve]\n[cart]\n", "no TOML: Cannot declare ('cart',) twice (line 3)", "docs/config.toml"),
        ("[cat]\n", "no section 'cat' (line 1)", "Did you mean 'cart'?"),
        ("\nx = 1\n", "no section 'x' (line 2)", "Choose of: serve"),
        ("cart = 1\n", "'cart' is no section (line 1)", "Write [cart]"),
        ("[[cart]]\n", "'cart' is no section (line 1)", "Write [cart]"),
        ('[serve]\n\nbundel = "x"\n', "no key 'bundel' in [serve] (line 3)", "Did you mean 'bundle'?"),
        ("[serve.port]\n", "serve.port is a table, expected an integer", "It is:"),
        ("[serve]\nthreads = '2'\n", "serve.threads is '2', expected an integer at least 1 (line 2)", "It is:"),
        ("[serve]\nthreads = 0\n", "serve.threads is 0", "It is:"),
        ("[serve]\nthreads = true\n", "serve.threads is True", "It is:"),
        ("[serve]\nencrypt = 1\n", "serve.encrypt is 1, expected true or false", "It is:"),
        ("[serve]\nsource = 5\n", "serve.source is 5, expected text", "It is:"),
        ("[serve]\nsource = 'camra:x'\n", "There is no source 'camra' (line 2)", "camera"),
        ("[serve]\nsink = 'a'\n", "serve.sink is 'a', expected a list of text", "It is:"),
        ("[serve]\nsink = [1]\n", "serve.sink is 1", "It is:"),
        ("[serve]\nport = 70000\n", "at least 0, at most 65535", "It is:"),
        ("[serve]\nseed = 0x" + "f" * 5000, "a number of many digits", "It is:"),
        ("[serve]\nseed = " + "9" * 5000, "no TOML", "docs/config.toml"),
        ("[serve]\nroi = '1,2'\n", "'1,2' is no region (line 2)", "X,Y,W,H"),
        ("[serve]\nkeep = 'long'\n", "'long' is no age (line 2)", "30d"),
        ("[serve]\npatient = 'x'\n", "no key 'patient'", "Choose of"),
        ("[cart]\nport = 'com1'\n", "cart.port: 'com1' names no port of a cart (line 2)", "/dev/ttyACM0"),
        ("[cart]\nfoot = 'kick'\n", "cannot mean 'kick'", "freeze"),
        ("[igtl]\nallow = [\n '10.0.0.1',\n '10.0.0.300']\n", "'10.0.0.300' is no network address (line 2)", "/24"),
        ("[video]\nsource = 'cam'\n", "'cam' is no source of video (line 2)", "camera:DEVICE"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line_and_its_cure(text: str, cause: str, cure: str) -> None:
    (problem,) = problems_from_text(text)
    assert cause in problem.told
    assert "\n" not in problem.told + problem.cure
    assert cure in problem.cure


def test_all_mistakes_are_told_in_the_order_of_the_file() -> None:
    text = "[cart]\nbaud = 1\nfoto = 'x'\n[serve]\nport = -1\n[sevre]\n"
    assert [problem.line for problem in problems_from_text(text)] == [2, 3, 5, 6]
    with pytest.raises(InputError, match=r"'sevre' \(line 6\)"):
        options_from_text(text, "cart")


def test_a_command_is_not_stopped_by_another_section() -> None:
    text = "[cart]\nbaud = 'x'\nfoto = 1\n[serve]\nthreads = 1\n"
    assert options_from_text(text, "serve") == {"threads": 1}
    with pytest.raises(InputError, match=r"cart.baud .*And 1 more"):
        options_from_text(text, "cart")


def test_a_command_without_its_section_is_not_run_on_defaults() -> None:
    with pytest.raises(InputError, match=r"no section \[dicom\]"):
        options_from_text(GOOD, "dicom")


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("[]\"'=.#\n \t{}, 019eax-_serv"), max_size=60))
@example("[serve" + ".a" * 3000 + "]")
@example("serve = " + "[" * 3000)
@example("[serve]\n'a\\nb' = 1".replace("'", '"'))
def test_no_text_ends_in_anything_but_problems(text: str) -> None:
    for problem in problems_from_text(text):
        assert 1 <= problem.line <= text.count("\n") + 1
        assert problem.told.isprintable()


def test_the_example_is_up_to_date_and_valid_with_every_key_there() -> None:
    text = EXAMPLE.read_text("utf-8")
    assert text == example_config(), "run: python -m edge.config.example"
    assert problems_from_text(text) == ()
    names = [line[2:].partition(" = ")[0] for line in text.splitlines() if " = " in line]
    assert len(names) == sum(len(keys_of(section)) for section in section_names())


@pytest.mark.parametrize(
    ("data", "told"),
    [(b"[cart]\n\xff", r"no UTF-8 \(line 2\)"), (b"#" * (MAX_CONFIG_BYTES + 1), "more than"), (None, "No such file")],
)
def test_a_file_that_cannot_be_read_is_told(data: bytes | None, told: str, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=told):
        text_from_file(path)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="directory"):
        text_from_file(tmp_path)


def test_another_package_adds_its_section(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "entry_points", with_lamp(importlib.metadata.entry_points))
    text = "[lamp]\na_text = 'x'\npaths = ['a', 'b']\nlight = 'red'\n"
    assert options_from_text(text, "lamp") == {"needed": "x", "paths": ["a", "b"], "light": "red"}
    (problem,) = problems_from_text("[lamp]\nlight = 'blue'\n")
    assert problem.told == "The config's lamp.light is 'blue', expected one of green, red (line 2)."
    (problem,) = problems_from_text("[lamp]\nperson = 'P1'\n")
    assert problem.told == "The config has no key 'person' in [lamp] (line 2)."


def test_a_section_whose_package_is_missing_is_told_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    lamp = with_lamp(importlib.metadata.entry_points, "serial.not_there:lamp")
    monkeypatch.setattr(importlib.metadata, "entry_points", lamp)
    (problem,) = problems_from_text("[cart]\n[lamp]\n")
    assert "[lamp] cannot be checked" in problem.told
    assert problem.line == 2
    assert "pip install" in problem.cure
    assert options_from_text("[cart]\n[lamp]\n", "cart") == {}


def test_doctor_tells_all_of_it_and_ends_with_the_exit_code_of_bad_input(edge: Command, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text("[cart]\nbaud = 1\nfoto = 'x'\n")
    done = edge("doctor", "--config", path)
    check_told(done, 3, "has 2 problems")
    assert [line.startswith("  cure: ") for line in done.out.splitlines()] == [False, True, False, True, False]
    document = edge("doctor", "--config", path, "--json").lines[0]
    assert [(item["line"], bool(item["cure"])) for item in document["problems"]] == [(2, True), (3, True)]
    path.write_text("[cart]\n")
    done = edge("doctor", "--config", path, "--json")
    assert (done.code, done.document["sections"], done.document["problems"]) == (0, ["cart"], [])
    check_told(edge("doctor", "--config", tmp_path / "nowhere"), 3, "cannot be read")


def test_serve_takes_bundle_and_source_from_the_file_and_the_command_line_wins(edge: Command, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(f"[serve]\nbundle = '{tmp_path}/one.edge'\nsource = 'folder:{tmp_path}'\nthreads = 1\n")
    check_told(edge("serve", "--config", path), 3, "one.edge")
    check_told(edge("serve", tmp_path / "two.edge", "--config", path), 3, "two.edge")
    check_told(edge("serve", "--config", path, "--source", "camra"), 2, "no source 'camra'")
    path.write_text("[serve]\n")
    check_told(edge("serve", "x.edge", "--config", path), 2, "--source")
