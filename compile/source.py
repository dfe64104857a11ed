"""What the user named -> float ONNX with its description: a zoo name, weights, or somebody's ONNX file."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from calibration.artifact import Artifact
from compile.foreign import IMAGENET_MEAN, IMAGENET_STD, onnx_from_foreign
from compile.job import Job
from compile.model.spec import METADATA_KEY, ModelSpec, rejects_from_labels, spec_from_json
from compile.stages import Stages
from edge.errors import CheckpointError, ModelError, UsageError
from edge.files import sha256_from_file, write_atomic
from edge.preprocess import Preprocess

WEIGHTS = Path(__file__).parent / "weights"
NOTES = ".notes.json"  # beside the model: what its export had to say, and of which file


@dataclass(frozen=True)
class Source:
    """A float model in the project's form.

    Attributes:
        model: FP32 ONNX.
        spec: its description.
        sha256: digest of the file it came from.
        card: its model card in Markdown.
        messages: what the user should know.
    """

    model: Artifact
    spec: ModelSpec
    sha256: str
    card: bytes
    messages: tuple[str, ...]


def source_from_job(job: Job, stages: Stages) -> Source:
    """Find the model and export it.

    Raises:
        UsageError: no model has that name, or it has no shipped weights.
        CheckpointError: weights that do not fit.
        ModelError: an ONNX file that is no classifier.
    """
    path = path_from_name(job.model)
    digest = sha256_from_file(path)
    options = {"weights": digest, "labels": "\n".join(job.labels), "preprocess": repr(job.preprocess)}
    if path.suffix == ".onnx":
        make = lambda file: onnx_from_foreign(path, file, job.labels, job.preprocess)[0]  # noqa: E731
    else:
        make = lambda file: _exported(path, file, job)  # noqa: E731
    model = stages.run("export", "model.onnx", options, make)
    card = path.with_suffix(".md")
    text = card.read_bytes() if card.is_file() else f"# {path.name}\n\nNo model card came with this model.\n".encode()
    return Source(model, spec_from_onnx(model.path), digest, text, messages_of_export(model.path))


def path_from_name(name: str) -> Path:
    """The weights behind a zoo name, or the path itself.

    Raises:
        UsageError: neither a file nor a name with shipped weights; the nearest names are given.
    """
    path = Path(name)
    if path.suffix in (".onnx", ".pth", ".pt", ".safetensors"):
        if not path.is_file():
            raise ModelError(f"There is no file {path}.", "Check the path of the model.")
        return path
    shipped = WEIGHTS / f"{name}.safetensors"
    if shipped.is_file():
        return shipped
    from compile.model.zoo import model_names

    if name in model_names():
        names = ", ".join(sorted(file.stem for file in WEIGHTS.glob("*.safetensors"))) or "none"
        raise UsageError(
            f"No weights of {name} ship with the project (shipped: {names}).",
            "Give a checkpoint of it instead: a .safetensors or .pth file.",
        )
    import difflib

    nearest = difflib.get_close_matches(name, model_names(), n=3, cutoff=0.3) or model_names()[:3]
    raise UsageError(f"No model is called {name!r}, and no such file.", f"Did you mean {', '.join(nearest)}?")


def spec_from_onnx(path: Path) -> ModelSpec:
    """The description inside an ONNX file of the project.

    Raises:
        ModelError: it has none.
    """
    from calibration.graph import load_model

    for entry in load_model(path).metadata_props:
        if entry.key == METADATA_KEY:
            return spec_from_json(entry.value)
    raise ModelError(f"{path} carries no description.", "Compile it with edge compile.")


def messages_of_export(model: Path) -> tuple[str, ...]:
    """What the export of this very file had to say, also where it is used again."""
    try:
        told = json.loads(model.with_suffix(NOTES).read_text())
        return tuple(told["messages"]) if told["model"] == sha256_from_file(model) else ()
    except (OSError, ValueError, KeyError, TypeError):  # the note of another model, or of an older program
        return ()


def _exported(path: Path, output: Path, job: Job) -> Artifact:
    from compile.export import onnx_from_student
    from compile.macs import macs_from_model
    from compile.model.checkpoint import teacher_from_checkpoint
    from compile.model.zoo import check_size

    # A head is only replaced on request: by a labels file of another length.
    model, info = teacher_from_checkpoint(path, classes=len(job.labels) or None)
    spec = info.spec or ModelSpec(
        name=info.name,
        labels=job.labels or tuple(f"class_{index}" for index in range(info.classes)),
        preprocess=job.preprocess or Preprocess(224, IMAGENET_MEAN, IMAGENET_STD, info.in_channels),
    )
    if info.spec is None:
        spec = replace(spec, reject_labels=rejects_from_labels(spec.labels))
    if len(spec.labels) != info.classes:
        raise CheckpointError(
            f"{path} has {info.classes} classes and {len(spec.labels)} labels.", "Give a labels file of that length."
        )
    if job.preprocess is not None and info.spec is None:
        spec = replace(spec, preprocess=replace(job.preprocess, channels=info.in_channels))
    check_size(model, spec.preprocess.channels, spec.preprocess.size_px)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    spec = replace(spec, parameters=parameters, macs=macs_from_model(model, spec.preprocess))
    made = onnx_from_student(model, spec, output, info.sha256)
    notes = {"model": made.sha256, "messages": info.messages}
    write_atomic(output.with_suffix(NOTES), json.dumps(notes).encode())
    return made
