"""What `edge compile` was asked to do, and what came of it: two values, so that the pipeline needs no command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from calibration.artifact import Artifact
from calibration.dataset import Dataset
from edge.cpu import Cpu
from edge.decision import Decision
from edge.manifest import Gate
from edge.preprocess import Preprocess

PRECISIONS = ("int8", "fp16", "fp32")
LINEAR_FORMS = ("auto", "matmul", "conv")  # of linear layers in TensorRT; auto builds both and keeps the faster
TARGETS = ("cpu", "tensorrt", "jetson-orin", "jetson-thor")


@dataclass(frozen=True)
class Job:
    """One compilation.

    Attributes:
        model: zoo name, or path of a .safetensors, .pth, .onnx or .edge file.
        output: the bundle to write.
        work: folder of the stages' files; a stage whose inputs did not change is not run again.
        calibration: images that give the ranges and the decision.
        gate_data: images of the gate.
        precision: one of PRECISIONS.
        target: one of TARGETS.
        max_drop: points of macro-F1 that the gate allows; None switches it off.
        labels: class names for a model that has none.
        preprocess: for a model that does not say; None for its family's usual one.
        release: number for the anti-rollback counter.
        created: ISO 8601, UTC.
        cpu: of this machine, for which the engine is lowered and measured.
        kernels: folder of the native libraries, shared by all compilations; None: no native library.
        compiler: of C++, as $CXX names it; empty: the system's.
        threads: of ONNX Runtime.
    """

    model: str
    output: Path
    work: Path
    calibration: Dataset
    gate_data: Dataset
    precision: str
    target: str
    max_drop: float | None
    labels: tuple[str, ...]
    preprocess: Preprocess | None
    release: int
    created: str
    cpu: Cpu
    kernels: Path | None
    compiler: str
    threads: int

    @property
    def bundle(self) -> Path:
        """Where the bundle goes: for TensorRT not to the output before its engine has answered the gate frames."""
        return self.work / "unfinished.edge" if self.target == "tensorrt" else self.output


@dataclass(frozen=True)
class Compiled:
    """What a compilation made.

    Attributes:
        bundle: the signed file.
        name: of the model.
        gate: what the gate measured.
        decision: temperature and threshold.
        stages: name of each stage -> its file, in order.
        seconds: name of each stage -> wall time, 0 where its file was used again.
        messages: what the user should know.
    """

    bundle: Artifact
    name: str
    gate: Gate
    decision: Decision
    stages: dict[str, Artifact]
    seconds: dict[str, float]
    messages: tuple[str, ...]
