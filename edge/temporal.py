"""When passing frames become a capture: k of n, in seconds, with hysteresis.

::

    frame -> Vote: enters a plane (accepted), holds it (a little below), or neither
          -> window: the last second of distinct frames
          -> Run: the plane that most of them agree on -> candidate (2 frames) -> reached (3 frames and 0.3 s)

In: votes and their clock. Out: the run. k and n are seconds, since sources give 2 to 60 frames a second: 3 of 5 frames
are 2 s of one and 80 ms of another, too short to tell a held probe from a passing one. The number of frames is a lower
bound besides, which matters to slow sources alone. Only accepted frames count towards k: a capture never rests on a
frame below the threshold that was measured; frames that merely hold keep the run from ending.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WINDOW_S = 1.0  # n; upper end of the 0.3 to 1 s over which N of M frames must agree; an estimate
HOLD_S = 0.3  # k; lower end of the same range: first to last agreeing frame
MIN_FRAMES = 3  # distinct accepted frames, however slow the source: two may be one good picture and its ghost
SLOW_WINDOW_S = 2.0  # so far the window stretches for MIN_FRAMES of a slow source; what is older is "AI off"
AGREEMENT = 2 / 3  # share of the frames since the plane was entered; lets single breathing or shadow frames pass
CANDIDATE_FRAMES = 2  # frames before the page says "hold still"; one frame flickers
LEAVE_RATIO = 0.8  # of the bundle's threshold; between the two a plane that was entered is neither lost nor counted


@dataclass(frozen=True)
class Vote:
    """What one distinct frame says, and all that is kept of it until it is captured or forgotten.

    Attributes:
        frame: its name in the exam.
        digest: of the picture.
        at_s: monotonic time at which the source gave it, seconds.
        wall: ISO 8601, UTC.
        fetus: that was being scanned.
        plane: protocol plane that it enters or holds; None, neither.
        accepted: enters: at or above the bundle's threshold; else it only holds.
        answer: what the model answered, for the record.
        probability: calibrated, of the most probable plane, 0..1.
        quality: of the image, 0..1.
        confidence: step, or None without a threshold.
    """

    frame: str
    digest: str
    at_s: float
    wall: str
    fetus: int
    plane: str | None
    accepted: bool
    answer: str
    probability: float
    quality: float
    confidence: str | None

    @property
    def score(self) -> float:
        """Calibrated probability x image quality, 0..1."""
        return self.probability * self.quality


@dataclass(frozen=True)
class Run:
    """The plane of a window.

    Attributes:
        plane: its id.
        accepted: votes that name it at or above the threshold, oldest first; never empty.
        is_candidate: enough to tell the user.
        is_reached: enough for a capture.
    """

    plane: str
    accepted: tuple[Vote, ...]
    is_candidate: bool
    is_reached: bool

    @property
    def best(self) -> Vote:
        """The highest score; of equal ones the oldest."""
        return max(self.accepted, key=lambda vote: vote.score)


def holds(probability: float, rest: float, threshold: float) -> bool:
    """Whether a frame that is not accepted keeps a plane that was entered.

    Args:
        probability: calibrated, of that plane, which is the most probable one, 0..1.
        rest: what all reject labels together have, 0..1; more than the plane, and it does not hold.
        threshold: lowest probability that enters, 0..1.
    """
    return probability >= LEAVE_RATIO * threshold and probability >= rest


def votes_after(votes: tuple[Vote, ...], vote: Vote) -> tuple[Vote, ...]:
    """The window with one more distinct frame.

    It ages by the frames' own time: a frozen picture, which adds no vote, stays what it was when it froze. A frame from
    before the newest one changes nothing, and neither does a picture that is in the window already.

    Args:
        votes: oldest first.
        vote: of a frame that repeats none of them.
    """
    if votes and (vote.at_s < votes[-1].at_s or any(vote.digest == other.digest for other in votes)):
        return votes
    every = (*votes, vote)
    kept = {other.frame for other in every if vote.at_s - other.at_s <= WINDOW_S}
    kept |= {other.frame for other in every[-MIN_FRAMES:] if vote.at_s - other.at_s <= SLOW_WINDOW_S}
    return tuple(other for other in every if other.frame in kept)


def run_from_votes(votes: Sequence[Vote]) -> Run | None:
    """The plane that a window is on, or None; of two planes the one with more accepted votes, then the newer one.

    Args:
        votes: distinct frames, oldest first.
    """
    planes = {vote.plane: index for index, vote in enumerate(votes) if vote.plane is not None and vote.accepted}
    runs = [(run, newest) for plane, newest in planes.items() if (run := _run_of_plane(plane, votes)) is not None]
    if not runs:
        return None
    return max(runs, key=lambda pair: (len(pair[0].accepted), pair[1]))[0]


def _run_of_plane(plane: str, votes: Sequence[Vote]) -> Run | None:
    """The run of one plane, counted from the first vote that entered it; None where too few agree."""
    entered = next(index for index, vote in enumerate(votes) if vote.plane == plane and vote.accepted)
    since = votes[entered:]
    agreeing = [vote for vote in since if vote.plane == plane]
    if len(agreeing) < AGREEMENT * len(since):
        return None
    accepted = tuple(vote for vote in agreeing if vote.accepted)
    long_enough = accepted[-1].at_s - accepted[0].at_s >= HOLD_S
    return Run(plane, accepted, len(accepted) >= CANDIDATE_FRAMES, len(accepted) >= MIN_FRAMES and long_enough)
