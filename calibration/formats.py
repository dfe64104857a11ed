"""Any layout a data set comes in -> Dataset.

::

    LABELS.csv                                        file,label[,split,patient,machine,operator,dataset]
    FETAL_PLANES_DB_data.csv + Images/                `;`-separated, its last column named "Train " with a blank
    training_set_pixel_size_and_HC.csv + images       HC18
    folder/[train|val|test/]class/image...            one folder per class, images or DICOM files
    folder of DICOM files                             patient and machine from their headers
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from calibration.dataset import SPLIT_NAMES, Dataset, Sample, check_columns, check_files, dataset_from_csv
from calibration.phantom.marking import DATASET as PHANTOM
from calibration.phantom.marking import says_phantom
from edge.errors import ImageError, LabelsError

TABLE_NAMES = ("labels.csv", "LABELS.csv", "FETAL_PLANES_DB_data.csv", "training_set_pixel_size_and_HC.csv")
FPDB_COLUMNS = ("Image_name", "Patient_num", "Plane", "Brain_plane", "Train")
HC18_COLUMNS = ("filename", "pixel size(mm)", "head circumference (mm)")
IMAGE_FOLDERS = ("", "Images", "images", "training_set")  # where the official archives put them, beside the table
IMAGE_SUFFIXES = ("", ".png", ".jpg", ".jpeg")
UNLABELLED = "unlabelled"  # what a flat folder of DICOM files says: enough to calibrate, nothing to evaluate

# (Plane, Brain_plane) of FETAL_PLANES_DB -> this project's label; Burgos-Artizzu et al. 2020, table 1.
FPDB_LABELS: Mapping[tuple[str, str], str] = {
    ("Fetal abdomen", "Not A Brain"): "abdomen",
    ("Fetal brain", "Trans-thalamic"): "brain_transthalamic",
    ("Fetal brain", "Trans-ventricular"): "brain_transventricular",
    ("Fetal brain", "Trans-cerebellum"): "brain_transcerebellar",
    ("Fetal brain", "Other"): "other",
    ("Fetal femur", "Not A Brain"): "femur",
    ("Fetal thorax", "Not A Brain"): "thorax",
    ("Maternal cervix", "Not A Brain"): "cervix",
    ("Other", "Not A Brain"): "other",
}


def load_dataset(path: Path | str) -> Dataset:
    """Read a data set, whatever its layout.

    Args:
        path: a table, or a folder with a table, with one folder per class, or with DICOM files.

    Returns:
        The samples; a phantom that no table names is told by its file.

    Raises:
        LabelsError: nothing there, or the layout's own faults.
    """
    return _with_phantoms(_loaded(Path(path)))


def _with_phantoms(dataset: Dataset) -> Dataset:
    found = {s.file for s in dataset.samples if not s.dataset and says_phantom(dataset.path(s))}
    samples = (replace(s, dataset=PHANTOM) if s.file in found else s for s in dataset.samples)
    return replace(dataset, samples=tuple(samples)) if found else dataset


def _loaded(path: Path) -> Dataset:
    if path.is_file():
        return _dataset_from_table(path)
    if not path.is_dir():
        raise LabelsError(f"{path} is not there.", "Name a label table or a folder of images.")
    table = next((path / name for name in TABLE_NAMES if (path / name).is_file()), None)
    return _dataset_from_table(table) if table else dataset_from_folder(path)


def _dataset_from_table(path: Path) -> Dataset:
    columns = _columns(path)
    if set(FPDB_COLUMNS) <= columns(";"):
        return dataset_from_fpdb(path)
    if {"filename", "head circumference (mm)"} <= columns(","):
        return dataset_from_hc18(path)
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs")):
        if {"file", "label"} <= columns(delimiter):
            raise LabelsError(f"{path} is separated by {name}, not commas.", "Save it as a comma-separated file.")
    return dataset_from_csv(path)


def _columns(path: Path) -> Callable[[str], set[str]]:
    """The first line's names for a given delimiter."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            line = stream.readline(1 << 16)
    except (OSError, UnicodeDecodeError) as error:
        raise LabelsError(f"{path} cannot be read as a label table: {error}.", "Give a UTF-8 LABELS.csv.") from error
    return lambda delimiter: {name.strip().strip('"') for name in line.split(delimiter)}


def dataset_from_fpdb(path: Path) -> Dataset:
    """Read FETAL_PLANES_DB as published; split is its `Train` column.

    Args:
        path: FETAL_PLANES_DB_data.csv; the images lie beside it or in `Images/`.

    Raises:
        LabelsError: a column is missing, a plane is unknown, or an image is not there.

    Source: Zenodo 3904280.
    """
    rows = _rows(path, ";", FPDB_COLUMNS)
    samples = []
    for number, row in enumerate(rows, 2):
        plane = (row["Plane"], row["Brain_plane"])
        if plane not in FPDB_LABELS or row["Train"] not in ("0", "1") or not row["Patient_num"].isdecimal():
            raise LabelsError(
                f"{path} line {number} has Plane {plane[0]!r}, Brain_plane {plane[1]!r}, Train {row['Train']!r},"
                f" Patient_num {row['Patient_num']!r}; that is not FETAL_PLANES_DB's.",
                "Take the table from Zenodo 3904280 unchanged, or write a LABELS.csv.",
            )
        samples.append(
            Sample(
                file=_image_beside(path, row["Image_name"]),
                label=FPDB_LABELS[plane],
                split="train" if row["Train"] == "1" else "test",
                patient=f"FPDB-{int(row['Patient_num']):05d}",
                machine=row.get("US_Machine", ""),
                operator=row.get("Operator", ""),
                dataset="fpdb",
            )
        )
    return _checked(path, samples)


