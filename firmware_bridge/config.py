"""One TOML file for `edge serve` and all bridges, checked against the options of their own commands.

::

    text --tomllib--> sections --each key an option of its command, of its type and range--> Config | problems
    commands --> the commented example that docs/config.toml is

A section is a command ([serve], [cart], [dicom], [igtl], [video]), a key is one of its options with "_" for "-": so no
key can be without its option, its help and its check. In: text. Out: options by section, or errors with their line.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from edge.errors import EdgeError, InputError
from firmware_bridge.config_keys import COMMANDS, Key, keys_of

MAX_CONFIG_BYTES = 1 << 20  # a file of every key has some 10 kB
SOCKET = "socket"  # of [serve]: what a bridge uses that names none
EXAMPLE_HEAD = """\
# One file for the plane check and its bridges: `edge serve --config FILE`, `edge bridge --config FILE cart`.
# `edge doctor --config FILE` checks it. Every key is an option of its command; what is not set keeps its default.
# A bridge without a socket uses that of [serve]. Made of the commands themselves: firmware_bridge/config.py.
"""


@dataclass(frozen=True)
class Config:
    """A file that was checked.

    Attributes:
        sections: section -> parameter of its command -> value.
    """

    sections: Mapping[str, Mapping[str, object]]


def config_from_text(text: str) -> Config:
    """Read a config file.

    Raises:
        InputError: it has problems; the first one, and how many there are.
    """
    sections, problems = _checked(text)
    if problems:
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(f"{problems[0].cause}{more}", problems[0].cure)
    return Config(sections)


def load_config(path: Path) -> Config:
    """Read a config file from the disk.

    Raises:
        InputError: it cannot be read, or has problems.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_CONFIG_BYTES + 1)
        text = data.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The config {path} cannot be read: {error}.", "Correct the path; write UTF-8.") from error
    if len(data) > MAX_CONFIG_BYTES:
        raise InputError(f"The config {path} has more than {MAX_CONFIG_BYTES} bytes.", "Give another file.")
    return config_from_text(text)


def problems_from_text(text: str) -> tuple[InputError, ...]:
    """Everything that is wrong with a config file, in its order; what `edge doctor --config` shows."""
    return _checked(text)[1]


def example_config() -> str:
    """Every key with its help, its kind and its default, commented out."""
    parts = [EXAMPLE_HEAD]
    for section in COMMANDS:
        parts.append(f"\n[{section}]\n")
        for key in keys_of(section).values():
            needed = " Required." if key.is_required else ""
            parts.append(f"# {key.text}{needed}\n# {key.name} = {_toml(key)}\n")
    return "".join(parts)


def _checked(text: str) -> tuple[dict[str, dict[str, object]], tuple[InputError, ...]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return {}, (InputError(f"The config is no TOML: {error}.", "Compare it with docs/config.toml."),)
    sections: dict[str, dict[str, object]] = {}
    problems: list[tuple[int, InputError]] = []
    for section, values in data.items():
        sections[section] = {}
        if section not in COMMANDS or not isinstance(values, dict):
            what = f"The config has no section {section!r}"
            problems.append(_problem(text, section, "", what, _nearest(section, COMMANDS)))
            continue
        keys = keys_of(section)
        for name, value in values.items():
            wrong = _wrong(keys.get(name), name, value, section, keys)
            if wrong is None:
                sections[section][keys[name].option] = value
            else:
                problems.append(_problem(text, section, name, *wrong))
    _share_socket(sections)
    return sections, tuple(problem for _, problem in sorted(problems, key=lambda item: item[0]))


def _wrong(key: Key | None, name: str, value: object, section: str, keys: Mapping[str, Key]) -> tuple[str, str] | None:
    """Cause and cure of what is wrong with a value."""
    place = f"{section}.{name}"
    if key is None:
        return f"The config has no key {place}", _nearest(name, keys)
    if key.is_list != isinstance(value, list):
        return f"The config's {place} is {value!r}, expected {key.expected}", f"It is: {key.text}"
    for item in value if isinstance(value, list) else [value]:
        if not key.holds(item):
            return f"The config's {place} is {item!r}, expected {key.expected}", f"It is: {key.text}"
        try:
            _check_meaning(section, name, item)
        except EdgeError as error:
            return f"The config's {place}: {error.cause.rstrip('.')}", error.cure
    return None


def _check_meaning(section: str, name: str, value: object) -> None:
    """What a command checks itself when it starts."""
    if (section, name) == ("cart", "port"):
        from firmware_bridge.cart.transports import opener_from_text

        opener_from_text(str(value))
    elif (section, name) == ("cart", "foot"):
        from firmware_bridge.cart.shown import check_foot

        check_foot(str(value))


def _share_socket(sections: dict[str, dict[str, object]]) -> None:
    path = sections.get("serve", {}).get(SOCKET)
    for section in COMMANDS:
        if path is not None and section in sections and any(key.option == SOCKET for key in keys_of(section).values()):
            sections[section].setdefault(SOCKET, path)


def _toml(key: Key) -> str:
    """The default, or what kind of value belongs there."""
    if isinstance(key.default, bool):
        return "true" if key.default else "false"
    if isinstance(key.default, (int, float)):
        return str(key.default)
    default = key.default.value if isinstance(key.default, Enum) else key.default
    text = "" if default is None or key.is_list else str(default)
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if key.kind is str:
        return f"[{quoted}]" if key.is_list else quoted
    return f"...  # {key.expected}"


def _nearest(name: str, names: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f"Did you mean {near[0]!r}?" if near else f"Choose of: {', '.join(names)}."


def _problem(text: str, section: str, name: str, cause: str, cure: str) -> tuple[int, InputError]:
    line = _line_of(text, section, name)
    return line, InputError(f"{cause} (line {line}).", cure)


def _line_of(text: str, section: str, name: str) -> int:
    """Where a key stands; the section's line, or 1, where it is written in a way that is not found."""
    head, found = re.compile(rf"\s*\[\s*[\"']?{re.escape(section)}[\"']?\s*\]"), 1
    key = re.compile(rf"\s*[\"']?{re.escape(name)}[\"']?\s*=") if name else re.compile(rf"\s*{re.escape(section)}\s*=")
    is_inside = not name
    for number, line in enumerate(text.splitlines(), 1):
        if head.match(line):
            found, is_inside = number, True
            if not name:
                return number
        elif line.lstrip().startswith("[") and name:
            is_inside = False
        elif is_inside and key.match(line):
            return number
    return found
