"""Where a run stands: weights, averages, optimizer and the next step, in one file that is never half-written.

Random numbers need no place in it: every step draws from generators of (seed, epoch, step, process).
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edge.errors import CheckpointError
from edge.files import write_atomic

FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Position:
    """The step that comes next.

    Attributes:
        epoch: counted from 0.
        step: of that epoch, counted from 0.
        seconds: that the epoch has taken so far.
        sums: of the losses over the epoch's steps so far.
    """

    epoch: int = 0
    step: int = 0
    seconds: float = 0.0
    sums: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class RunState:
    """Everything that training changes.

    Attributes:
        learner: student and projections.
        average: of the student.
        optimizer: of the learner.
    """

    learner: nn.Module
    average: nn.Module
    optimizer: torch.optim.Optimizer

    def save(self, folder: Path, made_from: Mapping[str, str], position: Position) -> None:
        """Write the file.

        Args:
            folder: its place.
            made_from: "recipe" and "images" -> their digests.
            position: the step that comes next.

        Raises:
            MachineError: the file cannot be written; the one before stays.
        """
        content: dict[str, Any] = {
            "learner": self.learner.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch": position.epoch,
            "step": position.step,
            "seconds": position.seconds,
            "sums": dict(position.sums),
            **made_from,
        }
        stream = io.BytesIO()
        torch.save(content, stream)
        write_atomic(folder / FILE, stream.getvalue())

    def restore(self, folder: Path, made_from: Mapping[str, str]) -> Position:
        """Go on where a run stopped; the beginning where there was none.

        Args:
            folder: of the file.
            made_from: as in `save`; an older file does not say its images, and is believed.

        Raises:
            CheckpointError: a run of another recipe or on other images, or a damaged file.
        """
        path = folder / FILE
        if not path.exists():
            return Position()
        with _reading(path):
            content = torch.load(path, map_location="cpu", weights_only=True)
            known = {"recipe": content["recipe"], "images": content.get("images", made_from["images"])}
        for name, told in (("recipe", "of another recipe"), ("images", "on other images")):
            if known[name] != made_from[name]:
                raise CheckpointError(
                    f"{folder} holds a run {told}.",
                    "Choose another --work folder, or remove this one to start anew.",
                )
        with _reading(path):
            self.learner.load_state_dict(content["learner"])
            self.average.load_state_dict(content["average"])
            self.optimizer.load_state_dict(content["optimizer"])
            return Position(content["epoch"], content["step"], content["seconds"], content["sums"])


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # a damaged file raises nearly anything
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise CheckpointError(f"{path} cannot be read: {reason}.", "Remove the folder to start anew.") from error
