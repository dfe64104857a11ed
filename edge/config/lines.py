"""Where the keys of a TOML text stand: text in, a line number for every table and key out.

TOML's readers tell no line of what they have read. But a text of TOML is a row of statements (a table's head, a key and
its value), and each of them is a text of TOML by itself: lines are put together until the reader takes them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

MAX_STATEMENT_LINES = 1000  # of one value; each further line reads all of them again
DEPTH = 2  # section, key: nothing of a config file lies deeper

Path = tuple[str, ...]


def lines_from_text(text: str) -> Mapping[Path, int]:
    """Section, or section and key, -> the line where it first stands, from 1.

    Args:
        text: that `tomllib` reads.
    """
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, statement, document in _statements(text):
        is_head = statement.lstrip().startswith("[")
        for path in _paths(document):
            if is_head:
                table = path
            lines.setdefault(path if is_head else (*table, *path)[:DEPTH], number)
    return lines


def _statements(text: str) -> Iterator[tuple[int, str, dict[str, Any]]]:
    begun: list[str] = []
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), 1):
        begun.append(line)
        if len(begun) > MAX_STATEMENT_LINES:
            return
        try:
            document = tomllib.loads("\n".join(begun))
        except tomllib.TOMLDecodeError:
            continue  # a value that goes on
        yield number - len(begun) + 1, "\n".join(begun), document
        begun = []


def _paths(document: Mapping[str, Any]) -> Iterator[Path]:
    """A table before what is in it; the tables of a list as the list's own."""
    for name, value in document.items():
        yield (name,)
        inner = value[0] if isinstance(value, list) and value else value
        yield from ((name, below) for below in (inner if isinstance(inner, dict) else ()))
