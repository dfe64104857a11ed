"""k of n in seconds, hysteresis, and which plane a window is on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.temporal import HOLD_S, MIN_FRAMES, SLOW_WINDOW_S, WINDOW_S, Run, Vote, holds, run_from_votes, votes_after


def vote(number: int, at_s: float, plane: str | None = "femur", accepted: bool = True, score: float = 0.8) -> Vote:
    accepted = accepted and plane is not None
    return Vote(f"f{number}", f"d{number}", at_s, "", 1, plane, accepted, plane or "not_standard", score, 1.0, "high")


def window(*votes: Vote) -> tuple[Vote, ...]:
    kept: tuple[Vote, ...] = ()
    for one in votes:
        kept = votes_after(kept, one)
    return kept


def run(*votes: Vote) -> Run | None:
    return run_from_votes(window(*votes))


def reached_at_s(rate_hz: float) -> float | None:
    """When a plane that is held from 0 s on is captured."""
    kept: tuple[Vote, ...] = ()
    for number in range(200):
        kept = votes_after(kept, vote(number, number / rate_hz))
        found = run_from_votes(kept)
        if found is not None and found.is_reached:
            return number / rate_hz
    return None


@pytest.mark.parametrize("rate_hz", [7, 10, 25, 30, 60])
def test_a_fast_source_captures_after_the_same_time(rate_hz: float) -> None:
    reached = reached_at_s(rate_hz)
    assert reached is not None and HOLD_S <= reached < HOLD_S + 1.01 / rate_hz


@pytest.mark.parametrize("rate_hz", [1, 2, 3])
def test_a_slow_source_captures_with_the_third_frame(rate_hz: float) -> None:
    assert reached_at_s(rate_hz) == 2 / rate_hz


def test_frames_too_far_apart_never_add_up() -> None:
    assert reached_at_s(0.9 / SLOW_WINDOW_S) is None


def test_a_probe_that_passes_by_is_a_candidate_and_no_capture() -> None:
    found = run(*(vote(i, i / 30) for i in range(8)))
    assert found is not None and found.is_candidate and not found.is_reached


def test_one_frame_is_no_candidate() -> None:
    found = run(vote(0, 0.0))
    assert found is not None and not found.is_candidate


@pytest.mark.parametrize(
    ("probability", "rest", "expected"), [(0.6, 0.1, True), (0.48, 0.1, True), (0.47, 0.1, False), (0.5, 0.51, False)]
)
def test_a_plane_is_left_below_a_lower_threshold(probability: float, rest: float, expected: bool) -> None:
    assert holds(probability, rest, 0.6) is expected


def test_frames_that_only_hold_neither_end_nor_reach_a_run() -> None:
    held = [vote(i, i / 10, accepted=False) for i in range(1, 9)]
    found = run(vote(0, 0.0), *held)
    assert found is not None and not found.is_reached and len(found.accepted) == 1
    found = run(vote(0, 0.0), *held[:3], vote(9, 0.4), vote(10, 0.5))
    assert found is not None and found.is_reached


def test_holding_frames_before_the_first_accepted_one_enter_nothing() -> None:
    assert run(*(vote(i, i / 10, accepted=False) for i in range(8))) is None


def test_a_single_bad_frame_does_not_end_a_run_and_flicker_does() -> None:
    steady = [vote(i, i / 10, None if i == 2 else "femur") for i in range(5)]
    flicker = [vote(i, i / 10, None if i % 2 else "femur") for i in range(9)]
    found = run(*steady)
    assert found is not None and found.is_reached
    assert run(*flicker) is None


def test_the_run_of_an_earlier_plane_gives_way_to_the_new_one() -> None:
    thorax = [vote(i, i / 10, "thorax") for i in range(4)]
    found = run(*thorax, *(vote(i, i / 10) for i in range(4, 12)))
    assert found is not None and found.plane == "femur"


def test_the_best_frame_has_the_highest_score_and_is_an_accepted_one() -> None:
    found = run(vote(0, 0.0), vote(1, 0.2, score=0.9), vote(2, 0.3, accepted=False, score=1.0), vote(3, 0.4))
    assert found is not None and found.best.frame == "f1"


def test_a_picture_counts_once() -> None:
    first = vote(0, 0.0)
    again = Vote("f9", first.digest, 0.5, "", 1, "femur", True, "femur", 0.9, 1.0, "high")
    assert window(first, again) == (first,)


def test_a_late_frame_changes_nothing() -> None:
    assert window(vote(0, 1.0), vote(1, 0.5)) == (vote(0, 1.0),)


@given(st.lists(st.floats(0, 3, allow_nan=False), max_size=60))
def test_the_window_never_grows_beyond_its_time(gaps_s: list[float]) -> None:
    kept: tuple[Vote, ...] = ()
    at_s = 0.0
    for number, gap_s in enumerate(gaps_s):
        at_s += gap_s
        kept = votes_after(kept, vote(number, at_s))
        assert all(at_s - one.at_s <= (WINDOW_S if len(kept) > MIN_FRAMES else SLOW_WINDOW_S) for one in kept)
        assert kept[-1].at_s == at_s
