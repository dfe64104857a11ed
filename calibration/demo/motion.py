"""How a probe moves from plane to plane: time in; which images are seen, how far out of place and focus, out.

::

    searching | B comes | hold B | B leaves | elsewhere | C comes | hold C | ... | last hold
                        `- way 0 -----------------------------  way 1 -'
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LEAD_IN = 0.45  # of a way: a demo begins on the way to its first plane
GONE = 0.4  # of a way: the plane that was left is out of sight
SWAPPED = (0.2, 0.4)  # of a way: what lies elsewhere takes its place in the picture
TREMOR_HZ = (0.31, 0.47, 0.83)  # of hand, breath and fetus; no two in step
TURN, SHIFT = 0.025, 0.010  # radians; share of the picture: a hand that holds still
APPROACH = 0.05  # how much larger a plane is at the end of a hold: the sonographer goes nearer
AWAY_TURN, AWAY_SHIFT, AWAY_ZOOM = (
    0.35,
    0.28,
    0.22,
)  # radians; share of the picture; share: when a plane is out of sight
ELSEWHERE_BLUR = (0.25, 0.9)  # as of Still.defocused: a view that is none is seldom seen clearly
DARK = (0.35, 0.9)  # gain half-way: contact is lost, more or less
GAIN_DRIFT = 0.06


@dataclass(frozen=True)
class Pose:
    """Where an image lies in the picture.

    Attributes:
        turn: radians.
        right: share of the picture's width.
        down: share of its height.
        zoom: 1 fills the picture.
        blur: 0..1, as of `Still.defocused`.
    """

    turn: float
    right: float
    down: float
    zoom: float
    blur: float


@dataclass(frozen=True)
class Moment:
    """What is seen at one time.

    Attributes:
        plane: index of the nearest plane.
        pose: of it.
        elsewhere: index of the view between two planes.
        elsewhere_pose: of that.
        mix: 0..1, share of the view between.
        gain: factor of gray levels.
        shown: 0..1, how near the plane is to its place and focus.
    """

    plane: int
    pose: Pose
    elsewhere: int
    elsewhere_pose: Pose
    mix: float
    gain: float
    shown: float


@dataclass(frozen=True, eq=False)
class Hand:
    """What chance decides about one demo's motion; rows by plane.

    Attributes:
        phases: (3,3) radians, of turn, right and down.
        away: (K,4) where planes go: turn, right, down, zoom, as shares of their largest.
        blur: (K,) of the views between.
        dark: (K,) gain there.
    """

    phases: NDArray[np.float64]
    away: NDArray[np.float64]
    blur: NDArray[np.float64]
    dark: NDArray[np.float64]


def hand_from_generator(planes: int, rng: np.random.Generator) -> Hand:
    """Draw the motion of a demo of so many planes."""
    away = rng.uniform(0.5, 1.0, (planes, 4)) * rng.choice((-1.0, 1.0), (planes, 4))
    phases = rng.uniform(0, 2 * math.pi, (3, len(TREMOR_HZ)))
    return Hand(phases, away, rng.uniform(*ELSEWHERE_BLUR, planes), rng.uniform(*DARK, planes))


def moments_from_times(hand: Hand, fps: float, hold_s: float, glide_s: float, last_hold_s: float) -> Iterator[Moment]:
    """One moment a frame.

    Args:
        hand: its motion.
        fps: frames a second.
        hold_s: how long a plane is held.
        glide_s: how long the way to the next one takes.
        last_hold_s: how long the last one is held; may be infinite.
    """
    planes, number = len(hand.blur), 0
    for plane in range(planes):
        steps = max(1, round(glide_s * fps))
        for step in range(round(LEAD_IN * steps) if plane == 0 else 0, steps):
            yield _on_the_way(hand, plane, (step + 1) / (steps + 1), number / fps)
            number += 1
        seconds, start = hold_s if plane + 1 < planes else last_hold_s, number
        while number - start < seconds * fps:
            yield _held(hand, plane, min(1.0, (number - start) / (hold_s * fps)), number / fps)
            number += 1


def _held(hand: Hand, plane: int, share: float, time_s: float) -> Moment:
    pose = _trembling(hand, Pose(0.0, 0.0, 0.0, 1.0 + APPROACH * _eased(share), 0.0), time_s)
    return Moment(plane, pose, plane, pose, 0.0, _gain(time_s), shown=1.0)


def _on_the_way(hand: Hand, to: int, way: float, time_s: float) -> Moment:
    """Between the plane before `to` and `to`; each half is the other one, seen in a mirror."""
    is_leaving = way < 0.5
    plane, near = (to - 1, way) if is_leaving else (to, 1.0 - way)
    away = _eased(min(1.0, near / GONE))
    turn, right, down, zoom = hand.away[plane]
    size = 1.0 + (APPROACH * (1.0 - away) if is_leaving else 0.0)
    pose = Pose(
        AWAY_TURN * turn * away, AWAY_SHIFT * right * away, AWAY_SHIFT * down * away,
        size * (1.0 + AWAY_ZOOM * zoom * away), away,
    )  # fmt: skip
    passing = 0.5 - way  # what lies between is passed by: it comes from one side and goes on to the other
    between = Pose(-AWAY_TURN * turn * passing, AWAY_SHIFT * passing, 0.0, 1.15, hand.blur[to])
    mix = _eased(min(1.0, max(0.0, (near - SWAPPED[0]) / (SWAPPED[1] - SWAPPED[0]))))
    gain = _gain(time_s) * (1.0 + (hand.dark[to] - 1.0) * _eased(min(1.0, 2 * near)))
    poses = (_trembling(hand, shown, time_s) for shown in (pose, between))
    return Moment(plane, next(poses), to, next(poses), mix, gain, shown=1.0 - away)


def _trembling(hand: Hand, pose: Pose, time_s: float) -> Pose:
    waves = np.sin(2 * math.pi * np.array(TREMOR_HZ) * time_s + hand.phases).mean(axis=1)
    turn, right, down = (float(wave) for wave in waves)
    return Pose(pose.turn + TURN * turn, pose.right + SHIFT * right, pose.down + SHIFT * down, pose.zoom, pose.blur)


def _gain(time_s: float) -> float:
    return 1.0 + GAIN_DRIFT * math.sin(2 * math.pi * 0.13 * time_s)


def _eased(share: float) -> float:
    return share * share * (3 - 2 * share)
