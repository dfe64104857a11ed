"""LABELS.csv -> Dataset: what a row says, what is refused, and what the digest notices."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from calibration.dataset import Dataset, Sample, dataset_from_csv
from edge.errors import LabelsError

FULL = "file,label,split,patient,machine,operator,dataset,width\na.png,femur,test,p1,Voluson E6,Op. 1,fpdb,64\n"


def table(folder: Path, text: str, images: tuple[str, ...] = ("a.png", "b.png")) -> Path:
    for level, name in enumerate(images):
        Image.new("L", (24, 16), 40 * level).save(folder / name)
    path = folder / "LABELS.csv"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Dataset:
    lines = "a.png,femur,train,p1,d1\nb.png,abdomen,test,p2,d1\nc.png,femur,test,,d2\nd.png,thorax,test,,d2\n"
    images = ("a.png", "b.png", "c.png", "d.png")
    return dataset_from_csv(table(tmp_path, "file,label,split,patient,dataset\n" + lines, images))


def test_every_known_column_is_read_and_others_are_left_alone(tmp_path: Path) -> None:
    dataset = dataset_from_csv(table(tmp_path, FULL))
    assert dataset.samples == (Sample("a.png", "femur", "test", "p1", "Voluson E6", "Op. 1", "fpdb"),)


def test_file_and_label_are_enough(tmp_path: Path) -> None:
    assert dataset_from_csv(table(tmp_path, "file,label\na.png,femur\n")).samples == (Sample("a.png", "femur"),)


def test_blanks_around_names_and_values_do_not_matter(tmp_path: Path) -> None:
    assert dataset_from_csv(table(tmp_path, " file , label\na.png, femur \n")).samples == (Sample("a.png", "femur"),)


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    assert dataset_from_csv(table(tmp_path, "\ufefffile,label\na.png,femur\n")).samples == (Sample("a.png", "femur"),)


def test_empty_values_behind_the_last_column_do_not_matter(tmp_path: Path) -> None:
    assert dataset_from_csv(table(tmp_path, "file,label\na.png,femur,,\n")).samples == (Sample("a.png", "femur"),)


@pytest.mark.parametrize(
    ("written", "read"),
    [("Train", "train"), ("VAL", "val"), ("validation", "val"), ("Test", "test"), ("Fold 1", "Fold 1")],
)
def test_a_split_is_the_same_however_it_is_written(tmp_path: Path, written: str, read: str) -> None:
    text = f"file,label,split\na.png,femur,{written}\n"
    assert dataset_from_csv(table(tmp_path, text)).samples == (Sample("a.png", "femur", read),)


def test_a_missing_column_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match=r"no column label \(it has: file, plane\)") as refusal:
        dataset_from_csv(table(tmp_path, "file,plane\na.png,femur\n"))
    assert refusal.value.exit_code == 3
    assert refusal.value.cure


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "no column file, label"),
        ("file,label\n", "holds no image"),
        ("file,label\na.png,\n", "line 2 has an empty file or label"),
        ("file,label\na.png,femur\n,femur\n", "line 3 has an empty file or label"),
        ("file,label\na.png\n", "line 2 has an empty file or label"),
        ("file,label\nc.png,femur\n", "names c.png, which is not in"),
        ("file,label\na.png,femur\na.png,abdomen\n", "names a.png twice"),
        ("file,label\na.png,femur\n./a.png,abdomen\n", "names ./a.png twice"),
        ("file,label,label\na.png,femur,abdomen\n", "has the column label twice"),
        ("file,label,machine\na.png,femur,E6, v2\n", "line 2 has more values than the table has columns"),
        ('file,label\na.png,"femur\nb.png,abdomen\n', "cannot be read as a label table"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_place(tmp_path: Path, text: str, match: str) -> None:
    with pytest.raises(LabelsError, match=match):
        dataset_from_csv(table(tmp_path, text))


def test_a_table_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelsError, match="cannot be read"):
        dataset_from_csv(tmp_path / "absent.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(LabelsError, match="cannot be read"):
        dataset_from_csv(tmp_path / "binary.csv")


def test_where_keeps_the_order_and_combines_its_conditions(mixed: Dataset) -> None:
    assert [s.file for s in mixed.where(split="test").samples] == ["b.png", "c.png", "d.png"]
    assert [s.file for s in mixed.where(split="test", labels={"femur", "thorax"}).samples] == ["c.png", "d.png"]
    assert [s.file for s in mixed.where(dataset="d1", split="train").samples] == ["a.png"]
    assert mixed.where() == mixed


def test_labels_are_those_that_occur_sorted(mixed: Dataset) -> None:
    assert mixed.labels == ("abdomen", "femur", "thorax")
    assert mixed.where(split="train").labels == ("femur",)


def test_images_without_a_patient_count_as_patients_of_their_own(mixed: Dataset) -> None:
    assert mixed.patients == 4
    assert mixed.where(dataset="d1").patients == 2


def test_one_pseudonym_in_two_sets_is_two_patients() -> None:
    samples = tuple(Sample(f"{name}.png", "femur", patient="P1", dataset=name) for name in ("mine", "mine2", "mine"))
    assert Dataset(Path(), samples).patients == 2
    assert samples[0].person == samples[2].person != samples[1].person
    assert Sample("x.png", "femur", dataset="mine").person == ""


def test_blanks_in_names_make_no_two_patients_one() -> None:
    ends = [
        Sample("a.png", "femur", patient="A 1", dataset="mine"),
        Sample("b.png", "femur", patient="1", dataset="mine A"),
    ]
    assert Dataset(Path(), tuple(ends)).patients == 2


def test_digest_notices_every_pixel_label_and_split(tmp_path: Path) -> None:
    text = "file,label,split\na.png,femur,test\nb.png,femur,test\n"
    path = table(tmp_path, text)
    before = dataset_from_csv(path).digest
    assert dataset_from_csv(path).digest == before
    for changed in (text.replace("a.png,femur", "a.png,abdomen"), text.replace("b.png,femur,test", "b.png,femur,val")):
        path.write_text(changed)
        assert dataset_from_csv(path).digest != before
    path.write_text(text)
    Image.new("L", (24, 16), 41).save(tmp_path / "b.png")
    assert dataset_from_csv(path).digest != before
