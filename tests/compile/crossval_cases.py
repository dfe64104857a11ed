"""Two small data sets of drawn images and the command that cross-validates on them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from compile.training import images
from compile.training.crossval import cli as crossval_cli
from compile.training.probe import cli as probe_cli
from edge import cli
from tests.conftest import striped

PLANES = ("abdomen", "femur")
COLUMNS = "file,label,split,patient,machine,operator,dataset\n"


def table_of(folder: Path, dataset: str, patients: int, machines: tuple[str, ...] = ("Aloka", "Voluson E6")) -> Path:
    """A table of three images a patient: two planes and a cervix, striped so that they can be told apart."""
    folder.mkdir(parents=True)
    rows = []
    for patient in range(patients):
        for number, label in enumerate((*PLANES, "cervix")):
            name = f"{dataset}-{patient}-{number}.png"
            Image.fromarray(striped(number, 100 * patient + len(dataset), 48)).save(folder / name)
            split = "train" if patient % 3 else "test"
            machine = machines[patient % len(machines)]
            rows.append(f"{name},{label},{split},{dataset}{patient},{machine},op{patient % 2},{dataset}\n")
    table = folder / "labels.csv"
    table.write_text(COLUMNS + "".join(rows))
    return table


def mount(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands under test on the command line, and little synthetic training material."""
    others = cli._mount_others

    def mounted(app: object) -> None:
        others(app)  # type: ignore[arg-type]  # typer's
        crossval_cli.register(app)  # type: ignore[arg-type]
        probe_cli.register(app)  # type: ignore[arg-type]

    monkeypatch.setattr(cli, "_mount_others", mounted)
    monkeypatch.setattr(images, "NEGATIVES", 7)
