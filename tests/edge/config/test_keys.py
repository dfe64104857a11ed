"""Keys are read from a command's own signature, and none can be without its text or hold a secret."""

from __future__ import annotations

import inspect
import typing

import pytest

from edge.config.keys import NOT_IN_FILE, Key, keys_from_command, keys_of
from edge.config.sections import command_of, section_names
from edge.errors import UsageError
from tests.edge.config.sections import lamp

SECRETS = ("pin", "password", "token", "secret", "key")  # as a part of a key's name


def test_a_key_is_read_from_its_annotation() -> None:
    needed, number, flag, paths, light = keys_from_command(lamp)
    assert (needed.name, needed.option, needed.text, needed.is_required) == ("a_text", "needed", "Some text.", True)
    assert number.expected == "a number at least 0.5, at most 2"
    assert (flag.name, flag.holds(True), flag.holds(1)) == ("flag", True, False)
    assert (paths.kind, paths.is_path, paths.is_list, paths.holds("x")) == (str, True, True, True)
    assert (light.choices, light.holds("red"), light.holds("blue")) == (("green", "red"), True, False)


@pytest.mark.parametrize("value", [0.4, 2.5, "1", True, float("nan"), float("inf"), 10**400, [1], {}])
def test_what_is_no_number_in_its_range_does_not_fit(value: object) -> None:
    (number,) = [key for key in keys_from_command(lamp) if key.name == "number"]
    assert number.holds(1)
    assert not number.holds(value)


def test_the_plane_check_comes_first_and_every_bridge_has_a_section() -> None:
    assert section_names() == ("serve", "cart", "dicom", "igtl", "video")


def test_a_section_that_no_package_brings_is_told() -> None:
    with pytest.raises(UsageError, match="no section 'toaster'"):
        command_of("toaster")


def all_keys() -> list[tuple[str, Key]]:
    return [(section, key) for section in section_names() for key in keys_of(section).values()]


@pytest.mark.parametrize("section", section_names())
def test_every_option_is_a_documented_key_or_marked_as_of_one_run(section: str) -> None:
    command = command_of(section)
    hints = typing.get_type_hints(command, include_extras=True)
    marked = {name for name, hint in hints.items() if NOT_IN_FILE in typing.get_args(hint)}
    keys = keys_of(section).values()
    assert set(inspect.signature(command).parameters) == {key.option for key in keys} | marked
    assert {"config", "as_json"} <= marked
    assert [key.name for key in keys if len(key.text) < 6] == []


def test_no_key_names_a_patient_or_holds_a_secret() -> None:
    names = [(f"{section}.{key.name}", key.is_path) for section, key in all_keys()]
    assert not [name for name, _ in names if "patient" in name or "study" in name]
    secret = [(name, is_path) for name, is_path in names if any(word in name.split(".")[1] for word in SECRETS)]
    assert ("serve.pin_file", True) in secret
    assert [name for name, is_path in secret if not is_path] == []
