"""The phantom's scanner: shadows, enhancement, speckle and gain do what they are named after."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from calibration.phantom.beams import LINES, SAMPLES, beams_from_settings, picture_from_lines, scan_from_settings
from calibration.phantom.echo import gray_from_tissue, scatterers_at, scatterers_from_generator
from calibration.phantom.pose import Pose, placed_points, plane_points, pose_between
from calibration.phantom.scanner import SCANNERS, Settings, settings_from_generator
from calibration.phantom.scene import NUMBERS

BEHIND = slice(260, 360)  # samples
MIDDLE = slice(80, 110)  # lines
POSE = Pose(0.3, -1.0, 4.0, 60.0, 1.1, 0.9, 120.0, 0.0, 0.0)


@pytest.fixture
def settings() -> Settings:
    made = settings_from_generator(SCANNERS[0], 120.0, np.random.default_rng(0))
    return replace(made, gain_db=0.0, tgc_db=(0.0,) * 5)


def gray(settings: Settings, **bands: str) -> NDArray[np.float32]:
    """Muscle with a band of another tissue from sample 150 to 200, in the middle lines."""
    tissue = np.full((SAMPLES, LINES), NUMBERS["muscle"], np.uint8)
    for name in bands.values():
        tissue[150:200, 70:120] = NUMBERS[name]
    beams = beams_from_settings(settings)
    scatterers = scatterers_from_generator(np.random.default_rng(1))
    seen = scatterers_at(scatterers, plane_points(beams.x_mm, beams.y_mm, POSE))
    return gray_from_tissue([(1.0, tissue)], seen, settings, np.random.default_rng(2))


def test_bone_casts_a_shadow(settings: Settings) -> None:
    assert gray(settings, band="bone")[BEHIND, MIDDLE].mean() < gray(settings)[BEHIND, MIDDLE].mean() - 0.25


def test_fluid_is_dark_and_enhances_what_lies_behind(settings: Settings) -> None:
    with_fluid, without = gray(settings, band="fluid"), gray(settings)
    assert with_fluid[160:190, MIDDLE].mean() < 0.2 < without[160:190, MIDDLE].mean()
    assert with_fluid[BEHIND, MIDDLE].mean() > without[BEHIND, MIDDLE].mean() + 0.005


def test_beside_the_shadow_nothing_changes(settings: Settings) -> None:
    far = np.abs(gray(settings, band="bone")[BEHIND, :40] - gray(settings)[BEHIND, :40])
    assert far.mean() < 0.01


def test_gain_brightens(settings: Settings) -> None:
    louder = replace(settings, gain_db=6.0)
    assert gray(louder).mean() - gray(settings).mean() == pytest.approx(6.0 / settings.range_db, abs=0.03)


def test_the_pattern_of_tissue_is_speckle(settings: Settings) -> None:
    tissue = gray(replace(settings, gamma=1.0))[100:300]
    assert 0.03 < float(tissue.std()) < 0.15
    lateral = np.corrcoef(tissue[:, :-1].ravel(), tissue[:, 1:].ravel())[0, 1]
    assert 0.3 < lateral < 0.99


def test_a_picture_is_black_outside_its_sector(settings: Settings) -> None:
    beams = beams_from_settings(settings)
    scan = scan_from_settings(settings, beams, 120, 160)
    picture = picture_from_lines(np.ones((SAMPLES, LINES), np.float32), scan)
    assert picture.shape == (120, 160) and picture[0, 0] == 0 and picture[60, 80] >= 254


def test_placing_a_point_and_going_back_gives_the_point() -> None:
    point = np.array([[7.0, -3.0]])
    placed = placed_points(point, POSE).astype(np.float32)
    back = plane_points(placed[:, 0], placed[:, 1], POSE).T
    assert np.allclose(back, point, atol=1e-3)


def test_a_turn_goes_the_shorter_way_round() -> None:
    half = pose_between(replace(POSE, turn=3.0), replace(POSE, turn=-3.0), 0.5)
    assert abs(np.cos(half.turn) + 1) < 0.02
