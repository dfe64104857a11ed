"""A config file against the commands that read it: text in; the options of one command, or all that is wrong, out."""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.commands.failure import error_from_exception
from edge.config.keys import Key, keys_of
from edge.config.lines import lines_from_text
from edge.config.sections import SERVICE, parser_of, section_names
from edge.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_CONFIG_BYTES = 1 << 16  # a file of every key with its comment has some 5 kB
SOCKET = "socket"  # of the plane check: what a section uses that names none
TOLD_LINE = re.compile(r"at line ([0-9]+)")  # by tomllib
MAX_SHOWN = 80  # characters of a value in a message
EXAMPLE = "docs/config.toml"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with a config file.

    Attributes:
        line: where, from 1.
        cause: what was found.
        cure: what to do.
    """

    line: int
    cause: str
    cure: str

    @property
    def told(self) -> str:
        """Cause and line."""
        return f"{self.cause} (line {self.line})."


def text_from_file(path: Path) -> str:
    """A config file's text.

    Raises:
        InputError: it is not there, too large, or no UTF-8.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"The config {path} cannot be read: {error.strerror}.", "Correct the path or its permissions."
        ) from error
    if len(data) > MAX_CONFIG_BYTES:
        raise InputError(f"The config {path} has more than {MAX_CONFIG_BYTES} bytes.", f"Compare it with {EXAMPLE}.")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(f"The config {path} is no UTF-8 (line {line}).", "Save it as UTF-8.") from error


def options_from_text(text: str, section: str) -> dict[str, object]:
    """What a config file sets for one command. Other sections may be wrong: the commands do not fall together.

    Args:
        text: of the file.
        section: of the command.

    Returns:
        Parameter of the command -> value.

    Raises:
        InputError: it is no TOML, lacks the section, or has problems there or in the names of its sections.
    """
    data, problems = _tables(text)
    if not problems and section not in data:
        raise InputError(f"The config has no section [{section}].", f"Add it, even if it is empty; see {EXAMPLE}.")
    if not problems:
        problems = _located(text, _wrong_in(section, data[section]))
    if problems:
        more = f" And {len(problems) - 1} more: edge doctor --config FILE." if len(problems) > 1 else ""
        raise InputError(problems[0].told, f"{problems[0].cure}{more}")
    keys = keys_of(section)
    options = {keys[name].option: value for name, value in data[section].items()}
    shared = data.get(SERVICE, {}).get(SOCKET)
    if SOCKET in keys and isinstance(shared, str):
        options.setdefault(SOCKET, shared)
    return options


def problems_from_text(text: str) -> tuple[Problem, ...]:
    """Everything that is wrong with a config file, in its order."""
    data, problems = _tables(text)
    wrong = [item for section, values in data.items() for item in _wrong_in(section, values)]
    return tuple(sorted((*problems, *_located(text, wrong)), key=lambda problem: problem.line))


def sections_from_text(text: str) -> tuple[str, ...]:
    """The sections that a config file has, in the order of `section_names`."""
    data, _ = _tables(text)
    return tuple(name for name in section_names() if name in data)


@dataclass(frozen=True)
class _Wrong:
    """A problem whose line is not looked up yet."""

    path: tuple[str, ...]
    cause: str
    cure: str


def _tables(text: str) -> tuple[dict[str, dict[str, Any]], tuple[Problem, ...]]:
    """Section -> keys, for the sections that there can be; and what is wrong with the others."""
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits is a ValueError of Python's own
        told = str(error)
        found = TOLD_LINE.search(told)
        line = int(found[1]) if found else text.count("\n") + 1
        cause = f"The config is no TOML: {told.partition(' (at ')[0]}"
        return {}, (Problem(line, cause, f"Compare it with {EXAMPLE}."),)
    known, wrong = section_names(), []
    for name, values in data.items():
        if name not in known:
            wrong.append(_Wrong((name,), f"The config has no section {_shown(name)}", _nearest(name, known)))
        elif not isinstance(values, dict):
            wrong.append(
                _Wrong((name,), f"The config's {_shown(name)} is no section", f"Write [{name}], and its keys below.")
            )
    bad = {item.path[0] for item in wrong}
    return {name: values for name, values in data.items() if name not in bad}, _located(text, wrong)


def _located(text: str, wrong: Iterator[_Wrong] | list[_Wrong]) -> tuple[Problem, ...]:
    items = tuple(wrong)
    lines = lines_from_text(text) if items else {}
    return tuple(Problem(lines.get(item.path, lines.get(item.path[:1], 1)), item.cause, item.cure) for item in items)


def _wrong_in(section: str, values: Mapping[str, object]) -> Iterator[_Wrong]:
    try:
        keys, parser = keys_of(section), parser_of(section)
    except ImportError as error:
        missing = error_from_exception(error)
        yield _Wrong((section,), f"The section [{section}] cannot be checked: {_plain(missing.cause)}", missing.cure)
        return
    for name, value in values.items():
        if name not in keys:
            yield _Wrong((section, name), f"The config has no key {_shown(name)} in [{section}]", _nearest(name, keys))
        elif (told := _wrong(keys[name], value, f"{section}.{name}", parser)) is not None:
            yield _Wrong((section, name), *told)


def _wrong(key: Key, value: object, place: str, parser: Any) -> tuple[str, str] | None:
    """Cause and cure of what is wrong with a value."""
    values = value if key.is_list and isinstance(value, list) else [value]
    unfit = [item for item in values if not key.holds(item)]
    if unfit or key.is_list != isinstance(value, list):
        shown = unfit[0] if unfit else value
        return f"The config's {place} is {_shown(shown)}, expected {key.expected}", f"It is: {key.text}"
    import typer

    (parameter,) = [item for item in parser.params if item.name == key.option]
    try:
        parameter.process_value(typer.Context(parser, info_name=place), value)
    except Exception as error:  # noqa: BLE001  # whatever an option's own check raises is the file's mistake
        told = error_from_exception(error)
        return f"The config's {place}: {_plain(told.cause)}", told.cure
    return None


def _shown(value: object) -> str:
    """On one line, and not all of what is long; a name of the file as it stands there."""
    if isinstance(value, (dict, list)):
        return "a table" if isinstance(value, dict) else "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return "a number of many digits"
    return repr(value) if len(repr(value)) <= MAX_SHOWN else f"{repr(value)[:MAX_SHOWN]}..."


def _plain(sentence: str) -> str:
    return sentence.rstrip(".")


def _nearest(name: str, names: Mapping[str, object] | tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Choose of: {', '.join(names)}."
