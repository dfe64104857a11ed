"""Every layout a data set comes in, and what is wrong with the ones that are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from calibration.formats import UNLABELLED, load_dataset
from edge.errors import LabelsError

FPDB_HEAD = "Image_name;Patient_num;Plane;Brain_plane;Operator;US_Machine;Train "
HC18_HEAD = "filename,pixel size(mm),head circumference (mm)"


def image(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (64, 48), 7).save(path)
    return path


def dicom(path: Path, patient: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header = FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    header.PatientID, header.PatientName, header.ManufacturerModelName = patient, "Doe^Jane", "Voluson E10"
    header.Rows, header.Columns, header.SamplesPerPixel = 48, 64, 1
    header.PhotometricInterpretation, header.BitsAllocated, header.BitsStored = "MONOCHROME2", 8, 8
    header.HighBit, header.PixelRepresentation = 7, 0
    header.PixelData = np.zeros((48, 64), np.uint8).tobytes()
    header.save_as(path, enforce_file_format=False)
    return path


def fpdb(root: Path, *rows: str) -> Path:
    for row in rows:
        image(root / "Images" / f"{row.split(';')[0]}.png")
    (root / "FETAL_PLANES_DB_data.csv").write_text("\n".join((FPDB_HEAD, *rows)) + "\n")
    return root


def test_official_fpdb_layout_with_its_trailing_blank(tmp_path: Path) -> None:
    fpdb(
        tmp_path,
        "Patient00001_Plane3_1_of_2;1;Fetal brain;Trans-cerebellum;Op. 1;Voluson E6;1 ",
        "Patient00002_Plane5_1_of_1;2;Fetal femur;Not A Brain;Op. 2;Aloka;0 ",
    )
    first, second = load_dataset(tmp_path).samples
    assert (first.label, first.split, first.patient, first.machine) == (
        "brain_transcerebellar",
        "train",
        "FPDB-00001",
        "Voluson E6",
    )
    assert (second.file, second.label, second.split) == ("Images/Patient00002_Plane5_1_of_1.png", "femur", "test")


def test_unknown_fpdb_plane_is_refused_with_its_line(tmp_path: Path) -> None:
    fpdb(tmp_path, "a;1;Fetal foot;Not A Brain;Op. 1;Aloka;1 ")
    with pytest.raises(LabelsError, match="line 2 has Plane 'Fetal foot'"):
        load_dataset(tmp_path)


def test_missing_fpdb_image_is_refused(tmp_path: Path) -> None:
    fpdb(tmp_path, "a;1;Other;Not A Brain;Op. 1;Aloka;1 ")
    (tmp_path / "Images" / "a.png").unlink()
    with pytest.raises(LabelsError, match="names a, which is neither"):
        load_dataset(tmp_path)


def test_hc18_patient_is_the_first_three_digits(tmp_path: Path) -> None:
    for name in ("010_HC.png", "010_2HC.png", "011_HC.png"):
        image(tmp_path / "training_set" / name)
    table = tmp_path / "training_set_pixel_size_and_HC.csv"
    table.write_text(f"{HC18_HEAD}\n010_HC.png,0.1,44.3\n010_2HC.png,0.1,44.3\n011_HC.png,0.1,50\n")
    samples = load_dataset(table).samples
    assert [sample.patient for sample in samples] == ["HC18-010", "HC18-010", "HC18-011"]
    assert {sample.label for sample in samples} == {"head_circumference"}


def test_hc18_name_without_digits_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"{HC18_HEAD}\nhead.png,0.1,44.3\n")
    with pytest.raises(LabelsError, match="three digits"):
        load_dataset(tmp_path / "t.csv")


def test_class_folders_give_labels_and_split_folders_splits(tmp_path: Path) -> None:
    image(tmp_path / "train" / "femur" / "a.png")
    image(tmp_path / "validation" / "abdomen" / "b.jpg")
    samples = load_dataset(tmp_path).samples
    assert [(s.file, s.label, s.split) for s in samples] == [
        ("train/femur/a.png", "femur", "train"),
        ("validation/abdomen/b.jpg", "abdomen", "val"),
    ]


def test_image_beside_the_class_folders_is_refused(tmp_path: Path) -> None:
    image(tmp_path / "femur" / "a.png")
    image(tmp_path / "stray.png")
    with pytest.raises(LabelsError, match="no label"):
        load_dataset(tmp_path)


def test_dicom_folder_tells_patients_apart_without_their_ids(tmp_path: Path) -> None:
    for name, patient in (("a.dcm", "4711"), ("b.dcm", "4711"), ("c.dcm", "0815"), ("d.dcm", "")):
        dicom(tmp_path / name, patient)
    a, b, c, d = load_dataset(tmp_path).samples
    assert a.patient == b.patient != c.patient and d.patient == ""
    assert a.label == UNLABELLED and a.machine == "Voluson E10"
    assert not any(secret in repr((a, b, c, d)) for secret in ("4711", "0815", "Doe"))


def test_dicom_in_class_folders_gets_their_labels(tmp_path: Path) -> None:
    dicom(tmp_path / "femur" / "a.dcm", "1")
    assert load_dataset(tmp_path).samples[0].label == "femur"


def test_labels_csv_in_a_folder_is_found(tmp_path: Path) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,label,split\na.png,femur,test\n")
    assert load_dataset(tmp_path).samples[0].label == "femur"


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no column file, label"),
        ("file,label\n", "holds no image"),
        ("file,plane\na.png,femur\n", "no column label"),
        ("file;label\na.png;femur\n", "separated by semicolons"),
        ("file\tlabel\na.png\tfemur\n", "separated by tabs"),
        ("file,label\nnowhere.png,femur\n", "nowhere.png, which is not in"),
        ("file,label\na.png,femur\na.png,femur\n", "twice"),
        ("file,label\na.png,\n", "empty file or label"),
    ],
)
def test_faulty_table_is_refused_with_cause_and_cure(tmp_path: Path, text: str, match: str) -> None:
    image(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(LabelsError, match=match) as caught:
        load_dataset(tmp_path / "labels.csv")
    assert caught.value.cure


def test_binary_file_as_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read"):
        load_dataset(image(tmp_path / "a.png"))


@pytest.mark.parametrize("name", ["", "nowhere"])
def test_empty_or_missing_folder_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(LabelsError):
        load_dataset(tmp_path / name)
