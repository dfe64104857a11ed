"""What a report says in the place of a figure that these images do not give."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Absent:
    """Why a figure is not there: one sentence for the reader."""

    absent: str
