from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from calibration.evaluate import Evaluation, evaluation_from_session
from calibration.reports.attention_sheet import CASES, cases_from_evaluation, maps_from_session, png_from_attention
from edge.errors import UsageError
from edge.session import Session
from tests.calibration.attention_cases import session_with_map

ROWS = [
    (0, "abdomen", "p1", ""),
    (0, "abdomen", "p2", ""),
    (1, "femur", "p3", ""),
    (0, "femur", "p4", ""),  # a mistake
    (1, "cervix", "p5", ""),  # no plane of the model, accepted as one
    (-1, "cervix", "p6", ""),  # no plane, and refused
]


def evaluated(session: Session, planes: Any, rows: list[tuple[int, str, str, str]]) -> Evaluation:
    return evaluation_from_session(session, planes.dataset(*rows), ("cervix",), False, lambda *_: None)


def test_best_are_right_and_of_every_plane_and_worst_are_mistakes(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session:
        cases = cases_from_evaluation(evaluated(session, planes, ROWS))
    assert set(cases.best[:2]) & {0, 1}
    assert 2 in cases.best[:2]
    assert set(cases.best) == {0, 1, 2}
    assert set(cases.worst) == {3, 4}


def test_the_most_certain_stand_first_and_six_are_enough(planes: Any, bundles: Any) -> None:
    rows = [(0, "femur", "", "")] * 4 + [(1, "abdomen", "", "")] * 4 + [(0, "abdomen", "", "")]
    with session_with_map(bundles) as session:
        evaluation = evaluated(session, planes, rows)
    cases = cases_from_evaluation(evaluation)
    certainty = [evaluation.predictions[index].probability for index in cases.worst]
    assert len(cases.worst) == CASES
    assert certainty == sorted(certainty, reverse=True)


def test_the_sheet_is_one_picture_the_same_at_every_run(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session:
        evaluation = evaluated(session, planes, ROWS)
        maps = maps_from_session(session, evaluation)
    assert set(maps) == {0, 1, 2, 3, 4}
    assert all(values.shape == (96, 96) for values in maps.values())
    sheet = png_from_attention(evaluation, maps)
    assert sheet == png_from_attention(evaluation, maps)
    assert Image.open(io.BytesIO(sheet)).width > 1000


def test_a_model_without_mistakes_has_an_empty_second_half(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session:
        evaluation = evaluated(session, planes, ROWS[:3])
        maps = maps_from_session(session, evaluation)
    assert cases_from_evaluation(evaluation).worst == ()
    assert png_from_attention(evaluation, maps)


def test_the_sheet_names_the_images_the_use_and_the_watermark(
    planes: Any, bundles: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    headings: list[str] = []
    monkeypatch.setattr(Figure, "suptitle", lambda _, text, **__: headings.append(text))
    with session_with_map(bundles, watermark="SYNTHETIC phantoms, 合成") as session:
        evaluation = evaluated(session, planes, ROWS)
        maps = maps_from_session(session, evaluation)
    (tmp_path / "ATTRIBUTION.md").write_text("# Images: a data set, CC BY 4.0\n")
    png_from_attention(evaluation, maps)
    assert "Research software" in headings[0]
    assert "SYNTHETIC phantoms, 合成" in headings[0]
    assert "a data set, CC BY 4.0" in headings[0]


def test_a_bundle_without_maps_is_a_usage_error(planes: Any) -> None:
    with planes.session() as session:
        evaluation = evaluated(session, planes, ROWS)
        with pytest.raises(UsageError, match="no attention maps"):
            maps_from_session(session, evaluation)


def test_a_map_lies_where_the_plane_is_bright(planes: Any, bundles: Any) -> None:
    with session_with_map(bundles) as session:
        evaluation = evaluated(session, planes, ROWS)
        maps = maps_from_session(session, evaluation)
    rows = [np.array_split(maps[index], 3) for index in (0, 2)]
    assert rows[0][0].mean() > rows[0][2].mean()
    assert rows[1][1].mean() > rows[1][2].mean()
