"""docs/robustness.md from docs/evidence/*.json: a row for each thing that must hold, with its figure and its bound.

::

    GROUPS + docs/evidence/NAME.json --> text      `python -m tests.bench.robustness` writes it

A figure stands there only where it was measured in full; a row that holds a bound says whether it was kept.
"""

from __future__ import annotations

import argparse
import json
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.robustness_bridges import CART, DICOM, IMAGES
from tests.bench.robustness_row import Bound, Row
from tests.bench.robustness_whole import PLANE_CHECK, WHOLE

EVIDENCE, TARGET = Path("docs/evidence"), Path("docs/robustness.md")
NOT_YET = "not measured yet in full"
PLACE = re.compile(r"\{([a-z0-9_.]+)\}")
SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}
GROUPS: Mapping[str, Sequence[Row]] = {
    "Everything at once": WHOLE,
    "Cart link": CART,
    "DICOM": DICOM,
    "OpenIGTLink and video": IMAGES,
    "The plane check by itself": PLANE_CHECK,
}
COLUMNS = "| claim | what was done | figure | bound | kept | from |\n|---|---|---|---|---|---|\n"
HEAD = """# Robustness

What was done to the box and its bridges, and what came of it. Figures are read from `docs/evidence/` by
`python -m tests.bench.robustness` and measured by `make evidence`; a test compares this file with the evidence. CI runs
the same programs at a small scale, whose figures do not stand here. A bound that was missed says **no**. Frames, stills
and patients are synthetic: stored images in motion, made-up names.

What was not done: no real scanner, archive in use, or microcontroller; no power was cut; one machine ran everything,
the peers included.
"""


def text_from_evidence(folder: Path) -> str:
    """The document.

    Args:
        folder: with NAME.json of tests/bench/evidence.py; what is missing is said to be.

    Raises:
        KeyError: a file lacks a figure that a row quotes.
    """
    parts = [HEAD]
    for title, rows in GROUPS.items():
        parts.append(f"\n## {title}\n\n{COLUMNS}")
        parts += [f"| {' | '.join(_cells(row, folder))} |\n" for row in rows]
    machines = sorted({_machine(document) for row in _evidences() if (document := _loaded(folder, row))})
    if machines:
        parts.append(f"\nMeasured on: {'; '.join(machines)}.\n")
    return "".join(parts)


def _cells(row: Row, folder: Path) -> tuple[str, ...]:
    bound = ", ".join(one.text for one in row.bounds if one.text) or "-"
    if row.tests:
        where = ", ".join(f"`tests/{test}`" for test in row.tests)
        return row.claim, row.done, "passes or fails" if not row.is_nightly else "nightly", bound, "tested", where
    document = _loaded(folder, row.evidence)
    scale = "missing" if document is None else str(document["scale"])
    source = f"`docs/evidence/{row.evidence}.json`, {scale}"
    if document is None:
        return row.claim, PLACE.sub("...", row.done), NOT_YET, bound, "-", source
    done, figure = (
        _filled(row.done, document),
        _filled(row.figure, document),
    )  # of small runs too: checks paths
    if scale != "full":
        return row.claim, PLACE.sub("...", row.done), NOT_YET, bound, "-", source
    kept = all(_is_kept(one, document) for one in row.bounds)
    return row.claim, done, figure, bound, ("yes" if kept else "**no**") if row.bounds else "-", source


def _is_kept(bound: Bound, document: Any) -> bool:
    limit = _found(document, bound.limit) if isinstance(bound.limit, str) else bound.limit
    return SIGNS[bound.sign](_found(document, bound.path), limit)


def _filled(text: str, document: Any) -> str:
    return PLACE.sub(lambda match: _shown(_found(document, match[1])), text)


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _found(document: Any, path: str) -> Any:
    """The value at a path like "requests.qemu.p99_ms"; of a list its length is `.count`."""
    value = document
    for word in path.split("."):
        value = len(value) if word == "count" and isinstance(value, list) else value[word]
    return value


def _evidences() -> list[str]:
    return sorted({row.evidence for rows in GROUPS.values() for row in rows if row.evidence})


def _loaded(folder: Path, name: str) -> Any:
    path = folder / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def _machine(document: Any) -> str:
    machine = document["machine"]
    return f"{machine['cpu']} ({machine['machine']}), Python {machine['python']}"


def main() -> None:
    """Write the document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evidence", type=Path, default=EVIDENCE)
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    arguments.output.write_text(text_from_evidence(arguments.evidence))


if __name__ == "__main__":
    main()