def dataset_from_hc18(path: Path) -> Dataset:
    """Read HC18's training set; patient = the first three digits of a name, `010_2HC.png` is patient 10's second.

    Raises:
        LabelsError: a column is missing, a name is not HC18's, or an image is not there.

    Source: Zenodo 1327317.
    """
    samples = []
    for number, row in enumerate(_rows(path, ",", HC18_COLUMNS), 2):
        name = row["filename"]
        if not name[:3].isdecimal():
            raise LabelsError(
                f"{path} line {number} names {name!r}; HC18's names begin with three digits, the patient.",
                "Take the table from Zenodo 1327317 unchanged, or write a LABELS.csv.",
            )
        file = _image_beside(path, name)
        samples.append(Sample(file, "head_circumference", "train", f"HC18-{name[:3]}", dataset="hc18"))
    return _checked(path, samples)


def dataset_from_folder(path: Path) -> Dataset:
    """Read images or DICOM files, label = name of their folder, split = the folder above if it is called so.

    Patient and machine come from DICOM headers; a patient's id is never kept: patients are numbered in the order of
    their ids' SHA-256, from which no id can be found again.

    Raises:
        LabelsError: no image, or images beside the class folders.
    """
    from edge.sources.images import files_from_path

    try:
        files = files_from_path(path)
    except ImageError as error:
        raise LabelsError(error.cause, "Name a folder with a LABELS.csv or with one folder per class.") from error
    samples = [Sample(file.relative_to(path).as_posix(), *_label_and_split(path, file)) for file in files]
    return _checked(path, _with_dicom_headers(path, samples))


def _label_and_split(root: Path, file: Path) -> tuple[str, str]:
    folders = file.relative_to(root).parts[:-1]
    split = SPLIT_NAMES.get(folders[0].lower(), "") if folders else ""
    folders = folders[1:] if split else folders
    if not folders and not _is_dicom(file):
        raise LabelsError(
            f"{file} lies beside the class folders, so it has no label.",
            f"Put it into a folder named after its class, or write a LABELS.csv in {root}.",
        )
    return (folders[0] if folders else UNLABELLED), split


def _with_dicom_headers(root: Path, samples: Iterable[Sample]) -> list[Sample]:
    samples = list(samples)
    headers = {s.file: _patient_and_machine(root / s.file) for s in samples if _is_dicom(root / s.file)}
    order = sorted({digest for digest, _ in headers.values() if digest})
    numbers = {digest: f"DICOM-{number:05d}" for number, digest in enumerate(order, 1)}
    return [
        replace(s, patient=numbers.get(headers[s.file][0], ""), machine=headers[s.file][1]) if s.file in headers else s
        for s in samples
    ]


def _patient_and_machine(path: Path) -> tuple[str, str]:
    """SHA-256 of the patient id ("" without one) and the scanner's model."""
    from edge.sources.dicom import header_from_file

    try:
        header = header_from_file(path)
    except ImageError as error:
        raise LabelsError(error.cause, error.cure) from error
    patient = str(header.get("PatientID") or "").strip()
    digest = hashlib.sha256(patient.encode()).hexdigest() if patient else ""
    return digest, str(header.get("ManufacturerModelName") or "").strip()


def _is_dicom(path: Path) -> bool:
    from edge.sources.images import kind_from_file

    return kind_from_file(path) == "dicom"


def _rows(path: Path, delimiter: str, columns: tuple[str, ...]) -> list[dict[str, str]]:
    """A table's rows with the blanks around names and values taken away."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.DictReader(stream, delimiter=delimiter, restkey="")
            check_columns(path, reader.fieldnames or (), columns)
            return [{str(k).strip(): str(v or "").strip() for k, v in row.items()} for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LabelsError(f"{path} cannot be read: {error}.", "Take the table from its source unchanged.") from error


def _image_beside(table: Path, name: str) -> str:
    for folder in IMAGE_FOLDERS:
        for suffix in IMAGE_SUFFIXES:
            file = table.parent / folder / f"{name}{suffix}"
            if file.is_file():
                return file.relative_to(table.parent).as_posix()
    raise LabelsError(
        f"{table} names {name}, which is neither beside it nor in {', '.join(IMAGE_FOLDERS[1:])}.",
        "Unpack the whole archive there; for a part of it write a LABELS.csv.",
    )


def _checked(path: Path, samples: Iterable[Sample]) -> Dataset:
    dataset = Dataset(path if path.is_dir() else path.parent, tuple(samples))
    check_files(path, dataset)
    return dataset
