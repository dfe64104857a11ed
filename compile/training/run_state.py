"""Where a run stands: weights, averages, optimizer and the next step, in one file that is never half-written.

Random numbers need no place in it: every step draws from generators of (seed, epoch, step, process).
"""

from __future__ import annotations

import io
from collections.abc import Mapping
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

    def save(self, folder: Path, digest: str, position: Position) -> None:
        """Write the file.

        Args:
            folder: its place.
            digest: of the recipe and the data.
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
            "recipe": digest,
        }
        stream = io.BytesIO()
        torch.save(content, stream)
        write_atomic(folder / FILE, stream.getvalue())

    def restore(self, folder: Path, digest: str) -> Position:
        """Go on where a run stopped; the beginning where there was none.

        Raises:
            CheckpointError: a run of another recipe, or a damaged file.
        """
        path = folder / FILE
        if not path.exists():
            return Position()
        try:
            content = torch.load(path, map_location="cpu", weights_only=True)
            known = content["recipe"]
        except Exception as error:  # a damaged file raises nearly anything
            raise CheckpointError(
                f"{path} cannot be read: {str(error).splitlines()[0]}.", "Remove the folder to start anew."
            ) from error
        if known != digest:
            raise CheckpointError(
                f"{folder} holds a run of another recipe.",
                "Choose another --work folder, or remove this one to start anew.",
            )
        self.learner.load_state_dict(content["learner"])
        self.average.load_state_dict(content["average"])
        self.optimizer.load_state_dict(content["optimizer"])
        return Position(content["epoch"], content["step"], content["seconds"], content["sums"])
