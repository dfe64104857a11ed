"""Pictures of curves: PNG of a sensible size, the same at every run."""

from __future__ import annotations

import io
import warnings

import pytest
from matplotlib.figure import Figure
from PIL import Image

from calibration.evaluate import Coverage
from calibration.reports import canvas, charts
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


def figures_drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that the charts draw from now on, each laid out as it is saved."""
    drawn: list[Figure] = []

    def keep(figure: Figure, dpi: int) -> bytes:
        figure.set_dpi(dpi)
        figure.canvas.draw()
        drawn.append(figure)
        return b""

    monkeypatch.setattr(charts, "png_from_figure", keep)
    return drawn


@pytest.mark.parametrize("files", [(), canvas.CHINESE_FILES])
def test_chinese_names_are_drawn_with_and_without_a_font_of_the_system(
    files: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas, "CHINESE_FILES", files)
    canvas._families.cache_clear()
    drawn = figures_drawn(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of a letter that becomes a box
        png_from_roc([RocCurve("腹部", (0.0, 1.0), (0.5, 1.0))], {})
    assert len(drawn) == 1
    canvas._families.cache_clear()


@pytest.mark.parametrize("planes", [1, 6, 11, 12, 21, 30])
def test_every_plane_of_a_roc_has_its_own_look_and_the_legend_covers_nothing(
    planes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = figures_drawn(monkeypatch)
    png_from_roc([RocCurve(f"plane_{number}", (0.0, 1.0), (0.5, 1.0)) for number in range(planes)], {})
    axes = drawn[0].axes[0]
    assert len({(line.get_color(), str(line._dash_pattern)) for line in axes.lines[:planes]}) == planes  # type: ignore[attr-defined]
    assert drawn[0].legends[0].get_window_extent().y1 <= axes.xaxis.label.get_window_extent().y0


def test_both_axes_of_a_curve_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = figures_drawn(monkeypatch)
    for name in ("roc", "calibration", "coverage"):
        PICTURES[name]()
    assert all(figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel() for figure in drawn)


def test_a_picture_is_the_same_at_every_run() -> None:
    assert PICTURES["calibration"]() == PICTURES["calibration"]()
