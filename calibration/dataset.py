"""Images + labels -> Dataset: who is on which image, in which split, and one digest over all of it.

::

    LABELS.csv | FETAL_PLANES_DB csv | HC18 csv | folder per class | folder of DICOM files -> Dataset
"""

from __future__ import annotations

import csv
import hashlib
import posixpath
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge.errors import LabelsError

REQUIRED_COLUMNS = ("file", "label")
SPLIT_NAMES = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
BETWEEN = "\x1f"  # data set and pseudonym: no blank, or "mine" + "A 1" would be "mine A" + "1"


@dataclass(frozen=True)
class Sample:
    """One image of a dataset.

    Attributes:
        file: path of the image, relative to the dataset's root.
        label: name of its class.
        split: "train", "val", "test" or another name; empty where the table has none. A table's "Train", "validation"
            and the like are read as the first three.
        patient: pseudonym of the patient; empty where unknown.
        machine: scanner model; empty where unknown.
        operator: pseudonym of the operator; empty where unknown.
        dataset: name of the data set it comes from.
    """

    file: str
    label: str
    split: str = ""
    patient: str = ""
    machine: str = ""
    operator: str = ""
    dataset: str = ""

    @property
    def person(self) -> str:
        """The patient, told apart from another data set's of the same pseudonym; empty where unknown."""
        return f"{self.dataset}{BETWEEN}{self.patient}" if self.patient else ""


@dataclass(frozen=True)
class Dataset:
    """Samples below one folder.

    Attributes:
        root: folder that the samples' files are relative to.
        samples: in the table's order.
    """

    root: Path
    samples: tuple[Sample, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The class names that occur, sorted."""
        return tuple(sorted({sample.label for sample in self.samples}))

    @property
    def digest(self) -> str:
        """SHA-256 over names, labels, splits and the bytes of every image, hexadecimal."""
        digest = hashlib.sha256()
        for sample in self.samples:
            digest.update(f"{sample.file}\0{sample.label}\0{sample.split}\0".encode())
            digest.update(hashlib.sha256(self.path(sample).read_bytes()).digest())
        return digest.hexdigest()

    @property
    def patients(self) -> int:
        """Number of patients; an image without a pseudonym counts as a patient of its own, as in the intervals."""
        return number_of_people([sample.person for sample in self.samples])

    @property
    def copies(self) -> tuple[int, int]:
        """Number of images whose bytes another one has, too, and of those whose copies have different labels."""
        alike: dict[bytes, list[str]] = defaultdict(list)
        for sample in self.samples:
            alike[hashlib.sha256(self.path(sample).read_bytes()).digest()].append(sample.label)
        several = [labels for labels in alike.values() if len(labels) > 1]
        return sum(map(len, several)), sum(len(labels) for labels in several if len(set(labels)) > 1)

    def path(self, sample: Sample) -> Path:
        """Where a sample's image lies."""
        return self.root / sample.file

    def where(
        self, split: str | None = None, dataset: str | None = None, labels: Collection[str] | None = None
    ) -> Dataset:
        """The samples of one split, data set or set of labels."""
        kept = (
            s
            for s in self.samples
            if (split is None or s.split == split)
            and (dataset is None or s.dataset == dataset)
            and (labels is None or s.label in labels)
        )
        return Dataset(self.root, tuple(kept))


def number_of_people(people: Sequence[str]) -> int:
    """How many patients these are, by `Sample.person` of each image; an empty name is a patient of its own."""
    return len(set(filter(None, people))) + people.count("")


def people_in_words(people: Sequence[str]) -> str:
    """The same for a reader; images that name nobody are no count of patients."""
    return f"{number_of_people(people)} patients" if any(people) else "unnamed patients"


def dataset_from_csv(path: Path) -> Dataset:
    """Read a LABELS.csv: `file,label` and, where present, `split, patient, machine, operator, dataset`.

    Args:
        path: the table; files stand relative to its folder.

    Raises:
        LabelsError: not readable, a column is missing or there twice, no row, a row without label or with more values
            than columns, an image that is named twice or not there.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, strict=True)
            check_columns(path, reader.fieldnames or (), REQUIRED_COLUMNS)
            rows = [_row_from_values(path, number, row) for number, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path} cannot be read as a label table: {error}.", "Give a UTF-8 LABELS.csv.") from error
    dataset = Dataset(path.parent, tuple(_sample_from_row(path, number, row) for number, row in enumerate(rows, 2)))
    check_files(path, dataset)
    return dataset


def _row_from_values(path: Path, number: int, row: Mapping[str | None, Any]) -> dict[str, str | None]:
    """A row by its columns' names; values beyond the last column are refused, for those before them may be shifted."""
    beyond = [value for value in row.get(None) or () if value.strip()]
    if beyond:
        raise LabelsError(
            f"{path} line {number} has more values than the table has columns; the first of them is {beyond[0]!r}.",
            'Set a value that holds a comma in quotation marks: "Voluson E6, v2".',
        )
    return {name.strip(): value for name, value in row.items() if name is not None}


def check_columns(path: Path, found: Iterable[str], required: Iterable[str]) -> None:
    """Raise LabelsError that names the missing columns of a table, or the one that it has twice."""
    found = [name.strip() for name in found]
    missing = [name for name in required if name not in found]
    if missing:
        raise LabelsError(
            f"{path} has no column {', '.join(missing)} (it has: {', '.join(found) or 'none'}).",
            f"Name the columns {', '.join(required)} in its first line.",
        )
    twice = [name for name in Sample.__dataclass_fields__ if found.count(name) > 1]
    if twice:
        raise LabelsError(f"{path} has the column {twice[0]} twice.", "Keep one column of that name.")


def check_files(path: Path, dataset: Dataset) -> None:
    """Raise LabelsError if a table is empty, names a file twice or one that is not there."""
    if not dataset.samples:
        raise LabelsError(f"{path} holds no image.", "Add one line per image below the column names.")
    seen: set[str] = set()
    for sample in dataset.samples:
        file = posixpath.normpath(sample.file)  # a/1.png is ./a/1.png
        if file in seen:
            raise LabelsError(f"{path} names {sample.file} twice.", "Keep one line per image.")
        seen.add(file)
        if not dataset.path(sample).is_file():
            raise LabelsError(
                f"{path} names {sample.file}, which is not in {dataset.root}.",
                "Put the image there or correct the name; names are relative to the table's folder.",
            )


def _sample_from_row(path: Path, number: int, row: Mapping[str, str | None]) -> Sample:
    values = {name: (row.get(name) or "").strip() for name in Sample.__dataclass_fields__}
    if not values["file"] or not values["label"]:
        raise LabelsError(f"{path} line {number} has an empty file or label.", "Fill it in or remove the line.")
    values["split"] = SPLIT_NAMES.get(values["split"].lower(), values["split"])
    return Sample(**values)
