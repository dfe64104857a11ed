"""Near-duplicates act as one patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from calibration.dataset import Dataset, Sample
from calibration.looks import groups_from_hashes, hash_from_frame, patients_from_looks


def picture(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (120, 160), dtype=np.uint8)
    return Image.fromarray(noise).filter(ImageFilter.GaussianBlur(6)).point(lambda v: min(255, max(0, 8 * (v - 110))))


def bits(image: Image.Image) -> np.ndarray:
    return hash_from_frame(np.asarray(image))


def test_scaled_and_brighter_copy_is_near() -> None:
    image = picture(1)
    copy = image.resize((256, 192)).point(lambda v: int(v * 0.8 + 20))
    assert np.count_nonzero(bits(image) != bits(copy)) <= 24


def test_unlike_images_are_far() -> None:
    assert np.count_nonzero(bits(picture(1)) != bits(picture(2))) > 90


def test_groups_are_joined_over_others() -> None:
    hashes = np.zeros((4, 255), bool)
    hashes[1, :40], hashes[2, :80], hashes[3] = True, True, True
    assert groups_from_hashes(hashes).tolist() == [0, 0, 0, 3]


def test_known_patients_stay_and_copies_share_a_group(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 2), ("c", 1), ("d", 1)):
        picture(seed).save(tmp_path / f"{name}.png")
    samples = tuple(Sample(f"{name}.png", "x", patient="known" if name == "d" else "") for name in "abcd")
    a, b, c, d = (sample.patient for sample in patients_from_looks(Dataset(tmp_path, samples)).samples)
    assert a == c == "look-00000" and b == "look-00001" and d == "known"
