"""McNemar's test is scipy's binomial test where few images differ, and the corrected chi-squared where many do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from calibration.mcnemar import CHI_SQUARED, EXACT, EXACT_BELOW, McNemar, mcnemar_from_answers, p_value


def answers(both: int, first: int, second: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    pairs = [(True, True)] * both + [(True, False)] * first + [(False, True)] * second + [(False, False)] * 3
    return np.array([one for one, _ in pairs]), np.array([two for _, two in pairs])


@pytest.mark.parametrize(("first", "second"), [(0, 1), (3, 9), (9, 3), (12, 12), (0, 24)])
def test_few_discordant_images_are_tested_exactly(first: int, second: int) -> None:
    result = mcnemar_from_answers(*answers(40, first, second))
    expected = stats.binomtest(first, first + second, 0.5).pvalue
    assert (result.only_first, result.only_second, result.method) == (first, second, EXACT)
    assert result.p == pytest.approx(expected)


@pytest.mark.parametrize(("first", "second"), [(5, 20), (30, 30), (80, 20)])
def test_many_are_tested_with_chi_squared_and_continuity_correction(first: int, second: int) -> None:
    result = mcnemar_from_answers(*answers(40, first, second))
    statistic = max(abs(first - second) - 1, 0) ** 2 / (first + second)
    assert result.method == CHI_SQUARED
    assert result.p == pytest.approx(stats.chi2.sf(statistic, 1))


def test_both_forms_agree_where_one_gives_way_to_the_other() -> None:
    for first in range(EXACT_BELOW):
        approximate = mcnemar_from_answers(*answers(0, first, EXACT_BELOW - first)).p
        assert approximate == pytest.approx(stats.binomtest(first, EXACT_BELOW, 0.5).pvalue, abs=0.02)


def test_equal_models_do_not_differ() -> None:
    right = np.array([True, False, True])
    assert mcnemar_from_answers(right, right) == McNemar(0, 0, 1.0, EXACT)


def test_a_small_p_is_shown_as_a_bound() -> None:
    assert (p_value(0.0004), p_value(0.034)) == ("< 0.001", "0.034")
