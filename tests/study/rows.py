"""study.toml -> the trainings of the study, each with the command that anyone can type."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE = Path(__file__).with_name("study.toml")
VIEWS = 16  # kept crops of each image, see compile/training/views.py


@dataclass(frozen=True)
class Training:
    """One model trained once.

    Attributes:
        row: id in study.toml.
        model: zoo name.
        seed: of everything random.
        epochs: schedule.
        options: more of the command line.
        teachers: rows whose seed 0 it learns from; of a cross-validation other cross-validations, fold by fold.
        by: "patient" or "machine" for a cross-validation, empty for one training on the split.
        painted: schedule of a masked pre-training that comes first, empty for none.
    """

    row: str
    model: str
    seed: int
    epochs: str
    options: tuple[str, ...]
    teachers: tuple[str, ...]
    by: str = ""
    painted: str = ""

    @property
    def name(self) -> str:
        """Of its files."""
        return f"{self.row}-{self.seed}"

    def output(self, work: Path) -> Path:
        """Where its weights are written, or the folder of its folds."""
        return work / (self.name if self.by else f"{self.name}.safetensors")

    def start(self, work: Path) -> Path:
        """Where the weights of its pre-training are written."""
        return work / f"{self.name}-painted.safetensors"

    def command(self, work: Path, data: Path, sononet: Path, threads: int) -> list[str]:
        """`edge train`, `edge distill` or `edge crossval`, without the program's name."""
        verb = "crossval" if self.by else "distill" if self.teachers else "train"
        options = [option.replace("{sononet}", str(sononet)) for option in self.options]
        for teacher in self.teachers:
            weights = f"{teacher}-0/fold{{fold}}/weights.safetensors" if self.by else f"{teacher}-0.safetensors"
            options += ["--teacher", str(work / weights)]
        if self.painted:
            options += ["--init", str(self.start(work))]
        if self.teachers:
            kept = work / (f"views-{self.by}-{{fold}}" if self.by else "views")
            options += ["--views", str(VIEWS), "--views-folder", str(kept), "--feature-weight", "0"]
        if self.by:
            options += ["--by", self.by, "--only-datasets", "fpdb"]
        fixed = ["--data", str(data), "--epochs", self.epochs, "--seed", str(self.seed), "--threads", str(threads)]
        return [verb, self.model, *fixed, *options, "-o", str(self.output(work))]


def trainings(path: Path = FILE) -> Iterator[Training]:
    """All trainings, in the order of the file; first seeds of all rows come before second ones."""
    table: dict[str, Any] = tomllib.loads(path.read_text("utf-8"))
    rows = table["row"] + table["crossval"]
    seeds = {row["id"]: row.get("seeds", table["seeds"]) for row in rows}
    for turn in range(max(map(len, seeds.values()))):
        for row in rows:
            if turn < len(seeds[row["id"]]):
                epochs, options = row.get("epochs", table["epochs"]), tuple(row.get("options", ()))
                teachers = tuple(row.get("teachers", ()))
                seed, by = seeds[row["id"]][turn], row.get("by", "")
                yield Training(row["id"], row["model"], seed, epochs, options, teachers, by, row.get("painted", ""))
