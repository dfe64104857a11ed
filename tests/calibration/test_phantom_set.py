"""`edge phantom`: what a set holds, that it is the same each time, and that it never touches another folder."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from calibration.dataset import Dataset, dataset_from_csv
from calibration.formats import load_dataset
from calibration.phantom.marking import is_synthetic
from calibration.phantom.phantom_set import phantom_set_from_settings
from calibration.phantom.plan import PhantomSettings, plan_from_settings, split_from_text
from calibration.phantom.planes import NOT_STANDARD, plane_names
from calibration.phantom_cli import register
from calibration.reports.figures import credit_from_folder
from calibration.splits import check_disjoint
from edge.errors import UsageError
from edge.protocol import load_protocol

SMALL = PhantomSettings(seed=7, per_plane=5, size_px=96)


def quiet(stage: str, share: float) -> None:
    assert stage and 0 <= share <= 1


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("phantoms") / "set"
    phantom_set_from_settings(path, SMALL, quiet)
    return path


@pytest.fixture(scope="module")
def dataset(folder: Path) -> Dataset:
    return dataset_from_csv(folder / "labels.csv")


def test_every_plane_has_its_frames_and_there_are_some_that_are_none(dataset: Dataset) -> None:
    counts = Counter(sample.label for sample in dataset.samples)
    assert {counts[plane] for plane in plane_names()} == {SMALL.per_plane} and counts[NOT_STANDARD] > SMALL.per_plane


def test_every_row_says_phantom_and_no_patient_is_in_two_splits(dataset: Dataset) -> None:
    check_disjoint(dataset.samples)
    assert {sample.dataset for sample in dataset.samples} == {"phantom"}
    assert {sample.split for sample in dataset.samples} == {"train", "val", "test"}
    assert all(sample.machine.startswith("Phantom scanner") for sample in dataset.samples)


def test_every_file_says_in_its_own_text_that_it_is_synthetic(folder: Path, dataset: Dataset) -> None:
    for sample in dataset.samples[::20]:
        with Image.open(folder / sample.file) as image:
            assert image.mode == "L" and image.text["Title"] == "SYNTHETIC PHANTOM"
            assert "no patient" in image.text["Description"]


def test_phantoms_without_their_table_are_known_by_their_files(folder: Path, tmp_path: Path) -> None:
    found = load_dataset(folder / "images")
    assert {sample.dataset for sample in found.samples} == {"phantom"} and is_synthetic(found.samples)
    row = found.samples[0]
    table = tmp_path / "labels.csv"
    (tmp_path / "mine.png").write_bytes((folder / "images" / row.file).read_bytes())
    Image.new("L", (64, 48)).save(tmp_path / "real.png")
    table.write_text("file,label\nmine.png,femur\nreal.png,femur\n")
    assert [sample.dataset for sample in load_dataset(table).samples] == ["phantom", ""]


def test_the_documents_say_what_the_set_is(folder: Path) -> None:
    assert credit_from_folder(folder).startswith("SYNTHETIC PHANTOM")
    readme = (folder / "README.md").read_text("utf-8")
    assert "SYNTHETIC" in readme and "三血管气管切面" in readme
    assert (folder / "planes.txt").read_text("utf-8").split() == list(plane_names())
    with Image.open(folder / "contact_sheet.png") as sheet:
        assert sheet.width > 22 * 100


def test_the_protocol_knows_the_set_s_labels_and_refuses_its_rejects(dataset: Dataset) -> None:
    protocol = load_protocol("prenatal21")
    assert protocol.coverage_from_labels(dataset.labels).not_covered == ()
    assert NOT_STANDARD in protocol.refused


def test_the_same_settings_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    phantom_set_from_settings(tmp_path / "again", SMALL, quiet)
    for path in sorted(folder.rglob("*.*")):
        assert (tmp_path / "again" / path.relative_to(folder)).read_bytes() == path.read_bytes(), path.name


def test_what_an_interrupted_run_left_is_drawn(folder: Path, dataset: Dataset) -> None:
    lost = folder / dataset.samples[3].file
    before = lost.read_bytes()
    lost.unlink()
    assert phantom_set_from_settings(folder, SMALL, quiet).drawn == 1 and lost.read_bytes() == before


def test_a_set_of_other_settings_is_left_alone(folder: Path) -> None:
    with pytest.raises(UsageError, match="phantom set of other settings; nothing was changed"):
        phantom_set_from_settings(folder, PhantomSettings(seed=8, per_plane=5, size_px=96), quiet)


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="something else"):
        phantom_set_from_settings(tmp_path, SMALL, quiet)
    with pytest.raises(UsageError, match="is a file"):
        phantom_set_from_settings(tmp_path / "letter.txt", SMALL, quiet)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_set_for_sixty_frames_a_plane_is_dealt_as_asked() -> None:
    patients = {frame.sample.patient: frame.sample.split for frame in plan_from_settings(PhantomSettings())}
    assert Counter(patients.values()) == {"train": 21, "val": 3, "test": 6}


@pytest.mark.parametrize("text", ["7:1", "7:0:3", "a:b:c", "7:-1:2", "nan:1:1"])
def test_a_wrong_split_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="no split"):
        split_from_text(text)


@pytest.mark.parametrize("settings", [PhantomSettings(per_plane=4), PhantomSettings(size_px=20), PhantomSettings(-1)])
def test_settings_out_of_range_are_a_usage_error(settings: PhantomSettings) -> None:
    with pytest.raises(UsageError):
        plan_from_settings(settings)


def test_the_command_goes_on_and_tells_its_figures(folder: Path) -> None:
    app = typer.Typer()
    register(app)
    arguments = ["-o", str(folder), "--per-plane", "5", "--seed", "7", "--size", "96"]
    told = CliRunner().invoke(app, [*arguments, "--json"])
    document = json.loads(told.stdout)
    assert document["synthetic"] is True and (document["drawn"], document["patients"]) == (0, 3)
    assert "synthetic frames" in CliRunner().invoke(app, arguments).stdout
