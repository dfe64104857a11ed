"""Pictures of curves: PNG of a sensible size, the same at every run."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from calibration.evaluate import Coverage
from calibration.reports.charts import png_from_calibration, png_from_coverage, png_from_embedding, png_from_roc
from calibration.reports.curves import Bin, Calibration, CoverageCurve, RocCurve
from calibration.reports.embedding import Embedding

ROC = (RocCurve("abdomen", (0.0, 0.1, 1.0), (0.0, 0.9, 1.0)), RocCurve("femur", (0.0, 1.0), (1.0, 1.0)))
CALIBRATION = Calibration(0.1, 0.05, (Bin(10, 0.6, 0.5, (0.2, 0.8)), Bin(10, 0.9, 1.0, (1.0, 1.0))))
CURVE = CoverageCurve((0.9, 0.5), (0.5, 1.0), (1.0, 0.8), (0.9, 0.3))
MAP = Embedding(3.0, 0, (0, 1, 2), ((0.0, 1.0), (1.0, 0.0), (2.0, 2.0)))
PICTURES = {
    "roc": lambda: png_from_roc(ROC, {"abdomen": 0.93, "femur": None}),
    "calibration": lambda: png_from_calibration(CALIBRATION),
    "coverage": lambda: png_from_coverage(CURVE, Coverage(0.7, 0.9, 10, 0.6), 0.7),
    "coverage without a threshold": lambda: png_from_coverage(CURVE, Coverage(0.0, None, 0, None), None),
    "embedding": lambda: png_from_embedding(MAP, ("abdomen", "femur", "other"), ("abdomen", "femur", "thorax")),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_a_png_that_a_phone_and_a_page_can_show(name: str) -> None:
    picture = Image.open(io.BytesIO(PICTURES[name]()))
    picture.load()
    assert picture.format == "PNG"
    assert picture.width == 840 and 600 < picture.height < 1100
    assert len(set(picture.convert("L").tobytes())) > 20  # something is drawn


def test_a_picture_is_the_same_at_every_run() -> None:
    assert PICTURES["calibration"]() == PICTURES["calibration"]()
