"""The compact set, rebuilt from (synthetic) originals and checked."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from calibration.dataset import dataset_from_csv
from calibration.looks import hash_from_frame
from calibration.prepare import Listed, compact_from_frame, load_list, prepare, verify
from edge.errors import LabelsError
from edge.files import sha256_from_bytes
from edge.sources.images import load_image


def original(path: Path, seed: int) -> Path:
    noise = np.random.default_rng(seed).integers(0, 255, (300, 400, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise).filter(ImageFilter.GaussianBlur(12)).save(path)
    return path


def listed(path: Path, name: str) -> Listed:
    data = compact_from_frame(load_image(path))
    look = np.packbits(hash_from_frame(load_image(path))).tobytes().hex()
    return Listed(
        f"images/x/{name}.jpg", "x", name, "femur", "train", "p1", "", "", sha256_from_bytes(data), look,
        "256", "192", "400", "300",
    )  # fmt: skip


@pytest.fixture
def archive(tmp_path: Path) -> tuple[Path, tuple[Listed, ...]]:
    root = tmp_path / "archive"
    items = tuple(listed(original(root / "Images" / f"{name}.png", seed), name) for seed, name in enumerate("abc"))
    return root, items


def test_compact_image_is_gray_with_256_px_on_the_longest_side(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(compact_from_frame(load_image(original(tmp_path / "a.png", 0))))
    with Image.open(path) as image:
        assert (image.mode, image.size) == ("L", (256, 192))


def test_originals_give_the_listed_bytes_and_a_table(tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]) -> None:
    source, items = archive
    assert prepare([source], tmp_path / "out", items).count("exact") == 3
    assert verify(tmp_path / "out", items).count("exact") == 3
    assert [s.label for s in dataset_from_csv(tmp_path / "out" / "labels.csv").samples] == ["femur"] * 3


def test_other_encoder_is_told_from_another_picture(tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]) -> None:
    source, (a, b, c) = archive
    items = (replace(a, sha256="0" * 64), replace(b, sha256="0" * 64, look=c.look), c)
    result = prepare([source], tmp_path / "out", items)
    assert [result.states[item.file] for item in items] == ["re-encoded", "other picture", "exact"]
    assert not (tmp_path / "out" / b.file).exists()


def test_damaged_and_missing_originals_are_reported(tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]) -> None:
    source, items = archive
    (source / "Images" / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (source / "Images" / "b.png").unlink()
    result = prepare([source], tmp_path / "out", items)
    assert [result.states[item.file] for item in items] == ["damaged", "missing", "exact"]


def test_of_two_originals_with_one_name_the_right_one_is_taken(
    tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]
) -> None:
    source, items = archive
    original(source / "0_other_folder" / "a.png", 77)
    assert prepare([source], tmp_path / "out", items).states[items[0].file] == "exact"


def test_progress_ends_at_one(tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]) -> None:
    shares: list[float] = []
    prepare([archive[0]], tmp_path / "out", archive[1], lambda _, share: shares.append(share))
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_folder_without_listed_images_is_refused(tmp_path: Path, archive: tuple[Path, tuple[Listed, ...]]) -> None:
    with pytest.raises(LabelsError, match="None of the 3 listed"):
        prepare([tmp_path / "archive" / ".."], tmp_path / "out", [replace(i, original="z") for i in archive[1]])
    with pytest.raises(LabelsError, match="holds none"):
        verify(tmp_path / "nowhere", archive[1])


def test_shipped_list_is_disjoint_by_patient_and_marks_the_shipped_calibration_images() -> None:
    items = load_list()
    splits: dict[str, set[str]] = {}
    for item in items:
        if item.patient:
            splits.setdefault(item.patient, set()).add(item.split)
    assert len(items) == 3473 and all(len(found) == 1 for found in splits.values())
    samples = Path(__file__).parents[2] / "calibration" / "samples"
    rows = csv.DictReader((samples / "labels.csv").read_text().splitlines())
    shipped = {row["file"]: row["split"] for row in rows}
    by_name = {Path(item.file).name: item for item in items}
    for file, split in shipped.items():
        item = by_name[Path(file).name]
        assert item.split == split and sha256_from_bytes((samples / file).read_bytes()) == item.sha256
