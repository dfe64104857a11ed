"""The keys of a config section: the options of its command, read from the command's own signature.

In: the name of a section. Out: what each of its keys may hold. No table repeats an option: a key cannot be without it.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Union

from edge.config.sections import command_of

WORDS: Mapping[type, str] = {bool: "true or false", int: "an integer", float: "a number"}  # any other: text
MOST = 2.0**63  # TOML's integers have 64 bits; keeps infinities out as well


class NotInFile:
    """Beside an option in its annotation: no config file holds it, since it is of one run or names a patient."""


NOT_IN_FILE = NotInFile()


@dataclass(frozen=True)
class Key:
    """One key of a section.

    Attributes:
        name: in the file.
        option: the command's parameter.
        text: its help.
        kind: bool, int, float or str.
        is_path: it names a file or folder.
        is_list: it holds several.
        is_required: the command does not run without it.
        default: of the option; None: none.
        least: smallest number, or None.
        most: largest number, or None.
        choices: the only texts that it takes; empty: any.
    """

    name: str
    option: str
    text: str
    kind: type
    is_path: bool
    is_list: bool
    is_required: bool
    default: object
    least: float | None
    most: float | None
    choices: tuple[str, ...]

    @property
    def expected(self) -> str:
        """What it holds, in words."""
        words = f"one of {', '.join(self.choices)}" if self.choices else WORDS.get(self.kind, "text")
        bounds = [f"at least {self.least:.12g}"] if self.least is not None else []
        bounds += [f"at most {self.most:.12g}"] if self.most is not None else []
        return " ".join([f"a list of {words}" if self.is_list else words, ", ".join(bounds)]).strip()

    def holds(self, value: object) -> bool:
        """Whether one value of TOML fits."""
        if isinstance(value, bool):
            return self.kind is bool
        if self.kind in (int, float):
            kinds = (int,) if self.kind is int else (int, float)
            return isinstance(value, kinds) and -MOST < value < MOST and self._is_within(value)
        return self.kind is str and isinstance(value, str) and (not self.choices or value in self.choices)

    def _is_within(self, value: float) -> bool:
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def keys_of(section: str) -> Mapping[str, Key]:
    """The keys of a section.

    Raises:
        ImportError: a package that its command needs is not installed.
    """
    return {key.name: key for key in keys_from_command(command_of(section))}


def keys_from_command(command: Callable[..., None]) -> list[Key]:
    """A key for each parameter of a command that is annotated for Typer and not marked as of one run."""
    hints = typing.get_type_hints(command, include_extras=True)
    parameters = inspect.signature(command).parameters.values()
    return [
        _key(parameter, hints[parameter.name])
        for parameter in parameters
        if NOT_IN_FILE not in typing.get_args(hints[parameter.name])
    ]


def _key(parameter: inspect.Parameter, hint: Any) -> Key:
    kind, *extras = typing.get_args(hint) if typing.get_origin(hint) is typing.Annotated else (hint,)
    info = extras[0] if extras else None
    kind, is_list = _plain(kind)
    # In an annotation Typer takes the first name for a default, and puts it right when it makes the command.
    names = (getattr(info, "default", None), *(getattr(info, "param_decls", None) or ()))
    long = [name for name in names if isinstance(name, str) and name.startswith("--")]
    is_enum = isinstance(kind, type) and issubclass(kind, Enum)
    return Key(
        name=(long[0].partition("/")[0][2:] if long else parameter.name).replace("-", "_"),
        option=parameter.name,
        text=" ".join((getattr(info, "help", None) or "").split()),
        kind=kind if kind in WORDS else str,
        is_path=kind is Path,
        is_list=is_list,
        is_required=parameter.default is inspect.Parameter.empty,
        default=None if parameter.default is inspect.Parameter.empty else parameter.default,
        least=getattr(info, "min", None),
        most=getattr(info, "max", None),
        choices=tuple(str(member.value) for member in kind) if is_enum else (),
    )


def _plain(kind: Any) -> tuple[Any, bool]:
    """Optional[list[X]] -> X, and whether there are several."""
    if typing.get_origin(kind) in (Union, types.UnionType):
        (kind,) = [part for part in typing.get_args(kind) if part is not type(None)]
    is_list = typing.get_origin(kind) is list
    return (typing.get_args(kind)[0], True) if is_list else (kind, False)
