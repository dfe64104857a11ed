"""A row of docs/robustness.md: what must hold, and where its figure is. {a.b} is a value of the row's evidence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    """What a figure must keep.

    Attributes:
        path: of the figure.
        sign: "<=", ">=" or "=".
        limit: a number, or the path of one.
        text: as people read it; "" where another bound's text says it too.
    """

    path: str
    sign: str
    limit: float | str
    text: str


@dataclass(frozen=True)
class Row:
    """One claim.

    Attributes:
        claim: what must hold.
        done: what was done.
        figure: what came of it.
        evidence: name of the file; "" where tests show it.
        bounds: of the figure.
        tests: below tests/.
        is_nightly: they run by `make nightly` only.
    """

    claim: str
    done: str
    figure: str = ""
    evidence: str = ""
    bounds: tuple[Bound, ...] = ()
    tests: tuple[str, ...] = ()
    is_nightly: bool = False


def zero(*paths: str) -> tuple[Bound, ...]:
    """Each figure is 0."""
    return tuple(Bound(path, "=", 0, "" if number else "0") for number, path in enumerate(paths))
